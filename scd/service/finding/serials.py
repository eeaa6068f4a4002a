"""Names on the wire: a token's serial number, a key's keyref, and the id strings gnupg-pkcs11-scd wrote into stubs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from scd.token.model import TokenId

_PREFIX, _SUFFIX = "D2760001240111503131", "1111"
_ESCAPED = frozenset(b"\\/\"'%&#@!?$* <>{}[]()`|:;,.+-")
_LONGEST_ID = 32
_KEYGRIP_LENGTH = 40


@lru_cache
def serialised(token: TokenId) -> str:
    r"""pkcs11-helper's token id: `manufacturer/model/serial/label`, odd octets as `\xHH` (pkcs11-helper 1.29)."""
    return "/".join(_escape(part) for part in (token.manufacturer, token.model, token.serial, token.label))


def _escape(part: str) -> str:
    return "".join(
        f"\\x{octet:02X}" if octet in _ESCAPED or not 0x21 <= octet <= 0x7E else chr(octet)
        for octet in part.encode("utf-8", "surrogateescape")
    )


@lru_cache
def short_serial(token: TokenId) -> str:
    """Eight hex digits: the first four octets of the SHA-1 of the serialised token id (gnupg-pkcs11-scd 0.10).

    For a second token with the same id its number goes into the hash, too; that program takes the two for one.
    """
    text = serialised(token) + (f"/{token.twin}" if token.twin else "")
    return hashlib.sha1(text.encode("ascii"), usedforsecurity=False).hexdigest()[:8].upper()


def wire_serial(token: TokenId, pinned: Mapping[str | None, str]) -> str:
    """The token's serial number as clients see it, an even number of hex digits.

    `pinned` is `provider-NAME-serial`: by token label, or under None for every token of the module. Eight digits go
    into the scheme of gnupg-pkcs11-scd, any other number is taken whole.
    """
    chosen = pinned.get(token.label, pinned.get(None)) or short_serial(token)
    return f"{_PREFIX}{chosen.upper()}{_SUFFIX}" if len(chosen) == 8 else chosen.upper()


def serial_mark(serial: str) -> str:
    """The part of a wire serial that tells tokens apart: eight hex digits."""
    if serial.startswith(_PREFIX) and len(serial) == 32:
        return serial[20:28]
    return hashlib.sha1(serial.encode("ascii"), usedforsecurity=False).hexdigest()[:8].upper()


def keyref(serial: str, cka_id: bytes, keygrip: bytes, *, unique: bool) -> str:
    """`P11.<token's eight digits><CKA_ID in hex>`.

    Where the CKA_ID cannot name the key (empty, shared by two keys, very long, or making the whole look like a
    keygrip) the first eight octets of the keygrip stand for it.
    """
    start = f"P11.{serial_mark(serial)}"
    usable = unique and 0 < len(cka_id) <= _LONGEST_ID and len(start) + 2 * len(cka_id) != _KEYGRIP_LENGTH
    return start + (cka_id if usable else keygrip[:8]).hex().upper()


def helper_id(token: TokenId, cka_id: bytes) -> str:
    """The id gnupg-pkcs11-scd gives a key: the serialised token id, a slash, CKA_ID in hex."""
    return f"{serialised(token)}/{cka_id.hex().upper()}"


def display_serial(token: TokenId, serial: str) -> str:
    """How a person tells the token: its label and the digits of the serial; printable ASCII only."""
    label = "".join(c if " " <= c <= "~" else "?" for c in token.label).strip()
    return f"{label} ({serial_mark(serial)})" if label else serial_mark(serial)
