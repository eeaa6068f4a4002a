"""ECDSA signatures and ECDH on every curve with a Diffie-Hellman function, X25519 and X448 included."""

from __future__ import annotations

import ctypes

from pkcs11 import KDF, Mechanism

from scd.cryptoki.keytypes.operation import Operation, Rung, secret_template
from scd.cryptoki.native import Ecdh1Params
from scd.gcrypt import der
from scd.gcrypt.curves import Curve, Family
from scd.token.errors import InvalidData, TokenFailure


def sign(operation: Operation, curve: Curve, digest: bytes) -> bytes:
    """r‖s, each as long as the curve's order. A longer hash is cut to the order's length (FIPS 186-5 §6.4.1)."""
    half = len(curve.n)
    digest = digest[:half]  # all orders served have whole octets, P-521's needs no cut
    rungs = [Rung("CKM_ECDSA", lambda: operation.operate("Sign", Mechanism.ECDSA, digest, 2 * half + 16))]
    return raw_signature(operation.first_that_works("sign", rungs), half)


def raw_signature(signature: bytes, half: int) -> bytes:
    """r‖s from r‖s, or from the DER form one vendor returns (pkcs11-provider issue 639)."""
    if len(signature) == 2 * half:
        return signature
    try:
        r, s = (one.content.lstrip(b"\0") for one in der.children(der.read_only(signature, der.SEQUENCE)))
    except ValueError:
        raise TokenFailure(f"the token's ECDSA signature has {len(signature)} octets instead of {2 * half}") from None
    return r.rjust(half, b"\0") + s.rjust(half, b"\0")


def derive(operation: Operation, curve: Curve, point: bytes) -> bytes:
    """The shared X (or u), padded to the field's length. The peer's point is given bare, then as OCTET STRING."""
    if len(point) != curve.q_bytes:
        raise InvalidData(
            f"{operation.about}: the peer's point has {len(point)} octets, {curve.name} needs {curve.q_bytes}"
        )
    wrapped = der.encode_octet_string(point)
    rungs = [
        Rung(
            f"CKM_{mechanism.name}",
            lambda m=mechanism, p=data, n=length: _derive(operation, m, p, n),  # type: ignore[misc]  # lambda defaults
        )
        for mechanism in (Mechanism.ECDH1_DERIVE, Mechanism.ECDH1_COFACTOR_DERIVE)
        if operation.offers(mechanism)
        for data in (point, wrapped)
        for length in (curve.field_bytes, None)
    ]
    shared = operation.first_that_works("derive", rungs)
    if curve.family is Family.WEIERSTRASS:
        return shared.rjust(curve.field_bytes, b"\0")
    return shared


def _derive(operation: Operation, mechanism: int, point: bytes, length: int | None) -> bytes:
    buffer = ctypes.create_string_buffer(point, len(point))
    parameter = Ecdh1Params(KDF.NULL, 0, None, len(point), ctypes.cast(buffer, ctypes.c_void_p))
    if operation.between is not None:
        operation.between()
    handle = operation.native.derive(
        operation.session, operation.key, operation.mechanism(mechanism, parameter), secret_template(length)
    )
    return operation.secret_value(handle)
