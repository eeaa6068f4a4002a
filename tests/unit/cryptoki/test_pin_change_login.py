"""A PIN is changed with its user logged in, as modules want it, and the login is afterwards what it was before."""

from __future__ import annotations

import pytest

from scd.token.errors import (
    NotSupported,
    PinBlocked,
    PinIncorrect,
    PinNotSet,
    PinUnsuitable,
    TokenError,
    TokenFailure,
    TokenReadOnly,
)
from scd.token.secrets import Pin
from tests.unit.cryptoki.desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk(login=False)


def change(desk: Desk, old: bytes = b"1234") -> None:
    desk.module.change_pin(desk.id, Pin(old), Pin(b"5678"))


def test_who_is_not_logged_in_is_so_for_the_change(desk: Desk) -> None:
    """NSS 3.87 answers CKR_USER_NOT_LOGGED_IN to C_SetPIN."""
    change(desk)
    words = [name for name in desk.native.calls_ if name in ("C_Login", "C_SetPIN", "C_Logout")]
    assert words == ["C_Login", "C_SetPIN", "C_Logout"]
    assert desk.token.pin == b"5678"
    assert not desk.native.logged_in
    assert not desk.module.tokens()[0].logged_in


def test_who_is_logged_in_stays_so() -> None:
    desk = Desk()
    change(desk)
    assert desk.native.count("C_Login") == 1
    assert desk.native.count("C_Logout") == 0
    assert desk.module.tokens()[0].logged_in


@pytest.mark.parametrize(("name", "kind"), [("PIN_INCORRECT", PinIncorrect), ("PIN_LOCKED", PinBlocked)])
def test_a_pin_that_the_login_refuses_is_not_sent_again(desk: Desk, name: str, kind: type[TokenError]) -> None:
    """tpm2-pkcs11 1.9 says CKR_OK to C_SetPIN when the PIN is locked, and has changed nothing."""
    desk.native.fail_next("C_Login", name)
    with pytest.raises(kind):
        change(desk)
    assert desk.native.count("C_SetPIN") == 0
    assert not desk.writes.open_for_writing


def test_an_expired_pin_is_told_from_a_blocked_one(desk: Desk) -> None:
    desk.native.fail_next("C_Login", "PIN_EXPIRED")
    with pytest.raises(PinNotSet, match="PASSWD has to change it first"):
        desk.login()


def test_an_expired_pin_can_be_changed(desk: Desk) -> None:
    desk.native.fail_next("C_Login", "PIN_EXPIRED")
    change(desk)
    assert desk.token.pin == b"5678"


def test_a_failed_change_ends_its_login(desk: Desk) -> None:
    desk.native.fail_next("C_SetPIN", "DEVICE_ERROR")
    with pytest.raises(TokenFailure):
        change(desk)
    assert not desk.native.logged_in


def test_a_token_that_cannot_be_written_to_is_told_from_a_lost_login(desk: Desk) -> None:
    """NSS 3.87 with flags=readOnly answers CKR_USER_NOT_LOGGED_IN: asking for the PIN once more would not help."""
    desk.native.fail_next("C_SetPIN", "USER_NOT_LOGGED_IN")
    with pytest.raises(TokenReadOnly):
        change(desk)


def test_a_lost_login_is_made_anew() -> None:
    desk = Desk()
    desk.native.fail_next("C_SetPIN", "USER_NOT_LOGGED_IN")
    change(desk)
    assert desk.token.pin == b"5678"
    assert desk.native.count("C_Login") == 2


def test_a_database_for_reading_is_told_to_who_is_logged_in_too() -> None:
    desk = Desk()
    desk.native.fail_next("C_SetPIN", *["USER_NOT_LOGGED_IN"] * 2)
    with pytest.raises(TokenReadOnly):
        change(desk)


@pytest.mark.parametrize(("name", "kind"), [("GENERAL_ERROR", TokenFailure), ("PIN_INVALID", PinUnsuitable)])
def test_an_ambiguous_refusal_is_explained(name: str, kind: type[TokenError]) -> None:
    """tpm2-pkcs11 1.9 and opencryptoki 3.23 answer so to a wrong PIN."""
    desk = Desk()
    desk.native.fail_next("C_SetPIN", name)
    with pytest.raises(kind, match="the present PIN may be wrong"):
        change(desk)


def test_a_pin_that_the_login_took_is_not_doubted(desk: Desk) -> None:
    desk.native.fail_next("C_SetPIN", "GENERAL_ERROR")
    with pytest.raises(TokenFailure) as failure:
        change(desk)
    assert "may be wrong" not in str(failure.value)


@pytest.mark.parametrize("name", ["USER_TYPE_INVALID", "GENERAL_ERROR"])
def test_a_token_that_lets_no_officer_in_says_so(desk: Desk, name: str) -> None:
    """NSS 3.87; OpenSC 0.23 with a PIV card."""
    desk.native.fail_next("C_Login", name)
    with pytest.raises(NotSupported, match="no security officer"):
        desk.module.reset_pin(desk.id, Pin(b"officer"), Pin(b"5678"))
