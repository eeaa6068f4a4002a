"""OpenPGP fingerprints: of version 4 keys, and of gpg's version 5 keys, which those of Ed448 and X448 are.

Source: RFC 4880 §3.2, §5.5.2 and §12.2, RFC 6637 §8 and §9, RFC 9580 §5.5.4.2; for the numbers, object identifiers and
points of the 25519 and 448 curves, and for version 5, what gpg 2.2 to 2.5 write (g10/keyid.c). The algorithms 25 to 28
that came with RFC 9580 are left out: gpg has none of them.
"""

from __future__ import annotations

from typing import Final

from scd.gcrypt import der
from scd.gcrypt.curve import Curve, Family
from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey

RSA: Final = 1
ECDH: Final = 18
ECDSA: Final = 19
EDDSA: Final = 22

VERSION_4, VERSION_5 = 4, 5
_ONLY = {Family.EDWARDS: EDDSA, Family.MONTGOMERY: ECDH}
_LATEST = 0xFFFFFFFF
_BITS_MAX = 0xFFFF
# Version 4 keys name these curves by the identifiers of before RFC 8410, and have 40 in front of the point.
_NATIVE_OID = {"Ed25519": "1.3.6.1.4.1.11591.15.1", "Curve25519": "1.3.6.1.4.1.3029.1.5.1"}
_NATIVE_PREFIX = b"\x40"
_VERSION_5_CURVES = frozenset({"Ed448", "X448"})
# Field's length up to which they hold, hash (SHA-256, -384, -512), cipher (AES-128, AES-256 twice); g10/ecdh.c.
_KDF = ((256, 8, 7), (384, 9, 9), (521, 10, 9))


def algorithm_number(public: PublicKey, *, encryption: bool) -> int:
    """The number of the algorithm in a key packet: 1 RSA, 18 ECDH, 19 ECDSA, 22 EdDSA.

    `encryption` decides only where the curve leaves a choice.
    """
    if isinstance(public, RsaPublicKey):
        return RSA
    return _ONLY.get(public.curve_info.family, ECDH if encryption else ECDSA)


def key_material(public: PublicKey, *, encryption: bool, kdf: bytes | None = None) -> bytes:
    """What follows the algorithm octet in a key packet.

    RSA: MPIs n, e; curves: length and object identifier, MPI of the point, for ECDH the KDF parameters. `kdf`: these
    with their length octet, as in ecdh-params of WRITEKEY; without it gpg's own choice, `kdf_parameters`. Raises
    ValueError for a number that is too long for an MPI.
    """
    if isinstance(public, RsaPublicKey):
        return mpi(public.n) + mpi(public.e)
    curve = public.curve_info
    material = curve_oid(_NATIVE_OID.get(curve.name, curve.oid)) + point(public)
    if algorithm_number(public, encryption=encryption) == ECDH:
        material += kdf_parameters(curve) if kdf is None else kdf
    return material


def fingerprint(public: PublicKey, created: int, *, encryption: bool, kdf: bytes | None = None) -> bytes:
    """The fingerprint: 20 octets, of a version 5 key 32; `created`: seconds since the epoch.

    Raises ValueError as `key_material` does, and for a time that a key packet has no room for.
    """
    if not 0 <= created <= _LATEST:
        raise ValueError(f"a key cannot be created at {created}")
    material = key_material(public, encryption=encryption, kdf=kdf)
    since_when = created.to_bytes(4, "big") + bytes((algorithm_number(public, encryption=encryption),))
    if not isinstance(public, RsaPublicKey) and public.curve in _VERSION_5_CURVES:
        return packet_fingerprint(bytes((VERSION_5,)) + since_when + len(material).to_bytes(4, "big") + material)
    return packet_fingerprint(bytes((VERSION_4,)) + since_when + material)


def packet_fingerprint(body: bytes) -> bytes:
    """The fingerprint of a key packet from its body, header not included, whose first octet is the version."""
    import hashlib  # pulls in OpenSSL, and no fingerprint is needed before the greeting

    if body[0] == VERSION_5:
        return hashlib.sha256(b"\x9a" + len(body).to_bytes(4, "big") + body).digest()
    return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False).digest()


def kdf_parameters(curve: Curve) -> bytes:
    """What gpg 2.3 and later writes into new ECDH keys: length, 1, hash, cipher of the key encryption.

    gpg 2.2 has 08 (AES-192) for the cipher of 384 bit curves; who has to know looks into the key itself.
    """
    hash_number, cipher = next((hash_number, cipher) for bits, hash_number, cipher in _KDF if curve.bits <= bits)
    return bytes((3, 1, hash_number, cipher))


def curve_oid(dotted: str) -> bytes:
    """An object identifier as key packets have it: its length in one octet, its content."""
    return der.encode_oid(dotted)[1:]


def point(public: EccPublicKey) -> bytes:
    """The point as key packets have it, length in bits first: 04‖X‖Y, 40 and the bare octets, or these alone."""
    if public.curve in _VERSION_5_CURVES:
        return _bit_string(public.q)
    return mpi(public.q if public.curve_info.family is Family.WEIERSTRASS else _NATIVE_PREFIX + public.q)


def _bit_string(octets: bytes) -> bytes:
    """As an MPI, but zero octets in front stay, and count in full."""
    bits = 8 * len(octets) - (8 - octets[0].bit_length() if octets[0] else 0)
    return bits.to_bytes(2, "big") + octets


def mpi(number: bytes) -> bytes:
    """An MPI, its length in bits first; `number` is big endian without a zero octet in front."""
    bits = int.from_bytes(number, "big").bit_length()
    if bits > _BITS_MAX:
        raise ValueError(f"an OpenPGP key has no room for a number of {bits} bits")
    return bits.to_bytes(2, "big") + number
