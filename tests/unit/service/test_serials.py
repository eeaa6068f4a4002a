"""Serial numbers, keyrefs and the ids of old stubs; known answers from gnupg-pkcs11-scd 0.10.0 on SoftHSM 2.6.1."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scd.service.finding.serials import (
    display_serial,
    helper_id,
    keyref,
    serial_mark,
    serialised,
    short_serial,
    wire_serial,
)
from scd.token.model import TokenId
from tests.unit.service.examples import EMPTY_SLOT, TOKEN

GRIP = bytes(range(20))
SERIAL = "D276000124011150313106C3D4311111"
TEXTS = st.text(max_size=32)
TOKENS = st.builds(TokenId, TEXTS, TEXTS, TEXTS, TEXTS)


def test_the_token_id_is_serialised_as_pkcs11_helper_does() -> None:
    assert serialised(TOKEN) == r"SoftHSM\x20project/SoftHSM\x20v2/6ebbfcd2ad05cd71/tok1"
    assert serialised(EMPTY_SLOT) == r"SoftHSM\x20project/SoftHSM\x20v2//"


@pytest.mark.parametrize("odd", "\\/\"'%&#@!?$* <>{}[]()`|:;,.+-")
def test_odd_characters_are_escaped(odd: str) -> None:
    assert serialised(TokenId("", "", "", f"a{odd}b")) == f"///a\\x{ord(odd):02X}b"


@pytest.mark.parametrize("plain", ["azAZ09", "_", "=", "~", "^"])
def test_other_characters_are_not(plain: str) -> None:
    assert serialised(TokenId("", "", "", plain)) == f"///{plain}"


def test_octets_beyond_ascii_are_escaped_one_by_one() -> None:
    assert serialised(TokenId("", "", "", "ü\x7f\n")) == r"///\xC3\xBC\x7F\x0A"


def test_known_serial_numbers() -> None:
    assert short_serial(EMPTY_SLOT) == "9909A5ED"
    assert short_serial(TOKEN) == "06C3D431"
    assert wire_serial(EMPTY_SLOT, {}) == "D27600012401115031319909A5ED1111"
    assert wire_serial(TOKEN, {}) == SERIAL


@pytest.mark.parametrize(
    ("pinned", "serial"),
    [
        ({"tok1": "cafe0001"}, "D2760001240111503131CAFE00011111"),
        ({None: "cafe0001"}, "D2760001240111503131CAFE00011111"),
        ({"tok1": "cafe0001", None: "cafe0002"}, "D2760001240111503131CAFE00011111"),
        ({"another": "cafe0001"}, SERIAL),
        ({"tok1": "d2760001240102000005000011110000"}, "D2760001240102000005000011110000"),
        ({"tok1": "abcd"}, "ABCD"),
    ],
    ids=["by label", "for the module", "label first", "another's", "a whole one", "a short one"],
)
def test_a_serial_number_can_be_pinned(pinned: dict[str | None, str], serial: str) -> None:
    assert wire_serial(TOKEN, pinned) == serial


def test_the_mark_of_a_serial_number_of_our_form_is_its_middle() -> None:
    assert serial_mark(SERIAL) == "06C3D431"


def test_the_mark_of_any_other_serial_number_has_eight_digits() -> None:
    marks = {serial_mark(serial) for serial in ("ABCD", "ABCE", "D2760001240102000005000011110000")}
    assert len(marks) == 3
    assert all(re.fullmatch("[0-9A-F]{8}", mark) for mark in marks)


def test_a_keyref_holds_token_and_cka_id() -> None:
    assert keyref(SERIAL, b"\1\xab", GRIP, unique=True) == "P11.06C3D43101AB"


@pytest.mark.parametrize("cka_id", [b"", bytes(33), bytes(14)], ids=["empty", "too long", "40 characters in all"])
def test_a_cka_id_that_cannot_name_a_key_gives_way_to_the_keygrip(cka_id: bytes) -> None:
    assert keyref(SERIAL, cka_id, GRIP, unique=True) == "P11.06C3D4310001020304050607"


def test_a_shared_cka_id_gives_way_to_the_keygrip() -> None:
    assert keyref(SERIAL, b"\1", GRIP, unique=False) == "P11.06C3D4310001020304050607"


@given(TOKENS, st.binary(max_size=100), st.binary(min_size=20, max_size=20), st.booleans())
def test_every_keyref_obeys_the_protocols_rules(token: TokenId, cka_id: bytes, grip: bytes, unique: bool) -> None:
    """Reference appendix B: upper case, one dot, no blank, `%` or `+`, not of a keygrip's length."""
    ref = keyref(wire_serial(token, {}), cka_id, grip, unique=unique)
    assert re.fullmatch(r"P11\.[0-9A-F]+", ref)
    assert len(ref) != 40
    assert len(ref) <= 12 + 64


@given(TOKENS)
def test_every_token_has_a_serial_number_of_the_old_form(token: TokenId) -> None:
    assert re.fullmatch("D2760001240111503131[0-9A-F]{8}1111", wire_serial(token, {}))


@given(TOKENS, TOKENS)
def test_different_tokens_are_serialised_differently(one: TokenId, other: TokenId) -> None:
    assert (serialised(one) == serialised(other)) == (one == other)


def test_the_id_of_old_stubs() -> None:
    assert helper_id(TOKEN, b"\1") == r"SoftHSM\x20project/SoftHSM\x20v2/6ebbfcd2ad05cd71/tok1/01"
    assert helper_id(TOKEN, b"\xab\xcd").endswith("/tok1/ABCD")


@pytest.mark.parametrize(
    ("label", "shown"), [("tok1", "tok1 (06C3D431)"), ("Schlüssel", "Schl?ssel (06C3D431)"), ("", "06C3D431")]
)
def test_a_person_sees_label_and_digits(label: str, shown: str) -> None:
    assert display_serial(TokenId("", "", "", label), SERIAL) == shown
