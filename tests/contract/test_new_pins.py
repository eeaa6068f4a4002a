"""PINs changed and reset, for every implementation of the port."""

from __future__ import annotations

import pytest

from scd.token.errors import PinIncorrect, PinLengthInvalid, PinRequired, SoPinIncorrect, TokenError, TokenNotPresent
from scd.token.model import PinTries, TokenId
from scd.token.secrets import Pin
from tests.contract.subject import Subject

HASH = bytes(32)
NEW = b"another-pin-299792"
NOWHERE = TokenId("nobody", "none", "0", "nowhere")


def change(own: Subject, old: bytes, new: bytes) -> None:
    own.run(own.module.change_pin(own.token("work"), Pin(old), Pin(new)))


def reset(own: Subject, so_pin: bytes, new: bytes = NEW) -> None:
    own.run(own.module.reset_pin(own.token("work"), Pin(so_pin), Pin(new)))


def works(own: Subject, pin: bytes) -> None:
    own.run(own.module.logout(own.token("work")))
    own.run(own.module.login(own.token("work"), Pin(pin)))
    assert own.sign(own.address("work", "work-p256"), HASH)


def refused(own: Subject, pin: bytes) -> None:
    own.run(own.module.logout(own.token("work")))
    with pytest.raises(PinIncorrect):
        own.run(own.module.login(own.token("work"), Pin(pin)))


def test_a_changed_pin_is_the_pin(own: Subject) -> None:
    change(own, own.pins["work"], NEW)
    refused(own, own.pins["work"])
    works(own, NEW)


def test_a_login_lives_through_a_change(own: Subject) -> None:
    own.login("work")
    change(own, own.pins["work"], NEW)
    assert own.tokens()["work"].logged_in
    assert own.sign(own.address("work", "work-p256"), HASH)


def test_a_wrong_old_pin_costs_a_try_and_nothing_else(own: Subject) -> None:
    own.login("work")
    with pytest.raises(PinIncorrect):
        change(own, b"not the pin", NEW)
    assert own.tokens()["work"].pin_tries is not PinTries.FULL
    assert own.sign(own.address("work", "work-p256"), HASH)
    works(own, own.pins["work"])


@pytest.mark.parametrize("which", ["old", "new"])
@pytest.mark.parametrize("length", [0, 3, 256])
def test_a_pin_outside_the_limits_costs_no_try(own: Subject, which: str, length: int) -> None:
    odd = b"1" * length
    assert not own.tokens()["work"].pin_min <= length <= own.tokens()["work"].pin_max
    with pytest.raises(PinLengthInvalid):
        change(own, *((odd, NEW) if which == "old" else (own.pins["work"], odd)))
    assert own.tokens()["work"].pin_tries is PinTries.FULL
    works(own, own.pins["work"])


def test_the_officer_sets_a_new_pin(own: Subject) -> None:
    reset(own, own.so_pins["work"])
    refused(own, own.pins["work"])
    works(own, NEW)


def test_a_reset_ends_the_login(own: Subject) -> None:
    own.login("work")
    key = own.address("work", "work-p256")
    reset(own, own.so_pins["work"])
    assert not own.tokens()["work"].logged_in
    with pytest.raises(PinRequired):
        own.sign(key, HASH)
    works(own, NEW)


def test_a_wrong_so_pin_is_not_the_users(own: Subject) -> None:
    with pytest.raises(SoPinIncorrect):
        reset(own, b"not the SO PIN")
    assert own.tokens()["work"].pin_tries is PinTries.FULL
    works(own, own.pins["work"])
    reset(own, own.so_pins["work"])
    works(own, NEW)


def test_a_new_pin_outside_the_limits_is_not_set(own: Subject) -> None:
    with pytest.raises(PinLengthInvalid):
        reset(own, own.so_pins["work"], b"123")
    works(own, own.pins["work"])


def test_a_reset_revives_a_pin_after_wrong_tries(own: Subject) -> None:
    for _ in range(3):
        refused(own, b"not the pin")
    reset(own, own.so_pins["work"])
    assert own.tokens()["work"].pin_tries is PinTries.FULL
    works(own, NEW)


def test_a_token_that_is_not_there_takes_no_pin(own: Subject) -> None:
    for attempt in (own.module.change_pin, own.module.reset_pin):
        with pytest.raises(TokenNotPresent):
            own.run(attempt(NOWHERE, Pin(b"1234"), Pin(b"5678")))


def test_no_error_shows_a_pin(own: Subject) -> None:
    for old, new in ((b"wrong-old-pin-137", NEW), (own.pins["work"], b"x")):
        with pytest.raises(TokenError) as error:
            change(own, old, new)
        assert not {old.decode(), NEW.decode()} & set(str(error.value).replace('"', " ").split())
        assert "wrong-old-pin" not in str(error.value)
