"""Workers for these tests: the real client, and a child that misbehaves on demand."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker.client import WorkerModule
from scd.cryptoki.worker.spawn import WorkerProcess, spawn
from scd.gcrypt.pubkey import RsaPublicKey
from scd.token.model import TokenId
from scd.token.port import KeyAddress, SignRequest

SCRIPT = Path(__file__).with_name("misbehaving.py")
TOKEN = TokenId("scd tests", "misbehaving", "1", "test")
KEY = KeyAddress(TOKEN, b"\1", RsaPublicKey(b"\x80" * 128, b"\1\0\1"))


def config(init_args: str | None = None) -> ModuleConfig:
    """`init_args` are words of `Misbehaving`."""
    return ModuleConfig("odd", "/nowhere/odd.so", init_args)


def start(of: ModuleConfig) -> WorkerProcess:
    """A child that misbehaves."""
    return spawn(of, argv=(sys.executable, "-I", str(SCRIPT), "3"))


@asynccontextmanager
async def worker(init_args: str | None = None, **options: Any) -> AsyncIterator[WorkerModule]:
    """A worker that is closed at the end of the test. One that hangs is not waited for as long as elsewhere."""
    module = WorkerModule(config(init_args), start=start, **{"grace_s": 0.2, **options})
    try:
        yield module
    finally:
        await module.close()


def sign(what: bytes) -> SignRequest:
    """A signature over a word of `BEHAVIOUR`."""
    return SignRequest(KEY, what)


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def is_reaped(pid: int) -> bool:
    """Not even a zombie is left."""
    return not Path(f"/proc/{pid}").exists()


async def ended(pid: int) -> None:
    """Wait for the end of a process, while the loop goes on."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pidfd, end.set)
    try:
        async with asyncio.timeout(10):
            await end.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
