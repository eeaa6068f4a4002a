"""Pools of fake workers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from scd.cryptoki.worker.pool import PooledModule
from scd.token.port import KeyAddress, SignRequest
from scd.token.secrets import Pin
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import FakeToken, always_token, work_token

DIGEST = bytes(32)


class FakeWorker(FakeModule):
    """A fake module with a worker's epoch and load."""

    def __init__(self, *tokens: FakeToken) -> None:
        super().__init__(*tokens)
        self.epoch = 1
        self.available = True
        self.load = 0
        self.started = False
        self.renewed = 0

    def start(self) -> None:
        """Begin loading."""
        self.started = True

    async def renew(self) -> None:
        """Another process, with what the token has now."""
        self.renewed += 1
        self.restart()

    def restart(self) -> None:
        """Crash and come back: logins are lost."""
        self.epoch += 1
        for token in self.slots:
            token.logged_in = False


@dataclass
class Pool:
    """Three workers, each with its own view of the same tokens."""

    workers: list[FakeWorker] = field(
        default_factory=lambda: [FakeWorker(work_token(), always_token()) for _ in range(3)]
    )

    def __post_init__(self) -> None:
        self.module = PooledModule(self.workers)
        self.token = self.workers[0].slots[0]
        self.pin = Pin(self.token.pin)
        key = self.token.keys[1]
        self.address = KeyAddress(self.token.id, key.cka_id, key.shown(True).public)

    def sign(self) -> asyncio.Future[bytes]:
        return asyncio.ensure_future(self.module.sign(SignRequest(self.address, DIGEST)))

    def counts(self, op: Op) -> list[int]:
        return [worker.count(op) for worker in self.workers]
