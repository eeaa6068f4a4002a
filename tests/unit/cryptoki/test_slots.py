"""What a module tells of its slots: events, and tokens that cannot be told apart by their texts."""

from __future__ import annotations

import pytest

from scd.cryptoki.profile import Quirk
from scd.token.errors import KeyNotFound, PinRequired
from scd.token.model import TokenId
from scd.token.port import KeyAddress, SignRequest
from tests.fakes.keys import private_key, public_of
from tests.unit.cryptoki.in_memory import PIN, token_with
from tests.unit.cryptoki.memory_module import MemoryNative, module
from tests.unit.cryptoki.memory_token import MemoryToken

P256, RSA = "work-p256", "work-rsa2048"
EVENT = "C_WaitForSlotEvent"


def test_events_are_told_once() -> None:
    native = MemoryNative(MemoryToken("one"))
    under = module(native)
    assert under.slots_changed() is True  # nothing was known before
    assert under.slots_changed() is False
    native.events = [0, 5]
    assert under.slots_changed() is True
    assert under.slots_changed() is False


def test_a_slot_that_goes_without_an_event_is_missed() -> None:
    """OpenSC 0.19 to 0.22 with a reader that is pulled with its card."""
    native = MemoryNative(MemoryToken("one"), MemoryToken("two"))
    under = module(native)
    under.slots_changed()
    del native.slots_[1]
    assert under.slots_changed() is True
    assert under.slots_changed() is False


def test_no_card_is_asked_for_it() -> None:
    native = MemoryNative(MemoryToken("one"))
    under = module(native)
    native.calls_.clear()
    under.slots_changed()
    assert set(native.calls_) == {EVENT, "C_GetSlotList"}


@pytest.mark.parametrize("error", ["FUNCTION_NOT_SUPPORTED", "FUNCTION_FAILED", "DEVICE_ERROR"])
def test_an_error_is_no_answer(error: str) -> None:
    native = MemoryNative(MemoryToken("one"))
    under = module(native)
    native.fail_next(EVENT, error)
    assert under.slots_changed() is None


def test_a_module_without_the_function_cannot_tell() -> None:
    assert module(MemoryNative(MemoryToken("one"), left_out=(EVENT,))).slots_changed() is None


def test_a_module_whose_events_mean_nothing_is_not_asked() -> None:
    native = MemoryNative(MemoryToken("one"))
    assert module(native, quirks=(Quirk.NO_SLOT_EVENTS.value,)).slots_changed() is None
    assert native.count(EVENT) == 0


def test_events_without_end_end() -> None:
    native = MemoryNative(MemoryToken("one"))
    native.events = [0] * 1000
    assert module(native).slots_changed() is True
    assert native.count(EVENT) < 100


def address(token: TokenId, name: str) -> KeyAddress:
    return KeyAddress(token, b"\1", public_of(private_key(name)))


def test_another_token_in_its_place_does_not_serve_for_the_old_keygrip() -> None:
    """Same texts, same slot, same CKA_ID, another key: nothing is signed with it."""
    native = MemoryNative(token_with(P256))
    under = module(native)
    (info,) = under.tokens()
    old = SignRequest(address(info.id, P256), bytes(32))
    under.login(info.id, PIN)
    assert under.sign(old)

    native.slots_[0] = token_with("work-p384")
    native.lose_sessions()

    with pytest.raises(PinRequired):
        under.sign(old)
    under.login(info.id, PIN)
    with pytest.raises(KeyNotFound):
        under.sign(old)


class TestTwins:
    """Two tokens that agree in all four texts, each with a key of its own."""

    def test_they_are_two_tokens_in_the_order_of_their_slots(self) -> None:
        under = module(MemoryNative(token_with(P256), token_with(RSA)))
        first, second = (info.id for info in under.tokens())
        assert (first.twin, second.twin) == (0, 1)
        keys = [[key.label for key in found.keys] for found in map(under.objects, (first, second)) if found]
        assert keys == [[P256], [RSA]]

    def test_each_has_its_own_login(self) -> None:
        under = module(MemoryNative(token_with(P256), token_with(RSA)))
        first, second = (info.id for info in under.tokens())
        under.login(second, PIN)
        assert [info.logged_in for info in under.tokens()] == [False, True]
        assert under.sign(SignRequest(address(second, RSA), bytes(32)))
        with pytest.raises(PinRequired):
            under.sign(SignRequest(address(first, P256), bytes(32)))

    def test_the_second_is_found_before_anybody_lists_them(self) -> None:
        first, second = token_with(P256), token_with(RSA)
        (known, other) = (info.id for info in module(MemoryNative(first, second)).tokens())
        under = module(MemoryNative(first, second))
        under.login(other, PIN)
        assert [info.logged_in for info in under.tokens()] == [False, True]
        assert known != other

    def test_the_one_that_stays_takes_the_first_place_and_no_login_with_it(self) -> None:
        native = MemoryNative(token_with(P256), token_with(RSA))
        under = module(native)
        for info in under.tokens():
            under.login(info.id, PIN)
        del native.slots_[0]
        (left,) = under.tokens()
        assert left.id.twin == 0
        assert not left.logged_in
        found = under.objects(left.id)
        assert found is not None
        assert [key.label for key in found.keys] == [RSA]

    def test_slots_without_an_initialised_token_are_not_counted(self) -> None:
        blank = MemoryToken("", flags=type(token_with().flags)(0))
        assert [info.id.twin for info in module(MemoryNative(blank, blank)).tokens()] == [0, 0]
