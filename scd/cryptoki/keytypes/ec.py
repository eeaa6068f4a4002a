"""ECDSA signatures and ECDH on every curve with a Diffie-Hellman function, X25519 and X448 included."""

from __future__ import annotations

import ctypes

from scd.cryptoki.calls.ckr import USER_NOT_LOGGED_IN, CkrError
from scd.cryptoki.calls.native import Ecdh1Params
from scd.cryptoki.calls.numbers import KDF_NULL, Mechanism
from scd.cryptoki.keytypes.operation import Operation, Rung, secret_template
from scd.gcrypt import der
from scd.gcrypt.curves import Curve, Family
from scd.gcrypt.points import plain_point
from scd.token.errors import InvalidData, TokenFailure

_SIGNING = (Rung("CKM_ECDSA", "Sign", Mechanism.ECDSA),)


def sign(operation: Operation, curve: Curve, digest: bytes) -> bytes:
    """r‖s, each as long as the curve's order. A longer hash is cut to the order's length (FIPS 186-5 §6.4.1)."""
    half = len(curve.n)
    digest = digest[:half]  # all orders served have whole octets, P-521's needs no cut
    answer = operation.first_that_works("sign", _SIGNING, lambda rung: operation.operate(rung, digest, 2 * half + 16))
    signature = raw_signature(answer, half)
    zero = bytes(half)
    if not (zero < signature[:half] < curve.n and zero < signature[half:] < curve.n):  # as numbers: all are as long
        raise TokenFailure(f"{operation.about}: the token's ECDSA signature is none: a number lies outside the order")
    return signature


def raw_signature(signature: bytes, half: int) -> bytes:
    """r‖s from r‖s, or from the DER form one vendor returns (pkcs11-provider issue 639)."""
    if len(signature) == 2 * half:
        return signature
    try:
        r, s = der.children(der.read_only(signature, der.SEQUENCE))
        return b"".join(der.decode_integer(one.content).to_bytes(half, "big") for one in (r, s))
    except (ValueError, OverflowError):
        raise TokenFailure(f"the token's ECDSA signature has {len(signature)} octets instead of {2 * half}") from None


def derive(operation: Operation, curve: Curve, point: bytes) -> bytes:
    """The shared X (or u), padded to the field's length. The peer's point is given bare, then as OCTET STRING.

    A bare point that happens to be an OCTET STRING itself is wrapped first: SoftHSM 2.6.1 unwraps it otherwise (on
    brainpoolP512r1 one point in 256 begins 04 7F, and CKR_GENERAL_ERROR follows).

    A point that is not on the curve never reaches the token: not every one looks, and such points tell the key.
    """
    try:
        point = plain_point(curve, point)
    except ValueError as error:
        raise InvalidData(f"{operation.about}: the peer's point: {error}") from error
    forms = [("bare point", point), ("OCTET STRING", der.encode_octet_string(point))]
    purpose = "derive"
    if _is_octet_string(point):
        forms.reverse()
        purpose = "derive from such a point"  # what works for the others is not to be tried first here
    rungs = [
        Rung(f"CKM_{mechanism.name} {form}, {extent}", "Derive", mechanism, (data, length))
        for mechanism in (Mechanism.ECDH1_DERIVE, Mechanism.ECDH1_COFACTOR_DERIVE)
        if operation.offers(mechanism)
        for form, data in forms
        for extent, length in (("length given", curve.field_bytes), ("without length", None))
    ]
    shared = operation.first_that_works(purpose, rungs, lambda rung: _derive(operation, rung))
    if curve.family is Family.WEIERSTRASS:
        shared = shared.rjust(curve.field_bytes, b"\0")
    if len(shared) != curve.field_bytes:
        raise TokenFailure(f"{operation.about}: a shared secret of {len(shared)} octets on {curve.name}")
    if not any(shared):
        raise TokenFailure(f"{operation.about}: a shared secret of nothing but zeros on {curve.name}")
    return shared


def _is_octet_string(point: bytes) -> bool:
    try:
        der.read_only(point, der.OCTET_STRING)
    except ValueError:
        return False
    return True


def _derive(operation: Operation, rung: Rung) -> bytes:
    """C_DeriveKey has no Init, so an always-authenticate key is tried as it is before its PIN is used."""
    point, length = rung.parameter
    buffer = ctypes.create_string_buffer(point, len(point))
    parameter = Ecdh1Params(KDF_NULL, 0, None, len(point), ctypes.cast(buffer, ctypes.c_void_p))
    call = (operation.session, operation.key, operation.mechanism(rung.mechanism, parameter), secret_template(length))
    try:
        handle = operation.native.derive(*call)
    except CkrError as error:
        if error.rv != USER_NOT_LOGGED_IN or operation.between is None:
            raise
        operation.between()
        handle = operation.native.derive(*call)
    return operation.secret_value(handle)
