from __future__ import annotations

import asyncio
import threading

import pytest

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.gcrypt.privkey import parse_private_key
from scd.token.errors import ModuleUnavailable
from scd.token.model import TokenId, TokenInfo, TokenObjects
from scd.token.port import DecryptRequest, GenerateRequest, ImportRequest, SignRequest
from scd.token.secrets import Pin
from tests.harness.onethread import OnOneThread
from tests.unit.gcrypt.keytocard import KEYTOCARD
from tests.worker.loop import in_loop
from tests.worker.unchanging import INFO, Unchanging
from tests.worker.workers import TOKEN, config, sign

PRIVATE, _ = parse_private_key(KEYTOCARD["ed25519"][1])


class Threads(Unchanging):
    """A module that notes where it is called, and whether it is called twice at a time."""

    def __init__(self, _config: ModuleConfig) -> None:
        self.seen = [threading.get_ident()]
        self.inside = threading.Lock()

    def note(self) -> None:
        assert self.inside.acquire(blocking=False)
        self.seen.append(threading.get_ident())
        self.inside.release()

    def tokens(self) -> tuple[TokenInfo, ...]:
        self.note()
        return ()

    def token(self, token: TokenId) -> TokenInfo:
        self.note()
        return INFO

    def slots_changed(self) -> bool | None:
        self.note()
        return None

    def objects(self, token: TokenId, known: int = 0) -> TokenObjects | None:
        self.note()
        return None

    def login(self, token: TokenId, pin: Pin | None) -> None:
        self.note()

    def logout(self, token: TokenId) -> None:
        self.note()

    def sign(self, request: SignRequest) -> bytes:
        self.note()
        return request.data

    def decrypt(self, request: DecryptRequest) -> bytes:
        self.note()
        return request.data

    def close(self) -> None:
        self.note()


@in_loop
async def test_every_call_is_made_on_the_thread_that_loaded_the_module() -> None:
    made: list[Threads] = []

    def factory(of: ModuleConfig) -> Threads:
        made.append(Threads(of))
        return made[0]

    module = await OnOneThread.load(factory, config())
    await module.slots_changed()
    await asyncio.gather(
        module.tokens(), module.token(TOKEN), module.objects(TOKEN), module.login(TOKEN, None), module.logout(TOKEN),
        module.sign(sign(b"a")), module.decrypt(DecryptRequest(sign(b"a").key, b"b")),
        module.random(TOKEN, 1), module.generate(GenerateRequest(TOKEN, "rsa2048", b"\1", "", True, True)),
        module.import_key(ImportRequest(TOKEN, PRIVATE, b"\1", "", True, True)), module.destroy_key(sign(b"a").key),
        module.write_certificate(TOKEN, b"\1", "", b""), module.delete_certificate(TOKEN, b"\1"),
        module.change_pin(TOKEN, None, None), module.reset_pin(TOKEN, None, None), module.read_data(TOKEN),
        module.write_data(TOKEN, ()), module.move_key(sign(b"a").key, b"\2"),
        module.change_so_pin(TOKEN, None, None), module.check_so_pin(TOKEN, None),
    )  # fmt: skip
    await module.close()
    assert len(made[0].seen) == 23
    assert len(set(made[0].seen)) == 1
    assert made[0].seen[0] != threading.get_ident()


@in_loop
async def test_a_module_that_cannot_be_loaded_leaves_no_thread() -> None:
    def factory(of: ModuleConfig) -> Threads:
        raise ModuleUnavailable("no library")

    before = set(threading.enumerate())  # those of other tests may end at any time
    with pytest.raises(ModuleUnavailable):
        await OnOneThread.load(factory, config())
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


@in_loop
async def test_a_thread_at_work_is_not_asked_for_events() -> None:
    class Slow(Threads):
        def sign(self, request: SignRequest) -> bytes:
            self.note()
            assert go_on.wait(10)
            return b""

    go_on = threading.Event()
    module = await OnOneThread.load(Slow, config())
    working = asyncio.ensure_future(module.sign(sign(b"a")))
    await asyncio.sleep(0)
    assert await module.slots_changed() is False
    go_on.set()
    await working
    assert await module.slots_changed() is None
    await module.close()
