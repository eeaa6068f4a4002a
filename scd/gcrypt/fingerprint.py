"""OpenPGP fingerprints of version 4 keys.

Source: RFC 4880 §5.5.2 and §12.2, RFC 6637 §9 and §11, for Ed25519 draft-koch-eddsa-for-openpgp; RFC 9580 §5.5.4.2.
"""

from __future__ import annotations

from scd.gcrypt.pubkey import PublicKey


def algorithm_number(public: PublicKey, *, encryption: bool) -> int:
    """The number of the algorithm: 1 RSA, 18 ECDH, 19 ECDSA, 22 EdDSA."""
    raise NotImplementedError


def key_material(public: PublicKey, *, encryption: bool, kdf: bytes | None = None) -> bytes:
    """What follows the algorithm octet in a key packet."""
    raise NotImplementedError


def fingerprint(public: PublicKey, created: int, *, encryption: bool, kdf: bytes | None = None) -> bytes:
    """The 20 octets of the fingerprint. `created`: seconds since the epoch."""
    raise NotImplementedError
