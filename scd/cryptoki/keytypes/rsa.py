"""RSA: sign a ready DigestInfo, decrypt a session key, on tokens that offer only part of the ways."""

from __future__ import annotations

from collections.abc import Sequence

from scd.cryptoki.calls.ckr import CkrError
from scd.cryptoki.calls.numbers import Mechanism
from scd.cryptoki.keytypes.operation import Operation, Rung, secret_template
from scd.gcrypt.pkcs1 import pad_signature, unpad_decrypted
from scd.gcrypt.proof import verifies
from scd.gcrypt.pubkey import RsaPublicKey
from scd.token.errors import InvalidData, TokenFailure, UnsupportedAlgorithm

# `private-mask` of gnupg-pkcs11-scd 0.10 (pkcs11-helper's PKCS11H_PRIVATEMODE_MASK_*).
SIGN, SIGN_RECOVER, DECRYPT, UNWRAP = 1, 2, 4, 8
_SIGNING = (
    (SIGN, Rung("C_Sign CKM_RSA_PKCS", "Sign", Mechanism.RSA_PKCS)),
    (SIGN, Rung("C_Sign CKM_RSA_X_509", "Sign", Mechanism.RSA_X_509)),
    (SIGN_RECOVER, Rung("C_SignRecover CKM_RSA_PKCS", "SignRecover", Mechanism.RSA_PKCS)),
    (SIGN_RECOVER, Rung("C_SignRecover CKM_RSA_X_509", "SignRecover", Mechanism.RSA_X_509)),
)
_DECRYPTING = (
    (DECRYPT, Rung("decrypt_unpadded CKM_RSA_PKCS", "Decrypt", Mechanism.RSA_PKCS)),
    (DECRYPT, Rung("decrypt_raw CKM_RSA_X_509", "Decrypt", Mechanism.RSA_X_509)),
    (UNWRAP, Rung("unwrap CKM_RSA_PKCS", "Unwrap", Mechanism.RSA_PKCS)),
)
_MALFORMED = "the decrypted data are malformed"


def sign(operation: Operation, public: RsaPublicKey, block: bytes) -> bytes:
    """PKCS#1 v1.5 signature over `block` (a DigestInfo, or TLS's 36 octets); modulus length."""
    length = (public.bits + 7) // 8
    if len(block) > length - 11:
        raise InvalidData(f"{operation.about}: {len(block)} octets do not fit into a {public.bits} bit signature")
    rungs = _offered(operation, SIGN | SIGN_RECOVER, _SIGNING)
    if not rungs:
        raise UnsupportedAlgorithm(
            f"{operation.about}: the token offers neither CKM_RSA_PKCS nor CKM_RSA_X_509; mechanisms that hash by "
            "themselves cannot be used, because GnuPG hands over the hash"
        )

    def climb(rung: Rung) -> bytes:
        data = block if rung.mechanism == Mechanism.RSA_PKCS else pad_signature(block, length)
        return operation.operate(rung, data, length)

    return _whole(operation.first_that_works("sign", rungs, climb), operation, public, block)


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
    rungs = _offered(operation, DECRYPT | UNWRAP, _DECRYPTING)
    try:
        plain = operation.first_that_works(
            "decrypt", rungs, lambda rung: _decrypted(operation, rung, ciphertext, length)
        )
    except CkrError as error:
        if not error.is_bad_ciphertext:
            raise
        raise InvalidData(_MALFORMED) from None
    if len(plain) > length - 11:
        raise InvalidData(_MALFORMED)
    return plain


def _offered(operation: Operation, family: int, rungs: Sequence[tuple[int, Rung]]) -> list[Rung]:
    """Those that the token offers, and the mask, which chooses among a family it mentions and leaves others to scd."""
    chosen = operation.private_mask & family or family
    return [rung for bit, rung in rungs if chosen & bit and operation.offers(rung.mechanism)]


def _decrypted(operation: Operation, rung: Rung, ciphertext: bytes, length: int) -> bytes:
    if rung.kind == "Unwrap":
        mechanism = operation.mechanism(rung.mechanism)
        handle = operation.native.unwrap(operation.session, operation.key, mechanism, ciphertext, secret_template())
        return operation.secret_value(handle)
    plain = operation.operate(rung, ciphertext, length)
    if rung.mechanism == Mechanism.RSA_X_509:
        return _unpad(plain.rjust(length, b"\0"))
    # tpm2-pkcs11 before 1.5 leaves the padding on (gnupg-pkcs11-scd issue 23); no message is as long as that.
    return _unpad(plain) if len(plain) > length - 11 else plain


def _unpad(block: bytes) -> bytes:
    try:
        return unpad_decrypted(block)
    except ValueError:
        raise InvalidData(_MALFORMED) from None
