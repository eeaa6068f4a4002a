"""PINs changed and reset, for every implementation of the port."""

from __future__ import annotations

import pytest

from scd.token.errors import PinIncorrect, PinLengthInvalid, PinRequired, SoPinIncorrect, TokenError, TokenNotPresent
from scd.token.model import PinTries, TokenId
from scd.token.secrets import Pin
from tests.contract.subject import Subject

HASH = bytes(32)
NEW, NEW_SO = b"another-pin-299792", b"another-so-pin-602214"
NOWHERE = TokenId("nobody", "none", "0", "nowhere")


def change(own: Subject, old: bytes, new: bytes) -> None:
    own.run(own.module.change_pin(own.token("work"), Pin(old), Pin(new)))


def change_so_pin(own: Subject, old: bytes, new: bytes = NEW_SO) -> None:
    own.run(own.module.change_so_pin(own.token("work"), Pin(old), Pin(new)))


def check_so_pin(own: Subject, so_pin: bytes) -> None:
    own.run(own.module.check_so_pin(own.token("work"), Pin(so_pin)))


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
    for attempt in (own.module.change_pin, own.module.reset_pin, own.module.change_so_pin):
        with pytest.raises(TokenNotPresent):
            own.run(attempt(NOWHERE, Pin(b"1234"), Pin(b"5678")))
    with pytest.raises(TokenNotPresent):
        own.run(own.module.check_so_pin(NOWHERE, Pin(b"1234")))


def test_no_error_shows_a_pin(own: Subject) -> None:
    for old, new in ((b"wrong-old-pin-137", NEW), (own.pins["work"], b"x")):
        with pytest.raises(TokenError) as error:
            change(own, old, new)
        assert not {old.decode(), NEW.decode()} & set(str(error.value).replace('"', " ").split())
        assert "wrong-old-pin" not in str(error.value)


def test_a_changed_so_pin_is_the_so_pin(own: Subject) -> None:
    change_so_pin(own, own.so_pins["work"])
    with pytest.raises(SoPinIncorrect):
        check_so_pin(own, own.so_pins["work"])
    check_so_pin(own, NEW_SO)
    reset(own, NEW_SO)
    works(own, NEW)


def test_a_changed_so_pin_leaves_the_users_as_it_was(own: Subject) -> None:
    change_so_pin(own, own.so_pins["work"])
    works(own, own.pins["work"])


def test_the_officers_visit_ends_the_login(own: Subject) -> None:
    key = own.address("work", "work-p256")
    for visit in (check_so_pin, change_so_pin):
        own.login("work")
        visit(own, own.so_pins["work"])
        assert not own.tokens()["work"].logged_in
        with pytest.raises(PinRequired):
            own.sign(key, HASH)
    works(own, own.pins["work"])


def test_a_wrong_so_pin_is_told_by_the_tokens_flags(own: Subject) -> None:
    assert own.tokens()["work"].so_pin_tries is PinTries.FULL
    with pytest.raises(SoPinIncorrect):
        check_so_pin(own, b"not the SO PIN")
    work = own.tokens()["work"]
    assert (work.so_pin_tries, work.pin_tries) == (PinTries.LOW, PinTries.FULL)
    check_so_pin(own, own.so_pins["work"])
    assert own.tokens()["work"].so_pin_tries is PinTries.FULL


def test_a_wrong_so_pin_changes_nothing(own: Subject) -> None:
    with pytest.raises(SoPinIncorrect):
        change_so_pin(own, b"not the SO PIN")
    check_so_pin(own, own.so_pins["work"])


@pytest.mark.parametrize("length", [0, 256])
def test_a_new_so_pin_outside_the_tokens_limits_is_not_set(own: Subject, length: int) -> None:
    with pytest.raises(PinLengthInvalid):
        change_so_pin(own, own.so_pins["work"], b"1" * length)
    assert own.tokens()["work"].so_pin_tries is PinTries.FULL
    check_so_pin(own, own.so_pins["work"])


def test_an_empty_so_pin_costs_no_try(own: Subject) -> None:
    for attempt in (check_so_pin, change_so_pin, reset):
        with pytest.raises(SoPinIncorrect):
            attempt(own, b"")
    assert own.tokens()["work"].so_pin_tries is PinTries.FULL
