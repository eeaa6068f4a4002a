"""The power lost, the disk full and the module stuck in the middle of a change: the token stays whole, and works on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker.client import WorkerModule
from scd.cryptoki.worker.spawn import spawn
from scd.gcrypt.privkey import parse_private_key
from scd.gcrypt.pubkey import PublicKey
from scd.token.errors import KeyExists, ModuleCrashed, ModuleTimeout, TokenFailure
from scd.token.model import DataRecord, KeyPair
from scd.token.port import GenerateRequest, ImportRequest, KeyAddress
from tests.contract.subject import Subject
from tests.harness.tokens import Minted
from tests.softhsm.dying import argv
from tests.unit.gcrypt.keytocard import KEYTOCARD

PLACE, OTHER_PLACE = b"\xaa\1", b"\xaa\2"
PRIVATE, _ = parse_private_key(KEYTOCARD["nistp256"][1])
WRITES = ["killed at 0", "killed at 300", "killed at 700"]
GENERATING = ["before C_GenerateKeyPair", *WRITES, "after C_GenerateKeyPair"]
IMPORTING = [
    "before C_CreateObject", *WRITES, "after C_CreateObject", "before C_CreateObject 2", "after C_CreateObject 2",
]  # fmt: skip


@pytest.fixture
def ending(own_tokens: Minted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Subject]]:
    """A worker on tokens of the test's own that ends as told; the one that takes its place is an ordinary one."""
    monkeypatch.setenv("SOFTHSM2_CONF", str(own_tokens.config))
    config = ModuleConfig("softhsm2", str(own_tokens.module), quirks=("rescan-needs-restart",))
    pins = {label: token.pin.encode() for label, token in own_tokens.tokens.items()}
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())

        def start(moment: str) -> Subject:
            lines: list[tuple[str, ...] | None] = [argv(moment)]

            async def load() -> WorkerModule:
                return WorkerModule(
                    config, generate_timeout_s=2, timeout_s=2 if moment.startswith("hang") else 30,
                    start=lambda told: spawn(told, argv=lines.pop() if lines else None),
                )  # fmt: skip

            made = Subject(runner.run(load()), runner, pins, {}, lambda: None)
            stack.callback(lambda: made.run(made.module.close()))
            made.login("work")
            return made

        yield start


def generating(own: Subject, place: bytes = PLACE) -> Coroutine[Any, Any, PublicKey]:
    return own.module.generate(GenerateRequest(own.token("work"), "nistp256", place, "new", True, True))


def importing(own: Subject, place: bytes = PLACE) -> Coroutine[Any, Any, PublicKey]:
    return own.module.import_key(ImportRequest(own.token("work"), PRIVATE, place, "new", True, True))


def assert_whole(own: Subject, before: tuple[KeyPair, ...]) -> None:
    """The keys of before are there, a new one is whole and works or is left out for a reason, and the next is made."""
    own.login("work")
    found = own.objects("work")
    assert [key for key in found.keys if key.cka_id != PLACE] == list(before)
    for key in found.keys:
        if key.cka_id == PLACE:
            assert own.sign(KeyAddress(own.token("work"), PLACE, key.public), bytes(32))
    assert all(one.reason for one in found.skipped)
    made = own.run(generating(own, OTHER_PLACE))
    assert own.sign(KeyAddress(own.token("work"), OTHER_PLACE, made), bytes(32))


@pytest.mark.parametrize(
    ("change", "moment"),
    [(generating, moment) for moment in GENERATING] + [(importing, moment) for moment in IMPORTING],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_power_lost_in_the_middle_of_a_new_key(
    ending: Callable[[str], Subject], change: Callable[[Subject], Coroutine[Any, Any, PublicKey]], moment: str
) -> None:
    own = ending(moment)
    before = own.objects("work").keys

    with pytest.raises(ModuleCrashed, match="a key with the CKA_ID AA01, or half of it, may be on the token"):
        own.run(change(own))

    assert_whole(own, before)


def test_half_a_key_that_was_left_is_told_of_and_keeps_its_place(ending: Callable[[str], Subject]) -> None:
    own = ending("killed at 700")  # SoftHSM 2.6.1's file of the private half is longer, that of the public one is not
    with pytest.raises(ModuleCrashed):
        own.run(generating(own))
    own.login("work")
    (left,) = own.objects("work").skipped
    assert "AA01" in left.what
    assert "no private key" in left.reason
    with pytest.raises(KeyExists):
        own.run(generating(own))


@pytest.mark.parametrize("change", [generating, importing], ids=lambda one: one.__name__)
def test_a_full_disk_keeps_no_new_key(
    ending: Callable[[str], Subject], change: Callable[[Subject], Coroutine[Any, Any, PublicKey]]
) -> None:
    own = ending("full at 0")
    before = own.objects("work").keys

    with pytest.raises(TokenFailure, match=r"may be full|not listed"):
        own.run(change(own))

    own.login("work")
    assert own.objects("work").keys == before


def test_a_full_disk_keeps_no_data(ending: Callable[[str], Subject]) -> None:
    own = ending("full at 0")

    with pytest.raises(TokenFailure, match="may be full"):
        own.run(own.module.write_data(own.token("work"), (DataRecord("login", b"alice"),)))

    assert own.run(own.module.read_data(own.token("work"))) == ()


@pytest.mark.parametrize(
    ("change", "moment"), [(generating, "hang C_GenerateKeyPair"), (importing, "hang C_CreateObject")]
)
def test_a_module_that_hangs_is_ended(
    ending: Callable[[str], Subject], change: Callable[[Subject], Coroutine[Any, Any, PublicKey]], moment: str
) -> None:
    own = ending(moment)
    before = own.objects("work").keys

    with pytest.raises(ModuleTimeout, match=r"did not answer within 2 s.*may be on the token"):
        own.run(change(own))

    assert_whole(own, before)


@pytest.mark.parametrize(
    "moment", ["before C_SetAttributeValue 1", "after C_SetAttributeValue 1", "after C_SetAttributeValue 2"]
)
def test_power_lost_while_a_key_is_moved_costs_no_other_key(ending: Callable[[str], Subject], moment: str) -> None:
    """The old key, whose CKA_ID it gets, goes only after this."""
    own = ending(moment)
    old, new = own.run(generating(own)), own.run(generating(own, OTHER_PLACE))
    address = KeyAddress(own.token("work"), OTHER_PLACE, new)

    with pytest.raises(ModuleCrashed, match="a key may be under the CKA_ID"):
        own.run(own.module.move_key(address, PLACE))

    own.login("work")
    assert own.sign(KeyAddress(own.token("work"), PLACE, old), bytes(32))
    assert all(one.reason for one in own.objects("work").skipped)


def test_a_full_disk_that_takes_no_other_id_is_told(ending: Callable[[str], Subject]) -> None:
    """SoftHSM 2.6.1 loses the key itself there, and says CKR_OK: the one it replaces must not have gone before."""
    own = ending("full at 0")
    with pytest.raises(TokenFailure, match=r"has not kept the CKA_ID AA01; it may be full"):
        own.run(own.module.move_key(own.address("work", "work-p256"), PLACE))
