"""What a token's private key computes, done by `cryptography`; shapes as `scd.token.port` says."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, utils, x448, x25519

from scd.token.errors import InvalidData, WrongKeyUsage
from tests.fakes.keys import PrivateKey

_HASHES: dict[int, hashes.HashAlgorithm] = {
    20: hashes.SHA1(),
    28: hashes.SHA224(),
    32: hashes.SHA256(),
    48: hashes.SHA384(),
    64: hashes.SHA512(),
}


def sign(key: PrivateKey, data: bytes) -> bytes:
    """See `SignRequest`."""
    if isinstance(key, rsa.RSAPrivateKey):
        return _rsa_sign(key, data)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if len(data) not in _HASHES:
            raise InvalidData(f"a hash of {len(data)} octets")
        r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(utils.Prehashed(_HASHES[len(data)]))))
        half = (key.curve.key_size + 7) // 8
        return r.to_bytes(half, "big") + s.to_bytes(half, "big")
    if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return key.sign(data)
    raise WrongKeyUsage("this key cannot sign")


def _rsa_sign(key: rsa.RSAPrivateKey, block: bytes) -> bytes:
    """PKCS#1 v1.5 type 1 padding around any block, RFC 8017 §9.2 without the hashing."""
    length = (key.key_size + 7) // 8
    if len(block) > length - 11:
        raise InvalidData(f"{len(block)} octets do not fit into a {key.key_size} bit signature")
    padded = b"\0\1" + b"\xff" * (length - 3 - len(block)) + b"\0" + block
    numbers = key.private_numbers()
    return pow(int.from_bytes(padded, "big"), numbers.d, numbers.public_numbers.n).to_bytes(length, "big")


def decrypt(key: PrivateKey, data: bytes) -> bytes:
    """See `DecryptRequest`."""
    try:
        if isinstance(key, rsa.RSAPrivateKey):
            return key.decrypt(data, padding.PKCS1v15())
        if isinstance(key, ec.EllipticCurvePrivateKey):
            peer = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, data)
            return key.exchange(ec.ECDH(), peer)
        if isinstance(key, x25519.X25519PrivateKey):
            return key.exchange(x25519.X25519PublicKey.from_public_bytes(data))
        if isinstance(key, x448.X448PrivateKey):
            return key.exchange(x448.X448PublicKey.from_public_bytes(data))
    except ValueError as error:
        raise InvalidData("the data do not suit the key") from error
    raise WrongKeyUsage("this key cannot decrypt")
