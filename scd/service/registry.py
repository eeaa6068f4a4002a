"""The modules the daemon works with, what each showed last, and how it is doing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from scd import tasks
from scd.token.errors import ModuleUnavailable, TokenError
from scd.token.model import TokenId, TokenInfo, TokenObjects
from scd.token.port import REREAD, TokenModule

log = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""How long a listing waits for one module before it goes on with what that one showed last."""

EVENT_PATIENCE_S = 1.0
"""How long news of one module wait for those of another."""

NOTHING = TokenObjects((), (), (), 0)


@dataclass(slots=True)
class RegisteredModule:
    """One module of the configuration. `serials`: pinned serials by token label, None for any token.

    `tokens` and `objects` are what it showed last. A module that is slow keeps them, one that fails has none.
    """

    name: str
    module: TokenModule
    serials: Mapping[str | None, str] = field(default_factory=dict)
    cert_private: bool = False
    tokens: tuple[TokenInfo, ...] = ()
    objects: dict[TokenId, TokenObjects] = field(default_factory=dict)
    error: str | None = None
    _look: asyncio.Task[None] | None = None
    _event: asyncio.Task[None] | None = None
    _seen: bool = False

    @property
    def failure(self) -> str:
        """Why it showed nothing last, without its name; empty when it works."""
        return (self.error or "").removeprefix(f"module {self.name}: ")

    @property
    def is_awaited(self) -> bool:
        """It is being asked for its tokens and has not answered."""
        return self._look is not None and not self._look.done()

    async def rescan(self, *, again: bool) -> None:
        """See which tokens are present and what is on new ones; with `again` on all of them.

        One look at a time. Who comes during one waits for it, and with `again` looks once more, because it may have
        come too late for it; not so after the very first one, which reads everything anyway.
        """
        running = self._look
        if running is not None and not running.done():
            is_first = not self._seen
            await self._patiently(running)
            if not running.done() or not again or is_first:
                return
        if self._look is running:
            self._look = tasks.start("tokens", self._ask(again))
        if self._look is not None:
            await self._patiently(self._look)

    def notice(self) -> asyncio.Task[None] | None:
        """Begin to rescan if the module says that tokens may have come or gone, or cannot say.

        None for a module that is being looked at: nothing is asked of it.
        """
        if any(task is not None and not task.done() for task in (self._look, self._event)):
            return None
        self._event = tasks.start("slots_changed", self._take_event())
        return self._event

    async def _take_event(self) -> None:
        try:
            changed = await self.module.slots_changed()
        except TokenError as error:
            log.info("module=%s op=slots_changed result=%s", self.name, error)
            changed = None
        if changed is not False:
            if self._look is not None and not self._look.done():  # it may have come too early to see this
                await asyncio.wait((self._look,))
            await self.rescan(again=False)

    async def _patiently(self, look: asyncio.Task[None]) -> None:
        await asyncio.wait((look,), timeout=PATIENCE_S)
        if not look.done():
            log.warning("module=%s op=tokens result=slow: going on without it", self.name)

    async def _ask(self, again: bool) -> None:
        try:
            tokens = await self.module.tokens()
        except TokenError as error:
            cause = error.cause if isinstance(error, ModuleUnavailable) else str(error)
            if cause != self.error:
                log.error("module=%s op=tokens result=%s", self.name, cause)
            self.tokens, self.objects, self.error = (), {}, cause
            return
        objects = {}
        for token in tokens:
            if token.initialized:
                known = self.objects.get(token.id)
                objects[token.id] = await self.listed(token.id) if again or known is None else known
        self.tokens, self.objects, self.error = tokens, objects, None
        self._seen = True

    async def reread(self) -> None:
        """Read every object of every token anew."""
        for token in list(self.objects):
            self.objects[token] = await self.listed(token, reread=True)

    async def listed(self, token: TokenId, *, reread: bool = False) -> TokenObjects:
        """What is on the token now; what was there when it cannot be read."""
        known = self.objects.get(token)
        try:
            fresh = await self.module.objects(token, REREAD if reread else known.version if known else 0)
        except TokenError as error:
            log.error("module=%s token=%s op=objects result=%s", self.name, token.label, error)
            return known or NOTHING
        if fresh is None:
            return known or NOTHING
        for odd in fresh.skipped:
            log.info("module=%s token=%s skipped %s: %s", self.name, token.label, odd.what, odd.reason)
        return fresh


class Registry:
    """All modules, in the configuration's order. `without_modules`: what to tell people when there is none."""

    def __init__(self, modules: tuple[RegisteredModule, ...], without_modules: str = "no module is configured") -> None:
        self.modules = modules
        self.without_modules = without_modules

    async def rescan(self, *, again: bool = False) -> None:
        """`RegisteredModule.rescan` for all at once."""
        await asyncio.gather(*(entry.rescan(again=again) for entry in self.modules))

    async def notice(self, *modules: RegisteredModule) -> None:
        """`RegisteredModule.notice` for these, or for all, at once. A slow one is waited for once; what it says is seen
        later.
        """
        begun = [task for entry in modules or self.modules if (task := entry.notice())]
        if begun:
            done, _ = await asyncio.wait(begun, timeout=EVENT_PATIENCE_S)
            for task in done:
                task.result()

    async def close(self) -> None:
        """Let go of every module."""
        await asyncio.gather(*(entry.module.close() for entry in self.modules), return_exceptions=True)
