"""A change whose worker ended in the middle: the error says what may be on the token now."""

from __future__ import annotations

import pytest

from scd.cryptoki.worker.remains import remains
from scd.gcrypt.privkey import parse_private_key
from scd.token.errors import ModuleCrashed, ModuleTimeout
from scd.token.model import DataRecord
from scd.token.port import METHODS, Call, GenerateRequest, ImportRequest
from scd.token.secrets import Pin
from tests.unit.gcrypt.keytocard import KEYTOCARD
from tests.worker.loop import in_loop
from tests.worker.workers import KEY, TOKEN, sign, worker

CHANGES = {
    "login": ((TOKEN, Pin(b"1234")), "counted this as a try"),
    "check_so_pin": ((TOKEN, Pin(b"1234")), "counted this as a try"),
    "generate": ((GenerateRequest(TOKEN, "rsa2048", b"\xaa\1", "", True, True),), "CKA_ID AA01, or half of it, may be"),
    "import_key": (
        (ImportRequest(TOKEN, parse_private_key(KEYTOCARD["ed25519"][1])[0], b"\xaa\1", "", True, True),),
        "CKA_ID AA01, or half of it, may be",
    ),
    "move_key": ((KEY, b"\xaa\1"), "a key may be under the CKA_ID 01, under AA01, or each half under another"),
    "destroy_key": ((KEY,), "CKA_ID 01, or half of it, may still be"),
    "write_certificate": ((TOKEN, b"\xaa\1", "", b""), "CKA_ID AA01 may be the old one, the new one, both or none"),
    "delete_certificate": ((TOKEN, b"\xaa\1"), "CKA_ID AA01 may still be"),
    "change_pin": ((TOKEN, Pin(b"1234"), Pin(b"2345")), "PIN may be the old or the new one"),
    "reset_pin": ((TOKEN, Pin(b"1234"), Pin(b"2345")), "PIN may be the old or the new one"),
    "change_so_pin": ((TOKEN, Pin(b"1234"), Pin(b"2345")), "security officer may be the old or the new one"),
    "write_data": (
        (TOKEN, (DataRecord("login", b"alice"), DataRecord("url", None))),
        "old value of login, url, the new one or none",
    ),
}
READS = {
    "tokens",
    "token",
    "slots_changed",
    "objects",
    "algorithms",
    "logout",
    "sign",
    "decrypt",
    "random",
    "read_data",
}


def test_every_method_changes_something_or_only_reads() -> None:
    assert CHANGES.keys() | READS == METHODS
    assert all(remains(Call(method, arguments)) for method, (arguments, _) in CHANGES.items())
    assert not any(remains(Call(method, ())) for method in READS)


@pytest.mark.parametrize("method", CHANGES)
@in_loop
async def test_a_worker_that_crashes_in_a_change(method: str) -> None:
    arguments, told = CHANGES[method]
    async with worker("change abort") as module:
        with pytest.raises(ModuleCrashed, match=f"SIGABRT; .*{told}") as crash:
            await module.ask(Call(method, arguments))
        assert "1234" not in str(crash.value)


@in_loop
async def test_a_worker_that_hangs_in_a_change() -> None:
    async with worker("change hang", timeout_s=0.3) as module:
        with pytest.raises(ModuleTimeout, match=r"within 0\.3 s; its worker was ended; .*the old or the new one"):
            await module.change_pin(TOKEN, Pin(b"1234"), Pin(b"2345"))


@in_loop
async def test_a_worker_that_ends_before_it_was_asked_has_left_nothing() -> None:
    async with worker("load hang", load_timeout_s=0.3) as module:
        with pytest.raises(ModuleTimeout, match=r"was ended$"):
            await module.login(TOKEN, Pin(b"1234"))


@in_loop
async def test_a_worker_that_ends_while_it_signs_has_left_nothing() -> None:
    async with worker() as module:
        with pytest.raises(ModuleCrashed, match=r"SIGABRT$"):
            await module.sign(sign(b"abort"))
