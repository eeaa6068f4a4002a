"""What a person reads above the PIN field."""

from __future__ import annotations

from dataclasses import replace

from scd.service.pins.prompts import pin_prompt, pinpad_prompt
from scd.token.model import Certificate, PinTries, TokenId
from tests.unit.service.examples import TOKEN, card, key


def lines(text: str) -> list[str]:
    return text.split("\n")


def test_the_prompt_names_token_purpose_number_and_key() -> None:
    one = card(key(label="my key"))
    assert lines(pin_prompt(one, one.keys[0], "sign", PinTries.FULL)) == [
        'Please enter the PIN of token "tok1"',
        "to sign.",
        "",
        "Number: tok1 (06C3D431)",
        "Key: my key (rsa2048)",
    ]


def test_a_key_with_a_certificate_is_called_by_its_subject() -> None:
    alice = Certificate(b"", b"\1", "", None, "CN=Alice", 0, None, is_ca=False)
    one = card(key(certificate=alice))
    assert "Key: CN=Alice (rsa2048)" in lines(pin_prompt(one, one.keys[0], "sign", PinTries.FULL))


def test_without_a_key_no_key_is_named() -> None:
    assert "Key" not in pin_prompt(card(), None, "unlock the token", PinTries.FULL)


def test_a_token_without_label_is_called_by_its_serial_number() -> None:
    nameless = card(token=TokenId("m", "m", "s", ""))
    assert nameless.serial in pin_prompt(nameless, None, "sign", PinTries.FULL)


def test_the_notice_comes_first() -> None:
    assert lines(pin_prompt(card(), None, "sign", PinTries.LOW, "The PIN was refused."))[0] == "The PIN was refused."


def test_the_tries_left_come_last() -> None:
    said = {tries: lines(pin_prompt(card(), None, "sign", tries))[-1] for tries in PinTries}
    assert "LAST TRY" in said[PinTries.FINAL]
    assert "many tokens lock it" in said[PinTries.LOW]
    assert "locked" in said[PinTries.LOCKED]
    assert said[PinTries.FULL].startswith("Number:")


def test_a_pin_for_each_use_is_explained() -> None:
    assert "at each use" in pin_prompt(card(), None, "sign", PinTries.FULL, each=True)
    assert "at each use" not in pin_prompt(card(), None, "sign", PinTries.FULL)


def test_a_pin_pad_is_named_and_only_in_its_place() -> None:
    text = pinpad_prompt(card(token=replace(TOKEN, label="Please enter the PIN of token")), None, "sign", PinTries.FULL)
    assert lines(text)[0] == 'Please enter the PIN at the reader\'s pin pad for token "Please enter the PIN of token"'
