"""The modules the daemon works with, what each showed last, and how it is doing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, TypeVar

from scd import tasks
from scd.token.errors import ModuleTimeout, ModuleUnavailable, TokenError
from scd.token.model import TokenId, TokenInfo, TokenObjects
from scd.token.port import REREAD, TokenModule

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE_S = 5.0
"""How long what one module is asked may take before all go on with what that one showed last."""

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Between the tries of a module that is left out; the last one again and again."""

EVENT_PATIENCE_S = 1.0
"""How long news of one module wait for those of another."""

NOTHING = TokenObjects((), (), (), 0)


@dataclass(slots=True)
class RegisteredModule:
    """One module of the configuration. `serials`: pinned serials by token label, None for any token.

    `tokens` and `objects` are what it showed last. A module that fails has none; one that is slow keeps them. It is
    waited for once: then it is left out, which means that nothing waits for it until it has answered by itself.
    """

    name: str
    module: TokenModule
    serials: Mapping[str | None, str] = field(default_factory=dict)
    cert_private: bool = False
    tokens: tuple[TokenInfo, ...] = ()
    objects: dict[TokenId, TokenObjects] = field(default_factory=dict)
    error: str | None = None
    is_unavailable: bool = False  # because it could not even be loaded
    _look: asyncio.Task[None] | None = None
    _patience_ends: float = 0.0  # for the look that is under way, by the loop's clock
    _event: asyncio.Task[None] | None = None
    _return: asyncio.Task[None] | None = None
    _late: str | None = None  # what was said of a token that could not be listed in time
    _stale: set[TokenId] = field(default_factory=set)  # every object of these is to be read anew
    _seen: bool = False

    @property
    def failure(self) -> str:
        """Why it showed nothing last, without its name; empty when it works."""
        return (self.error or "").removeprefix(f"module {self.name}: ")

    @property
    def is_awaited(self) -> bool:
        """It is being asked for its tokens and has not answered."""
        return self._look is not None and not self._look.done()

    @property
    def is_left_out(self) -> bool:
        """It was too slow; it takes part again when it has answered."""
        return _is_running(self._return)

    async def rescan(self, *, again: bool) -> None:
        """See which tokens are present and what is on new ones; with `again` on all of them.

        One look at a time. Who comes during one waits for it, and with `again` looks once more, because it may have
        come too late for it; not so after the very first one, which reads everything anyway.
        """
        if self.is_left_out:
            return
        running = self._look
        if running is not None and not running.done():
            is_first = not self._seen
            await self._patiently(running)
            if self.is_left_out or not again or is_first:
                return
        await self._patiently(self._begin(again) if self._look is running or self._look is None else self._look)

    async def reread(self) -> None:
        """As `rescan` of all tokens, and read every object anew."""
        self._stale |= self.objects.keys()
        await self.rescan(again=True)

    async def in_time(self, op: str, work: Callable[[], Coroutine[Any, Any, T]], otherwise: T) -> T:
        """What `work` with this module gives; `otherwise` when it takes too long, and the module is left out then."""
        if self.is_left_out:
            return otherwise
        task = tasks.start(op, work())
        await asyncio.wait((task,), timeout=PATIENCE_S)
        if task.done():
            return task.result()
        self._leave_out(task)
        return otherwise

    def notice(self) -> asyncio.Task[None] | None:
        """Begin to rescan if the module says that tokens may have come or gone, or cannot say.

        None for a module that is being looked at or left out: nothing is asked of it.
        """
        if any(map(_is_running, (self._look, self._event, self._return))):
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

    def _begin(self, again: bool) -> asyncio.Task[None]:
        self._look = tasks.start("tokens", self._ask(again))
        self._patience_ends = asyncio.get_running_loop().time() + PATIENCE_S
        return self._look

    async def _patiently(self, look: asyncio.Task[None]) -> None:
        """Wait for the look; all who do so lose their patience at the same time."""
        left_s = self._patience_ends - asyncio.get_running_loop().time()
        await asyncio.wait((look,), timeout=max(0.0, left_s))
        if not look.done():
            self._leave_out(look)

    def _leave_out(self, waiting: asyncio.Task[Any] | None = None) -> None:
        """Nothing waits for the module any more; `waiting` is what it has not answered yet."""
        if waiting is not None:
            self.error = f"module {self.name}: it has not answered within {PATIENCE_S:g} s"
            self.is_unavailable = False
        if not self.is_left_out:
            log.warning("module=%s op=tokens result=slow: it is left out until it answers", self.name)
            self._return = tasks.start("return", self._come_back(waiting))

    async def _come_back(self, waiting: asyncio.Task[Any] | None) -> None:
        """Look again, after longer and longer pauses, until the module answers."""
        if waiting is not None:
            await asyncio.wait((waiting,))
        for pause_s in chain(PAUSES_S, repeat(PAUSES_S[-1])):
            if self.error is None:
                break
            await asyncio.sleep(pause_s)
            await asyncio.wait((self._begin(again=True),))
        log.info("module=%s op=tokens result=ok: it takes part again", self.name)

    async def _ask(self, again: bool) -> None:
        try:
            tokens = await self.module.tokens()
        except TokenError as error:
            cause = error.cause if isinstance(error, ModuleUnavailable) else str(error)
            if cause != self.error:
                log.error("module=%s op=tokens result=%s", self.name, cause)
            self.tokens, self.objects, self.error = (), {}, cause
            self.is_unavailable = isinstance(error, ModuleUnavailable)
            if isinstance(error, ModuleTimeout):
                self._leave_out()
            return
        objects: dict[TokenId, TokenObjects] = {}
        self._late = None
        for token in tokens:
            if token.initialized:
                known = self.objects.get(token.id)
                objects[token.id] = await self.listed(token.id) if again or known is None else known
        self.tokens, self.objects, self.error, self.is_unavailable = tokens, objects, self._late, False
        self._seen = True
        if self._late is not None:
            self._leave_out()

    async def listed(self, token: TokenId) -> TokenObjects:
        """What is on the token now; what was there when it cannot be read."""
        known = self.objects.get(token)
        is_stale = token in self._stale
        try:
            fresh = await self.module.objects(token, REREAD if is_stale else known.version if known else 0)
        except TokenError as error:
            log.error("module=%s token=%s op=objects result=%s", self.name, token.label, error)
            if isinstance(error, ModuleTimeout):
                self._late = str(error)
            return known or NOTHING
        if is_stale:
            self._stale.discard(token)
        if fresh is None:
            return known or NOTHING
        for odd in fresh.skipped:
            log.info("module=%s token=%s skipped %s: %s", self.name, token.label, odd.what, odd.reason)
        return fresh

    async def close(self) -> None:
        """Let go of the module."""
        for task in (self._return, self._look, self._event):
            if task is not None:
                task.cancel()
        await self.module.close()


def _is_running(task: asyncio.Task[None] | None) -> bool:
    return task is not None and not task.done()


class Registry:
    """All modules, in the configuration's order. `without_modules`: what to tell people when there is none."""

    def __init__(self, modules: tuple[RegisteredModule, ...], without_modules: str = "no module is configured") -> None:
        self.modules = modules
        self.without_modules = without_modules

    def doubt(self) -> str:
        """Which modules could not say what they have, so that what was not found may well be there; empty for none.

        One that cannot be loaded leaves no doubt: it is not in use.
        """
        return "; ".join(
            f"module {one.name} failed: {one.failure}" for one in self.modules if one.failure and not one.is_unavailable
        )

    async def rescan(self, *, again: bool = False) -> None:
        """`RegisteredModule.rescan` for all at once."""
        await tasks.together([entry.rescan(again=again) for entry in self.modules])

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
        await asyncio.gather(*(entry.close() for entry in self.modules), return_exceptions=True)
