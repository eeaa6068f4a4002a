"""OpenPGP key packets in a keyring: which of some public keys are in it.

Source: RFC 4880 §4.2 and §5.5.2; for keyboxes kbx/keybox-blob.c, for version 5 g10/parse-packet.c of GnuPG 2.2 to 2.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from scd.gcrypt.fingerprint import (
    ECDH,
    ECDSA,
    EDDSA,
    RSA,
    VERSION_4,
    VERSION_5,
    curve_oid,
    mpi,
    packet_fingerprint,
    point,
)
from scd.gcrypt.pubkey import PublicKey, RsaPublicKey

_PUBLIC_KEY, _PUBLIC_SUBKEY = 6, 14
_RSA_ENCRYPT_ONLY, _RSA_SIGN_ONLY = 2, 3
_RSA_NUMBERS = frozenset({RSA, _RSA_ENCRYPT_ONLY, _RSA_SIGN_ONLY})
_CURVE_NUMBERS = frozenset({ECDH, ECDSA, EDDSA})
# version, time, algorithm; in version 5 also the length of what follows
_BEFORE_MATERIAL = {VERSION_4: 6, VERSION_5: 10}
_KDF_START, _KDF_OCTETS = b"\3\1", 4  # their length, version; hash and cipher follow
_BLOB_HEADER = 16
_OPENPGP_BLOB = 2


@dataclass(frozen=True, slots=True)
class Attached:
    """An OpenPGP key. `created`: seconds since the epoch; `fingerprint`: 20 octets, in version 5 32.

    `encryption`: it can do nothing else, as ECDH keys; an RSA key with that in its self-signature does not show it.
    """

    created: int
    fingerprint: bytes
    encryption: bool


Found = tuple[PublicKey, Attached]


class Wanted:
    """Public keys to be found, by what key packets have of them behind the algorithm, KDF parameters left out."""

    def __init__(self, publics: Iterable[PublicKey]) -> None:
        self._by_material = {(isinstance(one, RsaPublicKey), form): one for one in publics for form in _forms(one)}

    def found(self, body: bytes) -> Found | None:
        """The public key of this packet, if it is wanted, and its OpenPGP key."""
        start = _BEFORE_MATERIAL.get(body[0]) if body else None
        if start is None or len(body) <= start:
            return None
        number, end = body[5], len(body)
        if number == ECDH:  # KDF parameters follow, whatever hash and cipher they name
            end -= _KDF_OCTETS
            if not body.startswith(_KDF_START, max(end, start)):
                return None
        if number not in _RSA_NUMBERS and number not in _CURVE_NUMBERS:
            return None
        public = self._by_material.get((number in _RSA_NUMBERS, body[start:end]))
        if public is None:
            return None
        encryption = number in (ECDH, _RSA_ENCRYPT_ONLY)
        return public, Attached(_number(body, 1), packet_fingerprint(body), encryption)


def _forms(public: PublicKey) -> Iterator[bytes]:
    """None for a key that no packet has room for."""
    try:
        if isinstance(public, RsaPublicKey):
            yield mpi(public.n) + mpi(public.e)
            return
        curve = public.curve_info
        for oid in (curve.oid, *curve.other_oids):
            yield curve_oid(oid) + point(public)
    except ValueError:
        return


def in_keybox(file: BinaryIO, wanted: Wanted) -> Iterator[Found]:
    """The keys in a keybox, in its order. gpg leaves deleted ones in the file and says so in the blob's header."""
    while len(header := file.read(_BLOB_HEADER)) == _BLOB_HEADER:
        length = _number(header, 0)
        if length < _BLOB_HEADER:
            return
        rest = file.read(length - _BLOB_HEADER)
        if header[4] == _OPENPGP_BLOB:
            start = _number(header, 8) - _BLOB_HEADER
            if start >= 0:
                yield from in_packets(rest[start : start + _number(header, 12)], wanted)


def in_packets(octets: bytes, wanted: Wanted) -> Iterator[Found]:
    """The keys in a sequence of packets; what follows a packet that cannot be read is left out."""
    offset = 0
    while (header := _header(octets, offset)) is not None:
        tag, start, length = header
        offset = start + length
        if offset > len(octets):
            return
        if tag in (_PUBLIC_KEY, _PUBLIC_SUBKEY):
            found = wanted.found(octets[start:offset])
            if found is not None:
                yield found


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
