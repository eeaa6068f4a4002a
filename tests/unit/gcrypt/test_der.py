"""The DER reader: what it takes, and that everything else is a ValueError."""

from __future__ import annotations

import pytest
from asn1crypto import core
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from scd.gcrypt import der


@pytest.mark.parametrize("length", [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000])
def test_element_of_every_length_form_comes_back(length: int) -> None:
    content = bytes(length)

    assert der.read_only(der.encode_octet_string(content), der.OCTET_STRING) == content


@given(st.binary(max_size=300))
def test_octet_string_is_written_as_asn1crypto_does(content: bytes) -> None:
    assert der.encode_octet_string(content) == core.OctetString(content).dump()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x04",
        b"\x04\x02\x00",
        b"\x04\x80\x00\x00",
        b"\x04\x81",
        b"\x04\x81\x7f" + bytes(127),
        b"\x04\x82\x00\x80" + bytes(128),
        b"\x04\x82\x01",
        b"\x04\x84\xff\xff\xff\xff",
        b"\x04\x85\x01\x00\x00\x00\x00",
        b"\x04\xff",
        b"\x1f\x01\x00",
        b"\x04\x01\x00\x00",
        b"\x05\x01\x00",
    ],
    ids=[
        "nothing",
        "tag only",
        "content cut off",
        "indefinite length",
        "length cut off at once",
        "long form for a short length",
        "leading zero in the length",
        "length cut off",
        "content far too short",
        "five octets of length",
        "reserved length",
        "tag of several octets",
        "something behind",
        "another tag",
    ],
)
def test_malformed_octet_string_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="DER"):
        der.read_only(data, der.OCTET_STRING)


def test_read_leaves_what_follows() -> None:
    assert der.read(b"\xaa\x04\x01\x07\xbb", 1) == der.Element(der.OCTET_STRING, b"\x07", 4)


def test_children_come_in_order() -> None:
    content = der.encode(der.INTEGER, b"\1") + der.encode_octet_string(b"") + der.encode(der.SEQUENCE, b"")

    assert [(child.tag, child.content) for child in der.children(content)] == [
        (der.INTEGER, b"\1"),
        (der.OCTET_STRING, b""),
        (der.SEQUENCE, b""),
    ]
    assert der.children(b"") == ()


def test_cut_off_child_is_refused() -> None:
    with pytest.raises(ValueError, match="cut off"):
        der.children(b"\x02\x01\x01\x02")


@given(st.integers())
def test_integer_as_asn1crypto_writes_it_is_read(number: int) -> None:
    assert der.decode_integer(core.Integer(number).contents) == number


@pytest.mark.parametrize("content", [b"", b"\x00\x7f", b"\xff\x80", b"\x00\x00"])
def test_integer_not_in_its_shortest_form_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="INTEGER"):
        der.decode_integer(content)


OIDS = st.one_of(
    st.tuples(st.integers(0, 1), st.integers(0, 39)),
    st.tuples(st.just(2), st.integers(0, 2**60)),
).flatmap(lambda head: st.lists(st.integers(0, 2**69), max_size=8).map(lambda rest: (*head, *rest)))


@given(OIDS)
def test_object_identifier_comes_back(arcs: tuple[int, ...]) -> None:
    dotted = ".".join(map(str, arcs))

    assert der.decode_oid(der.read_only(der.encode_oid(dotted), der.OBJECT_IDENTIFIER)) == dotted


@pytest.mark.parametrize("dotted", ["1.2.840.10045.3.1.7", "1.3.6.1.4.1.11591.15.1", "2.5.29.15", "2.999.3", "0.9"])
def test_object_identifier_is_written_as_others_do(dotted: str) -> None:
    """asn1crypto writes it; cryptography checks that it is one."""
    assert der.encode_oid(dotted) == core.ObjectIdentifier(x509.ObjectIdentifier(dotted).dotted_string).dump()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x2a\x86", b"\x80\x01", b"\x2a\x80\x01", b"\x2a" + b"\x81" * 10 + b"\x01"],
    ids=["empty", "cut off", "padded at the front", "padded inside", "arc too long"],
)
def test_malformed_object_identifier_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="OBJECT IDENTIFIER"):
        der.decode_oid(content)


@pytest.mark.parametrize("dotted", ["", "1", "1.", "1.x", "1.-2", "3.1", "0.40", "1.40.1", "1.2.²"])
def test_text_that_is_no_object_identifier_is_refused(dotted: str) -> None:
    with pytest.raises(ValueError, match="object identifier"):
        der.encode_oid(dotted)


def test_bit_string_of_whole_octets() -> None:
    assert der.decode_bit_string(b"\0\xaa\xbb") == b"\xaa\xbb"


@pytest.mark.parametrize("content", [b"", b"\x01\xaa", b"\x08"])
def test_other_bit_string_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="BIT STRING"):
        der.decode_bit_string(content)


@given(st.binary(max_size=40))
def test_garbage_is_read_exactly_or_refused(data: bytes) -> None:
    """What is accepted is written back octet for octet: nothing but the one DER form passes."""
    try:
        elements = der.children(data)
    except ValueError:
        return
    assert b"".join(der.encode(element.tag, element.content) for element in elements) == data


@given(st.binary(max_size=12))
def test_garbage_object_identifier_is_read_exactly_or_refused(content: bytes) -> None:
    try:
        dotted = der.decode_oid(content)
    except ValueError:
        return
    assert der.encode_oid(dotted) == der.encode(der.OBJECT_IDENTIFIER, content)
