"""PINs changed and reset on every module's token."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scd.token.errors import PinIncorrect, PinLengthInvalid, SoPinIncorrect, TokenError
from scd.token.model import PinTries
from scd.token.secrets import Pin
from tests.modules.beds.bed import Can
from tests.modules.port import REFUSALS, Port

NEW, NO_SO_PIN = "246813", "11111111"


def change(port: Port, old: str, new: str) -> None:
    port.run(port.module.change_pin(port.token, Pin(old.encode()), Pin(new.encode())))


def reset(port: Port, so_pin: str, new: str) -> None:
    port.run(port.module.reset_pin(port.token, Pin(so_pin.encode()), Pin(new.encode())))


def works(port: Port, pin: str) -> None:
    """It logs in, and a key can be used."""
    port.logout()
    port.login(pin)
    port.assert_works(next(key for key in port.content()[0] if key.can_sign and not key.always_authenticate))


def refused(port: Port, pin: str) -> None:
    port.logout()
    with pytest.raises(PinIncorrect):
        port.login(pin)


def outside(port: Port) -> list[str]:
    """PINs that the token's limits forbid."""
    info = port.info
    shorter = ["1" * (info.pin_min - 1)] if info.pin_min > 1 else []
    return [*shorter, "1" * (info.pin_max + 1)]


@pytest.mark.parametrize("logged_in", [True, False])
def test_a_pin_is_changed_and_changed_back(port: Port, logged_in: bool) -> None:
    if not logged_in:
        port.logout()

    change(port, port.bed.pin, NEW)

    assert port.info.logged_in is logged_in
    refused(port, port.bed.pin)
    works(port, NEW)
    change(port, NEW, port.bed.pin)
    works(port, port.bed.pin)


def test_a_changed_pin_holds_for_other_processes(port: Port, load: Callable[[], Port]) -> None:
    change(port, port.bed.pin, NEW)

    works(load(), NEW)

    change(port, NEW, port.bed.pin)
    works(load(), port.bed.pin)


def test_a_wrong_old_pin_is_refused(port: Port) -> None:
    port.logout()

    with pytest.raises(PinIncorrect):
        change(port, port.bed.wrong_pin, NEW)

    assert not port.info.logged_in
    works(port, port.bed.pin)


def test_a_wrong_old_pin_is_refused_to_who_is_logged_in(port: Port) -> None:
    with pytest.raises(TokenError, match=r"PIN_INCORRECT|PIN may be wrong"):
        change(port, port.bed.wrong_pin, NEW)

    works(port, port.bed.pin)


def test_a_pin_outside_the_limits_spends_no_try(port: Port) -> None:
    for odd in outside(port):
        for old, new in ((odd, NEW), (port.bed.pin, odd)):
            with pytest.raises(PinLengthInvalid):
                change(port, old, new)
        with pytest.raises(PinLengthInvalid):
            reset(port, port.bed.so_pin or NO_SO_PIN, odd)

    assert port.info.pin_tries is PinTries.FULL
    if port.bed.tries_left is not None:
        assert port.bed.tries_left() == 3
    works(port, port.bed.pin)


def test_the_officer_sets_a_new_pin(port: Port) -> None:
    if Can.RESET_PIN not in port.bed.can:
        with pytest.raises(REFUSALS):
            reset(port, port.bed.so_pin or NO_SO_PIN, NEW)
        works(port, port.bed.pin)
        return

    reset(port, port.bed.so_pin, NEW)

    assert not port.info.logged_in
    refused(port, port.bed.pin)
    change(port, NEW, port.bed.pin)  # as CKF_USER_PIN_TO_BE_CHANGED wants it
    works(port, port.bed.pin)


def test_a_wrong_so_pin_is_not_the_users(port: Port) -> None:
    if Can.RESET_PIN not in port.bed.can:
        pytest.skip("has no officer who could enter one, as seen in the test before")

    with pytest.raises(SoPinIncorrect):
        reset(port, NO_SO_PIN, NEW)

    assert port.info.pin_tries is PinTries.FULL
    works(port, port.bed.pin)
