"""Quirks of a module whose file name told nothing, found by C_GetInfo."""

from __future__ import annotations

import pytest

from tests.unit.cryptoki.memory_module import MemoryNative, module
from tests.unit.cryptoki.memory_token import MemoryToken

OPENSC = (b"OpenSC Project", b"OpenSC smartcard framework")
OPENCRYPTOKI = (b"IBM", b"openCryptoki")
NOBODY = (b"Somebody", b"Something")


def native(says: tuple[bytes, bytes]) -> MemoryNative:
    made = MemoryNative(MemoryToken("memory"))
    made.says = says
    return made


def test_its_quirks_are_obeyed() -> None:
    """opencryptoki is not finalized."""
    one = native(OPENCRYPTOKI)
    module(one, profile="default").close()
    assert one.count("C_Finalize") == 0


def test_it_is_initialised_anew_where_its_profile_wants_no_locks() -> None:
    one = native(OPENSC)
    module(one, profile="default")
    assert [name for name in one.calls_ if name in ("C_Initialize", "C_Finalize")] == [
        "C_Initialize", "C_Finalize", "C_Initialize",
    ]  # fmt: skip
    assert one.arguments[-1] is None


def test_one_that_fits_no_profile_is_as_it_is() -> None:
    one = native(NOBODY)
    module(one, profile="default").close()
    assert one.count("C_Finalize") == 1
    assert one.count("C_Initialize") == 1


@pytest.mark.parametrize("profile", ["softhsm2", ""])
def test_one_that_is_known_already_is_not_asked(profile: str) -> None:
    one = native(OPENCRYPTOKI)
    module(one, profile=profile).close()
    assert one.count("C_GetInfo") == 0
    assert one.count("C_Finalize") == 1


def test_one_that_does_not_say_is_used_all_the_same() -> None:
    one = native(OPENCRYPTOKI)
    one.fail_next("C_GetInfo", "FUNCTION_FAILED")
    assert len(module(one, profile="default").tokens()) == 1
