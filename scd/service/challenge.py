"""Proof that a token has a key: it signs a challenge of ours, and the public key tells whether it did."""

from __future__ import annotations

import os
from typing import Final

from scd.gcrypt import digestinfo
from scd.gcrypt.curves import Family
from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey

_HASH: Final = "sha256"
_CURVES: Final = {
    "NIST P-256": "SECP256R1",
    "NIST P-384": "SECP384R1",
    "NIST P-521": "SECP521R1",
    "secp256k1": "SECP256K1",
    "brainpoolP256r1": "BrainpoolP256R1",
    "brainpoolP384r1": "BrainpoolP384R1",
    "brainpoolP512r1": "BrainpoolP512R1",
}


def challenge() -> bytes:
    """A random SHA-256 DigestInfo, as PKAUTH takes it."""
    return digestinfo.add(_HASH, os.urandom(digestinfo.HASH_LENGTHS[_HASH]))


def answers(public: PublicKey, asked: bytes, signature: bytes) -> bool:
    """Whether `signature`, in the form of `SignRequest`, is the key's over this challenge."""
    from cryptography.exceptions import InvalidSignature

    digest = asked[len(digestinfo.PREFIXES[_HASH]) :]
    try:
        if isinstance(public, RsaPublicKey):
            _check_rsa(public, digest, signature)
        elif public.curve_info.family is Family.EDWARDS:
            _check_edwards(public, digest, signature)
        else:
            _check_ecdsa(public, digest, signature)
    except InvalidSignature:
        return False
    return True


def _check_rsa(public: RsaPublicKey, digest: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

    numbers = rsa.RSAPublicNumbers(int.from_bytes(public.e, "big"), int.from_bytes(public.n, "big"))
    numbers.public_key().verify(signature, digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


def _check_edwards(public: EccPublicKey, digest: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

    kind = ed25519.Ed25519PublicKey if public.curve == "Ed25519" else ed448.Ed448PublicKey
    kind.from_public_bytes(public.q).verify(signature, digest)


def _check_ecdsa(public: EccPublicKey, digest: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    curve = getattr(ec, _CURVES[public.curve])()
    half = len(signature) // 2
    encoded = utils.encode_dss_signature(*(int.from_bytes(one, "big") for one in (signature[:half], signature[half:])))
    key = ec.EllipticCurvePublicKey.from_encoded_point(curve, public.q)
    key.verify(encoded, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
