"""A reader for the little DER that PKCS#11 attributes hold: strict, bounded, standard library only.

Source: X.690. Definite lengths in their shortest form, one-octet tags; everything else is malformed. Every
function raises ValueError on malformed input and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
PRINTABLE_STRING = 0x13
SEQUENCE = 0x30

_MULTI_OCTET_TAG = 0x1F
_LENGTH_OCTETS_MAX = 4
# 70 bits. Only UUIDs (2.25) make longer arcs of an OBJECT IDENTIFIER, and they name no curves.
_ARC_OCTETS_MAX = 10


@dataclass(frozen=True, slots=True)
class Element:
    """One tag, its content, and the offset in the input at which the next element begins."""

    tag: int
    content: bytes
    end: int


def read(data: bytes, offset: int = 0) -> Element:
    """The element that begins at `offset`. What follows it is left alone."""
    if offset + 2 > len(data):
        raise ValueError("DER element is cut off in its header")
    tag = data[offset]
    if tag & _MULTI_OCTET_TAG == _MULTI_OCTET_TAG:
        raise ValueError("DER tag of several octets")
    length, start = _length(data, offset + 1)
    if start + length > len(data):
        raise ValueError(f"DER element of {length} octets, {len(data) - start} are there")
    return Element(tag, data[start : start + length], start + length)


def _length(data: bytes, offset: int) -> tuple[int, int]:
    first = data[offset]
    if first < 0x80:
        return first, offset + 1
    count = first & 0x7F
    if not 1 <= count <= _LENGTH_OCTETS_MAX:
        raise ValueError("DER length is indefinite or too long")
    octets = data[offset + 1 : offset + 1 + count]
    length = int.from_bytes(octets, "big")
    if len(octets) < count or octets[0] == 0 or length < 0x80:
        raise ValueError("DER length is cut off or not in its shortest form")
    return length, offset + 1 + count


def read_only(data: bytes, tag: int) -> bytes:
    """The content of `data`, which has to be one element with this tag and nothing behind it."""
    element = read(data)
    if element.tag != tag:
        raise ValueError(f"DER tag {element.tag:#04x} where {tag:#04x} was expected")
    if element.end != len(data):
        raise ValueError(f"{len(data) - element.end} octets behind the DER element")
    return element.content


def children(content: bytes) -> tuple[Element, ...]:
    """All elements of a constructed element's content, in order."""
    found: list[Element] = []
    offset = 0
    while offset < len(content):
        found.append(read(content, offset))
        offset = found[-1].end
    return tuple(found)


def decode_integer(content: bytes) -> int:
    """The value of an INTEGER's content; negative ones are allowed, padded ones are not."""
    if not content:
        raise ValueError("INTEGER without content")
    if len(content) > 1 and (content[0], content[1] & 0x80) in ((0x00, 0x00), (0xFF, 0x80)):
        raise ValueError("INTEGER is not in its shortest form")
    return int.from_bytes(content, "big", signed=True)


def decode_oid(content: bytes) -> str:
    """The dotted form of an OBJECT IDENTIFIER's content."""
    if not content or content[-1] & 0x80:
        raise ValueError("OBJECT IDENTIFIER is empty or cut off")
    arcs: list[int] = []
    arc = length = 0
    for octet in content:
        if length == 0 and octet == 0x80:
            raise ValueError("OBJECT IDENTIFIER is not in its shortest form")
        arc = arc << 7 | octet & 0x7F
        length += 1
        if length > _ARC_OCTETS_MAX:
            raise ValueError("OBJECT IDENTIFIER has an arc that is too long")
        if not octet & 0x80:
            arcs.append(arc)
            arc = length = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def decode_bit_string(content: bytes) -> bytes:
    """The octets of a BIT STRING's content; one that does not end on an octet is refused."""
    if content[:1] != b"\0":
        raise ValueError("BIT STRING is empty or not of whole octets")
    return content[1:]


def encode(tag: int, content: bytes) -> bytes:
    """One element."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def encode_octet_string(content: bytes) -> bytes:
    """An OCTET STRING around `content`, as CKA_EC_POINT has it."""
    return encode(OCTET_STRING, content)


def encode_oid(dotted: str) -> bytes:
    """A whole OBJECT IDENTIFIER element from its dotted form."""
    texts = dotted.split(".")
    if len(texts) < 2 or not all(text.isascii() and text.isdigit() for text in texts):
        raise ValueError(f"not an object identifier: '{dotted}'")
    arcs = [int(text) for text in texts]
    if arcs[0] > 2 or (arcs[0] < 2 and arcs[1] > 39):
        raise ValueError(f"no object identifier begins like this: '{dotted}'")
    body = b"".join(map(_base128, (40 * arcs[0] + arcs[1], *arcs[2:])))
    return encode(OBJECT_IDENTIFIER, body)


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(0x80 | arc & 0x7F)
    return bytes(reversed(octets))
