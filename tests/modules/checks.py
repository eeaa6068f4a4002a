"""Whether what a private key did is right, judged by cryptography with the public half."""

from __future__ import annotations

import hashlib
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.modules.beds.bed import BedKey, PublicKey
from tests.modules.daemon import TokenDaemon

DIGEST = hashlib.sha256(b"The words of the letter.\n").digest()
_SHA256_INFO = bytes.fromhex("3031300D060960864801650304020105000420")
_SHA256 = Prehashed(hashes.SHA256())


def assert_signature(public: PublicKey, signature: bytes) -> None:
    """Raises InvalidSignature unless it is one over DIGEST: PKCS#1, or r and s one after the other."""
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, DIGEST, padding.PKCS1v15(), _SHA256)
        return
    half = len(signature) // 2
    assert half == (public.curve.key_size + 7) // 8
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    public.verify(encode_dss_signature(r, s), DIGEST, ec.ECDSA(_SHA256))


def sign(daemon: TokenDaemon, key: BedKey, pin: str | None) -> None:
    """PKSIGN as gpg-agent does it, and verify."""
    reply = daemon.use("PKSIGN --hash=sha256", key, _SHA256_INFO + DIGEST, pin)
    assert reply.ok, f"{reply.code} {reply.text}\n{daemon.said()}"
    assert_signature(key.public, reply.data)


def authenticate(daemon: TokenDaemon, key: BedKey, pin: str | None) -> None:
    """PKAUTH as gpg-agent does it for ssh, and verify."""
    reply = daemon.use("PKAUTH", key, _SHA256_INFO + DIGEST, pin)
    assert reply.ok, f"{reply.code} {reply.text}\n{daemon.said()}"
    assert_signature(key.public, reply.data)


def decrypt(daemon: TokenDaemon, key: BedKey, pin: str | None) -> None:
    """PKDECRYPT of a session key (RSA), or of an ephemeral point (ECDH: 0x41 and the shared x)."""
    if isinstance(key.public, rsa.RSAPublicKey):
        secret = os.urandom(32)
        data, expected = key.public.encrypt(secret, padding.PKCS1v15()), secret
    else:
        ephemeral = ec.generate_private_key(key.public.curve)
        data = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        expected = b"\x41" + ephemeral.exchange(ec.ECDH(), key.public)
    reply = daemon.use("PKDECRYPT", key, data, pin)
    assert reply.ok, f"{reply.code} {reply.text}\n{daemon.said()}"
    assert reply.data[: len(expected)] == expected
