"""RSA: sign a ready DigestInfo, decrypt a session key, on tokens that offer only part of the ways."""

from __future__ import annotations

from scd.cryptoki.calls.ckr import CkrError
from scd.cryptoki.calls.numbers import Mechanism
from scd.cryptoki.keytypes.operation import Operation, Rung, secret_template
from scd.gcrypt.pkcs1 import pad_signature, unpad_decrypted
from scd.gcrypt.proof import verifies
from scd.gcrypt.pubkey import RsaPublicKey
from scd.token.errors import InvalidData, TokenFailure, UnsupportedAlgorithm

# `private-mask` of gnupg-pkcs11-scd 0.10 (pkcs11-helper's PKCS11H_PRIVATEMODE_MASK_*).
SIGN, SIGN_RECOVER, DECRYPT, UNWRAP = 1, 2, 4, 8
_MALFORMED = "the decrypted data are malformed"


def sign(operation: Operation, public: RsaPublicKey, block: bytes) -> bytes:
    """PKCS#1 v1.5 signature over `block` (a DigestInfo, or TLS's 36 octets); modulus length."""
    length = (public.bits + 7) // 8
    if len(block) > length - 11:
        raise InvalidData(f"{operation.about}: {len(block)} octets do not fit into a {public.bits} bit signature")
    padded = pad_signature(block, length)
    ways = (
        (SIGN, "Sign", Mechanism.RSA_PKCS, block),
        (SIGN, "Sign", Mechanism.RSA_X_509, padded),
        (SIGN_RECOVER, "SignRecover", Mechanism.RSA_PKCS, block),
        (SIGN_RECOVER, "SignRecover", Mechanism.RSA_X_509, padded),
    )
    rungs = [
        Rung(f"C_{kind} CKM_{mechanism.name}", lambda k=kind, m=mechanism, d=data: operation.operate(k, m, d, length))  # type: ignore[misc]  # lambda defaults
        for bit, kind, mechanism, data in ways
        if _allowed(operation, bit, SIGN | SIGN_RECOVER) and operation.offers(mechanism)
    ]
    if not rungs:
        raise UnsupportedAlgorithm(
            f"{operation.about}: the token offers neither CKM_RSA_PKCS nor CKM_RSA_X_509; mechanisms that hash by "
            "themselves cannot be used, because GnuPG hands over the hash"
        )
    return _whole(operation.first_that_works("sign", rungs), operation, public, block)


def _whole(signature: bytes, operation: Operation, public: RsaPublicKey, block: bytes) -> bytes:
    """The signature in the modulus' length. A shorter one may be a number without its leading zeros: it is verified."""
    length = (public.bits + 7) // 8
    if len(signature) == length:
        return signature
    whole = signature.rjust(length, b"\0")
    if len(whole) == length and verifies(public, block, whole):
        return whole
    raise TokenFailure(f"{operation.about}: the token's RSA signature has {len(signature)} octets instead of {length}")


def decrypt(operation: Operation, public: RsaPublicKey, ciphertext: bytes) -> bytes:
    """The plaintext without PKCS#1 v1.5 padding.

    Raises InvalidData with one constant text for data that were not encrypted to this key, whatever the module said
    of them: the differences would tell an attacker about the padding.
    """
    length = (public.bits + 7) // 8
    ways = (
        (DECRYPT, Mechanism.RSA_PKCS, _decrypt_unpadded),
        (DECRYPT, Mechanism.RSA_X_509, _decrypt_raw),
        (UNWRAP, Mechanism.RSA_PKCS, _unwrap),
    )
    rungs = [
        Rung(f"{way.__name__.strip('_')} CKM_{mechanism.name}", lambda w=way: w(operation, ciphertext, length))  # type: ignore[misc]  # lambda defaults
        for bit, mechanism, way in ways
        if _allowed(operation, bit, DECRYPT | UNWRAP) and operation.offers(mechanism)
    ]
    try:
        plain = operation.first_that_works("decrypt", rungs)
    except CkrError as error:
        if not error.is_bad_ciphertext:
            raise
        raise InvalidData(_MALFORMED) from None
    if len(plain) > length - 11:
        raise InvalidData(_MALFORMED)
    return plain


def _allowed(operation: Operation, bit: int, family: int) -> bool:
    """The mask chooses among the ways of a family; a family it does not mention is left to scd."""
    chosen = operation.private_mask & family
    return not chosen or bool(chosen & bit)


def _decrypt_unpadded(operation: Operation, ciphertext: bytes, length: int) -> bytes:
    plain = operation.operate("Decrypt", Mechanism.RSA_PKCS, ciphertext, length)
    # tpm2-pkcs11 before 1.5 leaves the padding on (gnupg-pkcs11-scd issue 23); no message is as long as that.
    return _unpad(plain) if len(plain) > length - 11 else plain


def _decrypt_raw(operation: Operation, ciphertext: bytes, length: int) -> bytes:
    return _unpad(operation.operate("Decrypt", Mechanism.RSA_X_509, ciphertext, length).rjust(length, b"\0"))


def _unwrap(operation: Operation, ciphertext: bytes, _length: int) -> bytes:
    handle = operation.native.unwrap(
        operation.session, operation.key, operation.mechanism(Mechanism.RSA_PKCS), ciphertext, secret_template()
    )
    return operation.secret_value(handle)


def _unpad(block: bytes) -> bytes:
    try:
        return unpad_decrypted(block)
    except ValueError:
        raise InvalidData(_MALFORMED) from None
