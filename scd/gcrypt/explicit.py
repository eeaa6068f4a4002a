"""Explicit EC domain parameters: which known curve a spelt-out ECParameters SEQUENCE is.

Source: X9.62 and RFC 3279 §2.3.5. Some tokens and card profiles spell their curve out instead of naming it.
"""

from __future__ import annotations

from collections.abc import Iterable

from scd.gcrypt import der
from scd.gcrypt.curve import Curve, Family
from scd.gcrypt.points import plain_point

_PRIME_FIELD = "1.2.840.10045.1.1"
_VERSIONS = (1, 2, 3)


def match_explicit(content: bytes, curves: Iterable[Curve]) -> Curve | None:
    """The curve among `curves` with exactly the parameters in `content`, that of an ECParameters SEQUENCE.

    Prime, a, b, generator (compressed or not) and order all have to agree: a curve with a generator of
    somebody's own choice is another curve. Seed, cofactor and hash are not compared. None for every other
    curve, ValueError for broken DER.
    """
    parts = der.children(content)
    _expect(parts, (der.INTEGER, der.SEQUENCE, der.SEQUENCE, der.OCTET_STRING, der.INTEGER))
    if der.decode_integer(parts[0].content) not in _VERSIONS:
        raise ValueError("ECParameters of an unknown version")
    prime = _prime(parts[1].content)
    coefficients = der.children(parts[2].content)
    _expect(coefficients, (der.OCTET_STRING, der.OCTET_STRING))
    a, b = (int.from_bytes(element.content, "big") for element in coefficients[:2])
    values = (prime, a, b, der.decode_integer(parts[4].content))
    for curve in curves:
        if curve.family is Family.WEIERSTRASS and values == _values(curve):
            return curve if _is_generator(curve, parts[3].content) else None
    return None


def _expect(elements: tuple[der.Element, ...], tags: tuple[int, ...]) -> None:
    """Refuse a SEQUENCE that does not begin with these; optional elements may follow them."""
    if tuple(element.tag for element in elements[: len(tags)]) != tags:
        raise ValueError("ECParameters of an unknown shape")


def _prime(content: bytes) -> int | None:
    """The prime of a FieldID; None for a field of characteristic two."""
    parts = der.children(content)
    _expect(parts, (der.OBJECT_IDENTIFIER,))
    if der.decode_oid(parts[0].content) != _PRIME_FIELD:
        return None
    _expect(parts, (der.OBJECT_IDENTIFIER, der.INTEGER))
    return der.decode_integer(parts[1].content)


def _values(curve: Curve) -> tuple[int, int, int, int]:
    p, a, b, n = (int.from_bytes(value, "big") for value in (curve.p, curve.a, curve.b, curve.n))
    return p, a, b, n


def _is_generator(curve: Curve, base: bytes) -> bool:
    try:
        return plain_point(curve, base) == curve.g
    except ValueError:
        return False
