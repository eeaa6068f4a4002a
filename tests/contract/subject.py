"""The implementations of the port, with the same tokens in each."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from scd.cryptoki.module import InProcessModule
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker.client import WorkerModule
from scd.cryptoki.worker.pool import PooledModule
from scd.gcrypt.privkey import PrivateKey
from scd.gcrypt.pubkey import PublicKey
from scd.token.model import KeyPair, TokenId, TokenInfo, TokenObjects
from scd.token.port import DecryptRequest, GenerateRequest, ImportRequest, KeyAddress, SignRequest, TokenModule
from scd.token.secrets import Pin
from tests.fakes.fake_module import FakeModule
from tests.fakes.fake_token import (
    FakeKey,
    always_token,
    awkward_token,
    backup_token,
    blank_token,
    empty_token,
    work_token,
)
from tests.fakes.keys import private_key, public_of
from tests.harness.onethread import OnOneThread
from tests.harness.tokens import Minted

T = TypeVar("T")

FAKE, IN_PROCESS, WORKER, POOL = "fake", "in-process", "worker", "pool"
NAMES = (FAKE, IN_PROCESS, WORKER, POOL)


@dataclass(frozen=True)
class Subject:
    """One implementation. `add_key` lets another program put a key on token `work`; PINs by token label."""

    module: TokenModule
    runner: asyncio.Runner
    pins: Mapping[str, bytes]
    so_pins: Mapping[str, bytes]
    add_key: Callable[[], None]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for one call."""
        return self.runner.run(work)

    def tokens(self) -> dict[str, TokenInfo]:
        """All tokens by label."""
        return {info.id.label: info for info in self.run(self.module.tokens())}

    def token(self, label: str) -> TokenId:
        """The four texts of a token."""
        return self.tokens()[label].id

    def objects(self, label: str) -> TokenObjects:
        """Everything on a token."""
        found = self.run(self.module.objects(self.token(label)))
        assert found is not None
        return found

    def login(self, label: str) -> None:
        """With the right PIN."""
        self.run(self.module.login(self.token(label), Pin(self.pins[label])))

    def address(self, label: str, key_file: str) -> KeyAddress:
        """Where the key of softhsm-fixtures/keys/`key_file` lies on a token."""
        public = public_of(private_key(key_file))
        key = next(key for key in self.objects(label).keys if key.public == public)
        return KeyAddress(self.token(label), key.cka_id, public)

    def generate(self, label: str, algorithm: str, cka_id: bytes, **usage: bool) -> KeyPair:
        """A new key, as the listing shows it."""
        usage = {"sign": True, "decrypt": True} | usage
        request = GenerateRequest(self.token(label), algorithm, cka_id, "new", **usage)
        return self.listed(label, self.run(self.module.generate(request)))

    def import_key(self, label: str, private: PrivateKey, cka_id: bytes, **usage: bool) -> KeyPair:
        """A key taken in, as the listing shows it."""
        usage = {"sign": True, "decrypt": True} | usage
        public = self.run(self.module.import_key(ImportRequest(self.token(label), private, cka_id, "new", **usage)))
        return self.listed(label, public)

    def listed(self, label: str, public: PublicKey) -> KeyPair:
        """The one key with this public half."""
        (found,) = (key for key in self.objects(label).keys if key.public == public)
        return found

    def sign(self, key: KeyAddress, data: bytes, pin: bytes | None = None) -> bytes:
        """One signature."""
        return self.run(self.module.sign(SignRequest(key, data, None if pin is None else Pin(pin))))

    def decrypt(self, key: KeyAddress, data: bytes, pin: bytes | None = None) -> bytes:
        """One decryption."""
        return self.run(self.module.decrypt(DecryptRequest(key, data, None if pin is None else Pin(pin))))


@contextmanager
def subject(name: str, minted: Minted) -> Iterator[Subject]:
    """The implementation `name`; the real ones on SoftHSM with the tokens of `minted`."""
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ.update(minted.env)  # SoftHSM reads it at C_Initialize, in this process and in the worker
    try:
        with asyncio.Runner() as runner:
            made = _fake(runner) if name == FAKE else _real(name, minted, runner)
            yield made
            made.run(made.module.close())
    finally:
        os.environ.pop("SOFTHSM2_CONF")
        if before is not None:
            os.environ["SOFTHSM2_CONF"] = before


def _fake(runner: asyncio.Runner) -> Subject:
    work = work_token()
    tokens = [work, backup_token(), awkward_token(), always_token(), empty_token(), blank_token()]

    def add_key() -> None:
        work.keys.append(FakeKey(private_key("awkward-good"), b"\x77", "new"))

    pins = {token.label: token.pin for token in tokens}
    so_pins = {token.label: token.so_pin for token in tokens}
    return Subject(FakeModule(*tokens), runner, pins, so_pins, add_key)


def _real(name: str, minted: Minted, runner: asyncio.Runner) -> Subject:
    config = ModuleConfig("softhsm2", str(minted.module), profile="softhsm2")
    if name == IN_PROCESS:
        module: TokenModule = runner.run(OnOneThread.load(InProcessModule, config))
    else:
        module = runner.run(_workers(config, 1 if name == WORKER else 2))

    def add_key() -> None:
        subprocess.run(
            ["pkcs11-tool", "--module", minted.module, "--token-label", "work", "--login", "--pin",
             minted.tokens["work"].pin, "--keypairgen", "--key-type", "EC:prime256v1", "--id", "77", "--label", "new"],
            env=os.environ | minted.env, check=True, capture_output=True,
        )  # fmt: skip

    pins = {label: token.pin.encode() for label, token in minted.tokens.items()}
    so_pins = {label: token.so_pin.encode() for label, token in minted.tokens.items()}
    return Subject(module, runner, pins, so_pins, add_key)


async def _workers(config: ModuleConfig, count: int) -> TokenModule:
    workers = [WorkerModule(config) for _ in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        await worker.tokens()  # SoftHSM 2.6.1 reads a token wrongly that another one writes to at this moment
    return workers[0] if count == 1 else PooledModule(workers)
