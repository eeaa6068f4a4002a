"""What the module does with new PINs, and how it tells the officer's from the user's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pkcs11 import TokenFlag

from scd.token.errors import (
    NotSupported,
    PinLengthInvalid,
    PinUnsuitable,
    SoPinBlocked,
    SoPinIncorrect,
    TokenError,
    TokenNotPresent,
)
from scd.token.model import PinTries
from scd.token.secrets import Pin
from tests.unit.cryptoki.desk import Desk
from tests.unit.cryptoki.memory_token import FLAGS


@pytest.fixture
def desk() -> Desk:
    return Desk()


def reset(desk: Desk, so_pin: Pin | None) -> None:
    desk.module.reset_pin(desk.id, so_pin, Pin(b"5678") if so_pin else None)


def change(desk: Desk, so_pin: Pin | None) -> None:
    desk.module.change_so_pin(desk.id, so_pin, Pin(b"new officer") if so_pin else None)


def check(desk: Desk, so_pin: Pin | None) -> None:
    desk.module.check_so_pin(desk.id, so_pin)


Visit = Callable[[Desk, Pin | None], None]
visits = pytest.mark.parametrize("visit", [reset, change, check])


def test_the_pin_pad_takes_both(desk: Desk) -> None:
    desk.module.change_pin(desk.id, None, None)
    assert desk.writes.pins == [(None, None)]


def test_a_pin_is_sent_once(desk: Desk) -> None:
    desk.writes.fail_next("C_SetPIN", "SESSION_HANDLE_INVALID")
    with pytest.raises(TokenError):
        desk.module.change_pin(desk.id, Pin(b"1234"), Pin(b"5678"))
    assert desk.native.count("C_SetPIN") == 1


@pytest.mark.parametrize("name", ["PIN_INVALID", "PIN_TOO_WEAK"])
def test_a_new_pin_that_is_refused_is_unsuitable(desk: Desk, name: str) -> None:
    desk.writes.fail_next("C_SetPIN", name)
    with pytest.raises(PinUnsuitable):
        desk.module.change_pin(desk.id, Pin(b"1234"), Pin(b"5678"))


def test_the_officer_comes_alone(desk: Desk) -> None:
    """As long as a read-only session is open, modules answer CKR_SESSION_READ_ONLY_EXISTS."""
    desk.module.reset_pin(desk.id, Pin(b"officer"), Pin(b"5678"))
    assert desk.token.pin == b"5678"
    assert not desk.writes.sessions
    assert not desk.native.logged_in
    assert not desk.module.tokens()[0].logged_in


def test_a_locked_so_pin_is_told_from_a_locked_pin(desk: Desk) -> None:
    desk.writes.so_locked = True
    with pytest.raises(SoPinBlocked):
        desk.module.reset_pin(desk.id, Pin(b"officer"), Pin(b"5678"))
    assert desk.native.count("C_InitPIN") == 0


def test_a_wrong_so_pin_leaves_no_session(desk: Desk) -> None:
    with pytest.raises(SoPinIncorrect):
        desk.module.reset_pin(desk.id, Pin(b"nonsense"), Pin(b"5678"))
    assert not desk.writes.sessions


def test_a_refused_new_pin_leaves_no_officer_logged_in(desk: Desk) -> None:
    desk.writes.fail_next("C_InitPIN", "PIN_INVALID")
    with pytest.raises(PinUnsuitable):
        desk.module.reset_pin(desk.id, Pin(b"officer"), Pin(b"5678"))
    assert not desk.native.logged_in
    desk.login()


@pytest.mark.parametrize("new", [b"", b"123", b"123456789"])
def test_the_officers_try_is_not_spent_on_a_pin_of_a_wrong_length(desk: Desk, new: bytes) -> None:
    calls = desk.native.count("C_Login")
    with pytest.raises(PinLengthInvalid):
        desk.module.reset_pin(desk.id, Pin(b"officer"), Pin(new))
    assert desk.native.count("C_Login") == calls


def test_the_officers_pin_may_be_longer_than_a_users(desk: Desk) -> None:
    desk.writes.so_pin = b"0102030405060708" * 3
    desk.module.reset_pin(desk.id, Pin(desk.writes.so_pin), Pin(b"5678"))
    assert desk.token.pin == b"5678"


def test_a_token_that_is_gone_takes_no_pin(desk: Desk) -> None:
    desk.native.slots_.clear()
    with pytest.raises(TokenNotPresent):
        desk.module.change_pin(desk.id, Pin(b"1234"), Pin(b"5678"))
    assert not desk.writes.pins


def test_the_officer_changes_the_officers_pin(desk: Desk) -> None:
    desk.module.change_so_pin(desk.id, Pin(b"officer"), Pin(b"new officer"))
    assert desk.writes.so_pin == b"new officer"
    assert desk.token.pin == b"1234"


@visits
def test_the_officer_leaves_nothing_open(desk: Desk, visit: Visit) -> None:
    visit(desk, Pin(b"officer"))
    assert not desk.writes.sessions
    assert not desk.native.logged_in
    assert not desk.module.tokens()[0].logged_in


@visits
@pytest.mark.parametrize(("name", "kind"), [
    ("PIN_INCORRECT", SoPinIncorrect), ("PIN_INVALID", SoPinIncorrect), ("PIN_LEN_RANGE", SoPinIncorrect),
    ("PIN_LOCKED", SoPinBlocked), ("PIN_EXPIRED", SoPinBlocked),
])  # fmt: skip
def test_a_refused_login_is_the_officers(desk: Desk, visit: Visit, name: str, kind: type[TokenError]) -> None:
    desk.writes.fail_next("C_Login", name)
    with pytest.raises(kind):
        visit(desk, Pin(b"officer"))
    assert desk.native.count("C_SetPIN") == desk.native.count("C_InitPIN") == 0


def test_an_empty_so_pin_is_not_sent(desk: Desk) -> None:
    calls = desk.native.count("C_Login")
    with pytest.raises(SoPinIncorrect):
        desk.module.check_so_pin(desk.id, Pin(b""))
    with pytest.raises(SoPinIncorrect):
        desk.module.change_so_pin(desk.id, Pin(b""), Pin(b"new officer"))
    with pytest.raises(SoPinIncorrect):
        desk.module.reset_pin(desk.id, Pin(b""), Pin(b"5678"))
    assert desk.native.count("C_Login") == calls


def test_an_old_pin_refused_by_the_change_itself_is_the_officers(desk: Desk) -> None:
    """At a pin pad the officer types it twice."""
    desk.writes.fail_next("C_SetPIN", "PIN_INCORRECT")
    with pytest.raises(SoPinIncorrect):
        desk.module.change_so_pin(desk.id, Pin(b"officer"), Pin(b"new officer"))


@pytest.mark.parametrize(("name", "kind"), [("PIN_LEN_RANGE", PinLengthInvalid), ("PIN_INVALID", PinUnsuitable)])
def test_the_officers_new_pin_is_for_the_token_to_judge(desk: Desk, name: str, kind: type[TokenError]) -> None:
    """The limits the token tells are the user's: 4 to 8 here."""
    desk.module.change_so_pin(desk.id, Pin(b"officer"), Pin(b"longer than eight"))
    desk.writes.fail_next("C_SetPIN", name)
    with pytest.raises(kind):
        desk.module.change_so_pin(desk.id, Pin(b"longer than eight"), Pin(b"x"))
    assert not desk.native.logged_in


def test_a_token_without_the_function_says_so(desk: Desk) -> None:
    desk.writes.fail_next("C_SetPIN", "FUNCTION_NOT_SUPPORTED")
    with pytest.raises(NotSupported):
        desk.module.change_so_pin(desk.id, Pin(b"officer"), Pin(b"new officer"))


@pytest.mark.parametrize(("flag", "tries"), [
    (TokenFlag.SO_PIN_COUNT_LOW, PinTries.LOW), (TokenFlag.SO_PIN_FINAL_TRY, PinTries.FINAL),
    (TokenFlag.SO_PIN_LOCKED, PinTries.LOCKED), (TokenFlag.SO_PIN_COUNT_LOW | TokenFlag.SO_PIN_LOCKED, PinTries.LOCKED),
    (TokenFlag(0), PinTries.FULL), (TokenFlag.USER_PIN_COUNT_LOW, PinTries.FULL),
])  # fmt: skip
def test_the_officers_tries_are_read_from_the_flags(desk: Desk, flag: TokenFlag, tries: PinTries) -> None:
    desk.token.flags = FLAGS | flag
    assert desk.module.tokens()[0].so_pin_tries is tries
