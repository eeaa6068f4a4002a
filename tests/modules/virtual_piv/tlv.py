"""BER-TLV as PIV uses it: tags of one to three octets, definite lengths."""

from __future__ import annotations


def tlv(tag: int, *values: bytes) -> bytes:
    """One data object; several values are put one after the other."""
    value = b"".join(values)
    octets = tag.to_bytes((tag.bit_length() + 7) // 8 or 1, "big")
    if len(value) < 0x80:
        return octets + bytes((len(value),)) + value
    length = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return octets + bytes((0x80 | len(length),)) + length + value


def parse(octets: bytes) -> dict[int, bytes]:
    """The data objects of one level by tag, one-octet tags only. Raises ValueError where they do not fit."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(octets):
        tag, length, at = octets[at], octets[at + 1] if at + 1 < len(octets) else 0, at + 2
        if length >= 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(octets[at : at + size], "big"), at + size
        if at + length > len(octets):
            raise ValueError("a data object is longer than what holds it")
        found[tag], at = octets[at : at + length], at + length
    return found
