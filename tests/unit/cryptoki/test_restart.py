"""A module that must be initialised anew: what is behind it went away, or it does not see tokens come."""

from __future__ import annotations

from typing import Any

import pytest

from scd.cryptoki.profile import Quirk
from scd.token.errors import ModuleUnavailable, PinRequired, TokenError, TokenFailure, TokenRemoved
from tests.unit.cryptoki.in_memory import PIN, Bench, token_with
from tests.unit.cryptoki.memory_module import MemoryNative, module
from tests.unit.cryptoki.memory_token import MemoryToken

P256 = "work-p256"
DIGEST = bytes(32)
RESCAN = {"quirks": (Quirk.RESCAN_NEEDS_RESTART.value,)}


class Frozen(MemoryNative):
    """Tokens put into `folder` are seen at C_Initialize only; those taken out of `slots_` are missed at once."""

    folder: tuple[MemoryToken, ...] = ()

    def C_Initialize(self, arguments: Any) -> None:
        super().C_Initialize(arguments)
        self.slots_ = dict(enumerate(self.folder))


def frozen(*tokens: MemoryToken) -> Frozen:
    """Such a module, made with these tokens in its folder."""
    native = Frozen()
    native.folder = tokens
    return native


@pytest.mark.parametrize("error", ["DEVICE_ERROR", "GENERAL_ERROR", "FUNCTION_FAILED", "CRYPTOKI_NOT_INITIALIZED"])
def test_a_module_that_cannot_name_its_slots_is_initialised_anew(error: str) -> None:
    """p11-kit's client 0.24.1 answers CKR_DEVICE_ERROR to everything once its server was killed."""
    bench = Bench(token_with(P256))
    bench.native.fail_next("C_GetSlotList", error)

    (info,) = bench.module.tokens()

    assert bench.native.count("C_Finalize") == 1
    assert bench.native.count("C_Initialize") == 2
    assert not info.logged_in


def test_a_module_that_does_not_start_again_says_so_and_is_tried_again() -> None:
    bench = Bench(token_with(P256))
    bench.native.fail_next("C_GetSlotList", "DEVICE_ERROR", "CRYPTOKI_NOT_INITIALIZED")
    bench.native.fail_next("C_Initialize", "FUNCTION_FAILED")

    with pytest.raises(TokenFailure, match="C_Initialize: CKR_FUNCTION_FAILED"):
        bench.module.tokens()

    assert len(bench.module.tokens()) == 1


def test_other_errors_restart_nothing() -> None:
    bench = Bench(token_with(P256))
    bench.native.fail_next("C_GetSlotList", "HOST_MEMORY")

    with pytest.raises(TokenError):
        bench.module.tokens()

    assert bench.native.count("C_Initialize") == 1


def test_an_operation_that_meets_a_broken_module_wants_the_pin_again() -> None:
    bench = Bench(token_with(P256))
    bench.native.fail_next("C_SignInit", "DEVICE_ERROR")
    bench.native.fail_next("C_GetSlotList", "DEVICE_ERROR", "DEVICE_ERROR")

    with pytest.raises(PinRequired):
        bench.sign(P256, DIGEST)

    bench.login()
    assert bench.sign(P256, DIGEST)


def test_a_token_with_an_error_of_its_own_keeps_its_login() -> None:
    bench = Bench(token_with(P256))
    bench.native.fail_next("C_SignInit", "DEVICE_ERROR")

    with pytest.raises(TokenFailure, match="CKR_DEVICE_ERROR"):
        bench.sign(P256, DIGEST)

    assert bench.sign(P256, DIGEST)
    assert bench.native.count("C_Initialize") == 1


def test_a_pin_is_not_sent_twice_to_a_module_that_broke_over_it() -> None:
    """The token may have counted it."""
    bench = Bench(token_with(P256), login=False)
    bench.native.fail_next("C_Login", "DEVICE_ERROR")
    bench.native.fail_next("C_GetSlotList", "OK", "OK", "DEVICE_ERROR")

    with pytest.raises(TokenRemoved):
        bench.login()

    assert bench.native.count("C_Login") == 1


def test_no_finalize_means_no_restart() -> None:
    native = MemoryNative(token_with(P256))
    under = module(native, quirks=(Quirk.NO_FINALIZE.value,))
    native.fail_next("C_GetSlotList", "DEVICE_ERROR", "DEVICE_ERROR")

    with pytest.raises(TokenFailure):
        under.tokens()

    assert (native.count("C_Finalize"), native.count("C_Initialize")) == (0, 1)


def test_a_token_that_comes_back_is_found_by_looking_anew() -> None:
    token = token_with(P256)
    native = frozen(token)
    under = module(native, **RESCAN)
    under.tokens()
    native.folder = ()
    native.slots_.clear()
    assert under.tokens() == ()

    native.folder = (token,)

    assert len(under.tokens()) == 1


def test_a_token_made_later_is_found_where_there_was_none() -> None:
    native = frozen()
    under = module(native, **RESCAN)
    assert under.tokens() == ()

    native.folder = (MemoryToken("new"),)

    assert [info.id.label for info in under.tokens()] == ["new"]


def test_looking_anew_waits_for_the_end_of_a_login() -> None:
    stays, goes = MemoryToken("stays"), MemoryToken("goes")
    native = frozen(stays, goes)
    under = module(native, **RESCAN)
    first, _ = under.tokens()
    under.login(first.id, PIN)
    del native.slots_[1]

    assert [info.logged_in for info in under.tokens()] == [True]

    under.logout(first.id)
    assert len(under.tokens()) == 2


def test_without_the_quirk_nothing_is_restarted_for_a_token() -> None:
    native = frozen(MemoryToken("gone"))
    under = module(native)
    under.tokens()
    native.slots_.clear()

    assert under.tokens() == ()
    assert native.count("C_Initialize") == 1


def test_a_module_that_fails_while_it_looks_anew_shows_nothing() -> None:
    native = frozen()
    under = module(native, **RESCAN)
    native.fail_next("C_Initialize", "GENERAL_ERROR")

    assert under.tokens() == ()


def test_a_module_that_never_starts_is_unavailable() -> None:
    native = MemoryNative()
    native.fail_next("C_Initialize", "GENERAL_ERROR")

    with pytest.raises(ModuleUnavailable):
        module(native)
