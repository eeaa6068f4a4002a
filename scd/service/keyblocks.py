"""OpenPGP key packets in the octets of a keyring: whose public key is this one.

Source: RFC 4880 §4.2 and §5.5.2; for keyboxes kbx/keybox-blob.c of GnuPG 2.2 to 2.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scd.gcrypt.fingerprint import ECDH, ECDSA, EDDSA, RSA, VERSION, curve_oid, mpi, packet_fingerprint, point
from scd.gcrypt.pubkey import PublicKey, RsaPublicKey

_PUBLIC_KEY, _PUBLIC_SUBKEY = 6, 14
_RSA_ENCRYPT_ONLY, _RSA_SIGN_ONLY = 2, 3
_RSA_NUMBERS = frozenset({RSA, _RSA_ENCRYPT_ONLY, _RSA_SIGN_ONLY})
_CURVE_NUMBERS = frozenset({ECDH, ECDSA, EDDSA})
_BEFORE_MATERIAL = 6  # version, time, algorithm
_KDF_START, _KDF_OCTETS = b"\3\1", 4  # their length, version; hash and cipher follow
_BLOB_HEADER = 16
_OPENPGP_BLOB = 2


@dataclass(frozen=True, slots=True)
class Attached:
    """An OpenPGP key of version 4. `created`: seconds since the epoch; `fingerprint`: 20 octets.

    `encryption`: it can do nothing else, as ECDH keys; an RSA key with that in its self-signature does not show it.
    """

    created: int
    fingerprint: bytes
    encryption: bool


@dataclass(frozen=True, slots=True)
class Material:
    """How key packets write one public key: their algorithms' numbers, and what may follow these, KDF not included."""

    numbers: frozenset[int]
    forms: tuple[bytes, ...]

    @classmethod
    def of(cls, public: PublicKey) -> Material:
        """Of any public key; raises ValueError for one that no packet has room for."""
        if isinstance(public, RsaPublicKey):
            return cls(_RSA_NUMBERS, (mpi(public.n) + mpi(public.e),))
        curve = public.curve_info
        names = (curve_oid(oid) for oid in (curve.oid, *curve.other_oids))
        return cls(_CURVE_NUMBERS, tuple(name + mpi(point(public)) for name in names))

    def is_in(self, octets: bytes, start: int = 0, end: int | None = None) -> bool:
        """Whether it is worth while to take the octets apart."""
        return any(octets.find(form, start, end) >= 0 for form in self.forms)

    def attached(self, body: bytes) -> Attached | None:
        """The key of this packet when it has this public key."""
        if len(body) <= _BEFORE_MATERIAL or body[0] != VERSION or body[5] not in self.numbers:
            return None
        form = next((form for form in self.forms if body.startswith(form, _BEFORE_MATERIAL)), None)
        if form is None or not _is_rest(body[5], body[_BEFORE_MATERIAL + len(form) :]):
            return None
        created = int.from_bytes(body[1:5], "big")
        return Attached(created, packet_fingerprint(body), body[5] in (ECDH, _RSA_ENCRYPT_ONLY))


def _is_rest(number: int, rest: bytes) -> bool:
    """Whether nothing follows, but for ECDH the KDF parameters, whatever hash and cipher they name."""
    if number != ECDH:
        return not rest
    return len(rest) == _KDF_OCTETS and rest.startswith(_KDF_START)


def in_keybox(octets: bytes, material: Material) -> Iterator[Attached]:
    """The keys in a keybox file, in its order. gpg leaves deleted ones in the file and says so in the blob's header."""
    offset = 0
    while offset + _BLOB_HEADER <= len(octets):
        length = _number(octets, offset)
        if length < _BLOB_HEADER:
            return
        start = offset + _number(octets, offset + 8)
        end = min(start + _number(octets, offset + 12), offset + length)
        if octets[offset + 4] == _OPENPGP_BLOB and material.is_in(octets, start, end):
            yield from in_packets(octets[start:end], material)
        offset += length


def in_packets(octets: bytes, material: Material) -> Iterator[Attached]:
    """The keys in a sequence of packets; what follows a packet that cannot be read is left out."""
    offset = 0
    while (header := _header(octets, offset)) is not None:
        tag, start, length = header
        if start + length > len(octets):
            return
        if tag in (_PUBLIC_KEY, _PUBLIC_SUBKEY):
            found = material.attached(octets[start : start + length])
            if found is not None:
                yield found
        offset = start + length


def _header(octets: bytes, offset: int) -> tuple[int, int, int] | None:
    """Tag, where the body begins, its length; None at the end, and for what has no length that is known at once."""
    if offset + 6 > len(octets) or not octets[offset] & 0x80:
        return None
    first, second = octets[offset], octets[offset + 1]
    if not first & 0x40:
        size = 1 << (first & 3)
        return (first >> 2 & 15, offset + 1 + size, _number(octets, offset + 1, size)) if size < 8 else None
    if second < 192:
        return first & 63, offset + 2, second
    if second < 224:
        return first & 63, offset + 3, (second - 192 << 8) + octets[offset + 2] + 192
    return (first & 63, offset + 6, _number(octets, offset + 2)) if second == 255 else None


def _number(octets: bytes, offset: int, size: int = 4) -> int:
    return int.from_bytes(octets[offset : offset + size], "big")
