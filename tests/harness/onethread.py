"""The asynchronous face of a module that lives in this process: every call goes to one and the same thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.token.port import Call, TokenModule


class OnOneThread(TokenModule):
    """See `scd.token.port.TokenModule`. Two threads inside one module crash the process: there is one.

    A caller that is cancelled leaves its call running; the next one waits for it.
    """

    def __init__(self, module: Any, executor: ThreadPoolExecutor) -> None:
        """`executor` has one thread, the one that loaded the module; it is shut down by `close`."""
        self._module = module
        self._executor = executor
        self._waiting = 0

    @classmethod
    async def load(cls, factory: Callable[[ModuleConfig], Any], config: ModuleConfig) -> OnOneThread:
        """Load the module on the thread that will serve it. Raises ModuleUnavailable."""
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"module-{config.name}")
        try:
            module = await asyncio.get_running_loop().run_in_executor(executor, factory, config)
        except BaseException:
            executor.shutdown(wait=True)
            raise
        return cls(module, executor)

    async def slots_changed(self) -> bool | None:
        """See the port."""
        return await super().slots_changed() if self._waiting == 0 else False

    async def ask(self, call: Call) -> Any:
        """See the port."""
        return await self._run(getattr(self._module, call.method), *call.arguments)

    async def close(self) -> None:
        """See the port."""
        try:
            await self._run(self._module.close)
        finally:
            self._executor.shutdown(wait=False)

    async def _run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        self._waiting += 1
        call = asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)
        call.add_done_callback(self._answered)
        return await call

    def _answered(self, _call: asyncio.Future[Any]) -> None:
        self._waiting -= 1
