"""Whether what a private key did is right, judged by cryptography with the public half."""

from __future__ import annotations

import hashlib
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scd.gcrypt.pubkey import PublicKey as ScdPublicKey
from scd.gcrypt.pubkey import RsaPublicKey
from tests.modules.beds.bed import BedKey
from tests.modules.daemon import TokenDaemon

DIGEST = hashlib.sha256(b"The words of the letter.\n").digest()
SHA256_INFO = bytes.fromhex("3031300D060960864801650304020105000420")
_SHA256 = Prehashed(hashes.SHA256())
_CURVES: dict[str, ec.EllipticCurve] = {
    "nistp256": ec.SECP256R1(), "nistp384": ec.SECP384R1(), "nistp521": ec.SECP521R1(), "secp256k1": ec.SECP256K1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(), "brainpoolP384r1": ec.BrainpoolP384R1(),
    "brainpoolP512r1": ec.BrainpoolP512R1(),
}  # fmt: skip
_RAW: dict[str, type[ed25519.Ed25519PublicKey] | type[x25519.X25519PublicKey]] = {
    "ed25519": ed25519.Ed25519PublicKey,
    "cv25519": x25519.X25519PublicKey,
}

AnyPublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | x25519.X25519PublicKey


def assert_signature(public: AnyPublicKey, signature: bytes) -> None:
    """Raises InvalidSignature unless it is one over DIGEST: PKCS#1, r and s one after the other, or EdDSA's."""
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, DIGEST, padding.PKCS1v15(), _SHA256)
        return
    if isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(signature, DIGEST)
        return
    assert isinstance(public, ec.EllipticCurvePublicKey)
    half = len(signature) // 2
    assert half == (public.curve.key_size + 7) // 8
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    public.verify(encode_dss_signature(r, s), DIGEST, ec.ECDSA(_SHA256))


def known(public: ScdPublicKey) -> AnyPublicKey:
    """A public key of scd's as cryptography has it."""
    if isinstance(public, RsaPublicKey):
        return rsa.RSAPublicNumbers(*(int.from_bytes(one, "big") for one in (public.e, public.n))).public_key()
    if (raw := _RAW.get(public.algorithm)) is not None:
        return raw.from_public_bytes(public.q)
    return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[public.algorithm], public.q)


def challenge(public: AnyPublicKey) -> tuple[bytes, bytes]:
    """What to decrypt, and what must come of it: a ciphertext, or a point and the shared X."""
    if isinstance(public, rsa.RSAPublicKey):
        secret = os.urandom(32)
        return public.encrypt(secret, padding.PKCS1v15()), secret
    if isinstance(public, x25519.X25519PublicKey):
        peer = x25519.X25519PrivateKey.generate()
        return peer.public_key().public_bytes_raw(), peer.exchange(public)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    ephemeral = ec.generate_private_key(public.curve)
    point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return point, ephemeral.exchange(ec.ECDH(), public)


def sign(daemon: TokenDaemon, key: BedKey, pin: str | None) -> None:
    """PKSIGN as gpg-agent does it, and verify."""
    reply = daemon.use("PKSIGN --hash=sha256", key, SHA256_INFO + DIGEST, pin)
    assert reply.ok, f"{reply.code} {reply.text}\n{daemon.said()}"
    assert_signature(key.public, reply.data)


def authenticate(daemon: TokenDaemon, key: BedKey, pin: str | None) -> None:
    """PKAUTH as gpg-agent does it for ssh, and verify."""
    reply = daemon.use("PKAUTH", key, SHA256_INFO + DIGEST, pin)
    assert reply.ok, f"{reply.code} {reply.text}\n{daemon.said()}"
    assert_signature(key.public, reply.data)


def decrypt(daemon: TokenDaemon, key: BedKey, pin: str | None) -> None:
    """PKDECRYPT of a session key (RSA), or of an ephemeral point (ECDH: the whole point)."""
    data, expected = challenge(key.public)
    if isinstance(key.public, ec.EllipticCurvePublicKey):
        expected = b"\x04" + expected
    reply = daemon.use("PKDECRYPT", key, data, pin)
    assert reply.ok, f"{reply.code} {reply.text}\n{daemon.said()}"
    assert reply.data[: len(expected)] == expected
    if isinstance(key.public, ec.EllipticCurvePublicKey):
        ec.EllipticCurvePublicKey.from_encoded_point(key.public.curve, reply.data)  # raises ValueError
