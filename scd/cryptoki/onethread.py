"""The asynchronous face of a module that lives in this process: every call goes to one and the same thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.gcrypt.pubkey import PublicKey
from scd.token.model import DataObject, TokenId, TokenInfo, TokenObjects
from scd.token.port import (
    DecryptRequest,
    GenerateRequest,
    ImportRequest,
    KeyAddress,
    SignRequest,
    SyncTokenModule,
)
from scd.token.secrets import Pin

T = TypeVar("T")


class OnOneThread:
    """See `scd.token.port.TokenModule`. Two threads inside one module crash the process: there is one.

    A caller that is cancelled leaves its call running; the next one waits for it.
    """

    def __init__(self, module: SyncTokenModule, executor: ThreadPoolExecutor) -> None:
        """`executor` has one thread, the one that loaded the module; it is shut down by `close`."""
        self._module = module
        self._executor = executor
        self._waiting = 0

    @classmethod
    async def load(cls, factory: Callable[[ModuleConfig], SyncTokenModule], config: ModuleConfig) -> OnOneThread:
        """Load the module on the thread that will serve it. Raises ModuleUnavailable."""
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"module-{config.name}")
        try:
            module = await asyncio.get_running_loop().run_in_executor(executor, factory, config)
        except BaseException:
            executor.shutdown(wait=False)
            raise
        return cls(module, executor)

    async def _run(self, work: Callable[[], T]) -> T:
        self._waiting += 1
        call = asyncio.get_running_loop().run_in_executor(self._executor, work)
        call.add_done_callback(self._answered)
        return await call

    def _answered(self, _call: asyncio.Future[T]) -> None:
        self._waiting -= 1

    async def tokens(self) -> tuple[TokenInfo, ...]:
        """See the port."""
        return await self._run(self._module.tokens)

    async def slots_changed(self) -> bool | None:
        """See the port."""
        return await self._run(self._module.slots_changed) if self._waiting == 0 else False

    async def objects(self, token: TokenId, known: int = 0) -> TokenObjects | None:
        """See the port."""
        return await self._run(lambda: self._module.objects(token, known))

    async def login(self, token: TokenId, pin: Pin | None) -> None:
        """See the port."""
        await self._run(lambda: self._module.login(token, pin))

    async def logout(self, token: TokenId) -> None:
        """See the port."""
        await self._run(lambda: self._module.logout(token))

    async def sign(self, request: SignRequest) -> bytes:
        """See the port."""
        return await self._run(lambda: self._module.sign(request))

    async def decrypt(self, request: DecryptRequest) -> bytes:
        """See the port."""
        return await self._run(lambda: self._module.decrypt(request))

    async def random(self, token: TokenId, count: int) -> bytes:
        """See the port."""
        return await self._run(lambda: self._module.random(token, count))

    async def generate(self, request: GenerateRequest) -> PublicKey:
        """See the port."""
        return await self._run(lambda: self._module.generate(request))

    async def import_key(self, request: ImportRequest) -> PublicKey:
        """See the port."""
        return await self._run(lambda: self._module.import_key(request))

    async def destroy_key(self, key: KeyAddress) -> None:
        """See the port."""
        await self._run(lambda: self._module.destroy_key(key))

    async def write_certificate(self, token: TokenId, cka_id: bytes, label: str, der: bytes) -> None:
        """See the port."""
        await self._run(lambda: self._module.write_certificate(token, cka_id, label, der))

    async def delete_certificate(self, token: TokenId, cka_id: bytes) -> None:
        """See the port."""
        await self._run(lambda: self._module.delete_certificate(token, cka_id))

    async def change_pin(self, token: TokenId, old: Pin | None, new: Pin | None) -> None:
        """See the port."""
        await self._run(lambda: self._module.change_pin(token, old, new))

    async def reset_pin(self, token: TokenId, so_pin: Pin | None, new: Pin | None) -> None:
        """See the port."""
        await self._run(lambda: self._module.reset_pin(token, so_pin, new))

    async def change_so_pin(self, token: TokenId, old: Pin | None, new: Pin | None) -> None:
        """See the port."""
        await self._run(lambda: self._module.change_so_pin(token, old, new))

    async def check_so_pin(self, token: TokenId, so_pin: Pin | None) -> None:
        """See the port."""
        await self._run(lambda: self._module.check_so_pin(token, so_pin))

    async def read_data(self, token: TokenId) -> tuple[DataObject, ...]:
        """See the port."""
        return await self._run(lambda: self._module.read_data(token))

    async def write_data(self, token: TokenId, label: str, value: bytes | None) -> None:
        """See the port."""
        await self._run(lambda: self._module.write_data(token, label, value))

    async def close(self) -> None:
        """See the port."""
        try:
            await self._run(self._module.close)
        finally:
            self._executor.shutdown(wait=False)
