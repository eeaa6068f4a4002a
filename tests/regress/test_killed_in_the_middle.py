"""Whoever ends a worker lets the call that is under way end first.

SoftHSM 2.6.1 empties `token.object` at each login and writes it anew; a process killed in between, as by SIGKILL at a
time-out or at the daemon's end, left a token without anything.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker.client import WorkerModule
from scd.token.errors import ModuleCrashed
from scd.token.model import TokenId
from scd.token.secrets import Pin
from tests.harness import processes
from tests.harness.tokens import REPOSITORY
from tests.regress.tokens import PIN, PlainTokens
from tests.worker.loop import in_loop
from tests.worker.workers import ended

ROUNDS = 20  # without the grace one in four or so destroys the token
_IN_MODIFY = 2  # linux/inotify.h

DAEMON = """
import asyncio, sys
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker.client import WorkerModule
from scd.token.secrets import Pin

async def main():
    module = WorkerModule(ModuleConfig("softhsm2", sys.argv[1]))
    token = next(info.id for info in await module.tokens() if info.initialized)
    print(module.health().pid, flush=True)
    await module.login(token, Pin(sys.stdin.readline().strip().encode()))
    sys.stdin.read()

asyncio.run(main())
"""


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlainTokens:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tokens.config))
    return tokens


@contextmanager
def modified(tokens: PlainTokens) -> Iterator[int]:
    """A descriptor that can be read as soon as the token's own file is changed."""
    (file,) = tokens.folder.glob("tokens/*/token.object")
    libc = ctypes.CDLL(None)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    try:
        assert libc.inotify_add_watch(descriptor, os.fsencode(file), _IN_MODIFY) > 0
        yield descriptor
    finally:
        os.close(descriptor)


async def assert_whole(tokens: PlainTokens) -> None:
    module = WorkerModule(ModuleConfig("softhsm2", str(tokens.module)))
    try:
        assert await card_of(module)
        await module.login(await card_of(module), Pin(PIN.encode()))
    finally:
        await module.close()


async def card_of(module: WorkerModule) -> TokenId:
    labels = {info.id.label: info.id for info in await module.tokens() if info.initialized}
    assert list(labels) == ["card"]
    return labels["card"]


async def abandoned(module: WorkerModule) -> None:
    module.abandon()


async def out_of_turn(module: WorkerModule) -> None:
    """What a time-out does, too."""
    assert module._child is not None
    module._child.end(ModuleCrashed("it is ended"))


@pytest.mark.parametrize("ending", [abandoned, out_of_turn], ids=lambda one: one.__name__)
@in_loop
async def test_a_worker_that_is_ended_at_login_leaves_the_token_whole(
    card: PlainTokens, ending: Callable[[WorkerModule], Awaitable[None]]
) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(ROUNDS):
        module = WorkerModule(ModuleConfig("softhsm2", str(card.module)))
        token = await card_of(module)
        pid = module.health().pid
        assert pid is not None
        with modified(card) as change:
            seen = asyncio.Event()
            loop.add_reader(change, seen.set)
            login = asyncio.ensure_future(module.login(token, Pin(PIN.encode())))
            await seen.wait()
            await ending(module)
            await asyncio.gather(login, return_exceptions=True)
            loop.remove_reader(change)
        await ended(pid)
        await module.close()
    await assert_whole(card)


def test_a_daemon_that_is_killed_at_login_leaves_the_token_whole(card: PlainTokens) -> None:
    for _ in range(ROUNDS):
        daemon = subprocess.Popen(
            [sys.executable, "-c", DAEMON, str(card.module)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY,
        )  # fmt: skip
        assert daemon.stdout is not None
        assert daemon.stdin is not None
        with daemon:
            handles = processes.open_handles([int(daemon.stdout.readline())])
            with modified(card) as change:
                daemon.stdin.write(f"{PIN}\n".encode())
                daemon.stdin.flush()
                assert os.read(change, 1024)
            daemon.kill()
        assert processes.wait_for_end(handles, 15) == []
    asyncio.run(assert_whole(card))
