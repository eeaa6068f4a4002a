"""Public keys in DER (SubjectPublicKeyInfo), and the elements that certificates consist of."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from asn1crypto import core, parser

from scd.gcrypt.curves import curve_by_ec_params, curve_by_oid, ec_point
from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey

# rsaEncryption, id-RSAES-OAEP, id-RSASSA-PSS (RFC 8017), and X.509's own id-ea-rsa, which old CAs use.
_RSA = frozenset({"1.2.840.113549.1.1.1", "1.2.840.113549.1.1.7", "1.2.840.113549.1.1.10", "2.5.8.1.1"})
_EC = "1.2.840.10045.2.1"  # id-ecPublicKey, RFC 5480

BROKEN = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError)
"""What asn1crypto 1.5.1 raises for input that is no DER, or DER of another shape."""

_MOST_ELEMENTS = 256
"""Looked at within one other; each costs a copy of the rest."""


class Element(NamedTuple):
    """One element of DER, or of BER: the tag's first octet, the content, and all its octets."""

    tag: int
    content: bytes
    whole: bytes


def first_element(octets: bytes) -> Element:
    """The element with which the octets begin, whatever follows it. Raises ValueError."""
    kind, method, number, header, content, trailer = parser.parse(octets)
    return Element(kind << 6 | method << 5 | number, content, header + content + trailer)


def elements(octets: bytes) -> list[Element]:
    """All elements in a constructed one's content, in order. Raises ValueError."""

    def each() -> Iterator[Element]:
        rest = octets
        while rest:
            yield (one := first_element(rest))
            rest = rest[len(one.whole) :]

    return list(islice(each(), _MOST_ELEMENTS))


def dotted(oid: Element) -> str:
    """An OBJECT IDENTIFIER as people write it. Raises ValueError."""
    text: str = core.ObjectIdentifier.load(oid.whole, strict=True).dotted
    return text


def public_key(spki_der: bytes) -> PublicKey | None:
    """The key in a SubjectPublicKeyInfo (CKA_PUBLIC_KEY_INFO); None for kinds scd does not serve.

    Raises ValueError for broken DER.
    """
    try:
        info = first_element(spki_der)
        if info.whole != spki_der:
            raise ValueError(f"{len(spki_der) - len(info.whole)} octets behind it")
        algorithm, bits = elements(info.content)
        kind, *parameters = elements(algorithm.content)
        return _key(dotted(kind), parameters, bits.content[1:])  # the first octet counts unused bits
    except BROKEN as error:
        raise ValueError(f"not a SubjectPublicKeyInfo: {error}") from error


def _key(algorithm: str, parameters: list[Element], octets: bytes) -> PublicKey | None:
    if algorithm in _RSA:
        modulus, exponent = elements(first_element(octets).content)
        return RsaPublicKey(modulus.content.lstrip(b"\0"), exponent.content.lstrip(b"\0"))
    curve = curve_by_ec_params(parameters[0].whole) if algorithm == _EC else curve_by_oid(algorithm)
    return None if curve is None else EccPublicKey(curve.name, ec_point(curve, octets))
