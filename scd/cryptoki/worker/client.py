"""The daemon's side of a worker: a `TokenModule` that survives whatever its module does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker.backoff import BackOff
from scd.cryptoki.worker.messages import Answer, Close, Failure, LogRecord, Ready, Reply
from scd.cryptoki.worker.process import GRACE_S, Child, OnLog
from scd.cryptoki.worker.remains import remains
from scd.cryptoki.worker.spawn import WorkerProcess, spawn
from scd.cryptoki.worker.state import WorkerHealth, WorkerState
from scd.token.errors import ModuleCrashed, ModuleTimeout, ModuleUnavailable, TokenError
from scd.token.model import TokenId, TokenObjects
from scd.token.port import REREAD, Call, TokenModule

TIMEOUT_S = 30.0
LOAD_TIMEOUT_S = 30.0
GENERATE_TIMEOUT_S = 600.0
"""At least, for a new key: RSA takes cards minutes, and nobody can say how many."""
CLOSE_LIMIT_S = 3.0
_EPOCH_BITS = 20  # of a version; the rest is the module's own
_EPOCH_MASK = (1 << _EPOCH_BITS) - 1

_log = logging.getLogger(__name__)


class WorkerModule(TokenModule):
    """See `scd.token.port.TokenModule`. One module, one child process, one request at a time, in order of arrival.

    A child that crashes, is late or sends nonsense is ended; the request that was under way fails with
    ModuleCrashed or ModuleTimeout, and the next one starts a new child, or fails with ModuleUnavailable while it is
    too early for that.

    `started` is a child that runs already; `start` makes new ones. `timeout_s` bounds each request, `load_timeout_s`
    loading, `generate_timeout_s` at least a new key; `grace_s` is what a child has to finish what it does at its end.
    A caller that is cancelled leaves its request behind: the module finishes it, and the next one waits for that.
    """

    def __init__(
        self,
        config: ModuleConfig,
        *,
        timeout_s: float = TIMEOUT_S,
        load_timeout_s: float = LOAD_TIMEOUT_S,
        generate_timeout_s: float = GENERATE_TIMEOUT_S,
        grace_s: float = GRACE_S,
        started: WorkerProcess | None = None,
        on_log: OnLog | None = None,
        log_level: int = logging.INFO,
        start: Callable[[ModuleConfig], WorkerProcess] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self.epoch = 0  # one more with each child: its logins and versions are not those of the last one
        self._timeout_s = timeout_s
        self._load_timeout_s = load_timeout_s
        self._generate_timeout_s = generate_timeout_s
        self._grace_s = grace_s
        self._started = started
        self._on_log = on_log or partial(_to_logging, config.name)
        self._start = start or partial(spawn, log_level=log_level)
        self._clock = clock
        self._turn = asyncio.Lock()
        self._back_off = BackOff()
        self._child: Child | None = None
        self._previous: Child | None = None
        self._loading: asyncio.Future[Reply] | None = None
        self._failed_start: str | None = None
        self._closed = self._renewing = self._hung_in_events = False
        self._requests = 0
        self._load = 0

    @property
    def load(self) -> int:
        """Requests under way or waiting."""
        return self._load

    @property
    def available(self) -> bool:
        """A request would be sent rather than refused."""
        return not self._closed and (self._alive or self._back_off.wait_s(self._clock()) == 0)

    def health(self) -> WorkerHealth:
        """How the worker is doing now."""
        return WorkerHealth(
            name=self.config.name,
            pid=self._child.pid if self._child is not None and self._alive else None,
            state=self._state(),
            restarts=max(0, self.epoch - 1),
            last_error=self._last_error(),
            requests=self._requests,
        )

    def start(self) -> None:
        """Begin loading, so that the first request finds a warm worker. Raises ModuleUnavailable."""
        if not self._alive:
            self._launch()

    async def slots_changed(self) -> bool | None:
        """See the port. A module that hangs in it is not asked a second time."""
        if self._load or not self._alive:
            return False
        if self._hung_in_events:
            return None
        try:
            return await super().slots_changed()
        except ModuleTimeout:
            self._hung_in_events = True
            raise

    async def objects(self, token: TokenId, known: int = 0) -> TokenObjects | None:
        """See the port. Versions of different children never agree."""
        while True:
            epoch = self.epoch
            own = known >> _EPOCH_BITS if known & _EPOCH_MASK == epoch & _EPOCH_MASK else 0
            own = REREAD if known == REREAD else own
            found = await super().objects(token, own)
            if found is not None:
                return replace(found, version=found.version << _EPOCH_BITS | self.epoch & _EPOCH_MASK)
            if epoch == self.epoch:
                return None  # otherwise a new child said "nothing new" of a version that was another's

    async def logout(self, token: TokenId) -> None:
        """See the port. Starts no child: where none runs, nobody is logged in."""
        if self._alive:
            await super().logout(token)

    async def renew(self) -> None:
        """A new child in place of the one that runs, as soon as that is idle; its logins are lost.

        For what a module reads but once and another process has changed since.
        """
        async with self._turn:
            if not self._alive:
                return
            self._renewing = True
            try:
                with contextlib.suppress(TokenError):  # it is ended below
                    await (await self._ready()).ask(Close(), CLOSE_LIMIT_S)
            finally:
                if self._child is not None:
                    self._child.end()
                self._renewing = False
            with contextlib.suppress(TokenError):  # the next request says it
                self._launch()
                await self._ready()  # SoftHSM 2.6.1 reads a token wrongly that is written to at this moment

    async def close(self) -> None:
        """See the port. A module that does not let go in three seconds, or is just being loaded, is ended."""
        if self._closed:
            return
        if self._started is not None:
            self._launch()  # to have it reaped
        patience_s = 0.0 if self._state() is WorkerState.LOADING else CLOSE_LIMIT_S
        self._closed = True
        child = self._child
        if child is None:
            return
        try:
            async with asyncio.timeout(patience_s), self._turn:
                if child.alive and not child.busy:
                    await child.ask(Close(), CLOSE_LIMIT_S)
        except (TimeoutError, TokenError):
            pass  # it is ended below
        finally:
            child.end()
        async with asyncio.timeout(self._grace_s + CLOSE_LIMIT_S):
            await child.gone.wait()

    def abandon(self) -> None:
        """`close` for a process that is about to end: its worker finishes what it does, or is ended in time, alone."""
        self._closed = True
        if self._child is not None:
            self._child.end()

    async def ask(self, call: Call) -> Any:
        """See the port. When the worker ends in the middle, the error says what may have been left behind."""
        timeout_s = max(self._timeout_s, self._generate_timeout_s if call.method == "generate" else 0)
        reply = await self._exchange(call, timeout_s)
        if isinstance(reply, Answer):
            return reply.value
        if isinstance(reply, Failure):
            raise reply.error()
        why = f"module {self.config.name}: its worker gave an answer to another question{remains(call)}"
        out_of_turn = ModuleCrashed(why)
        if self._child is not None:
            self._child.end(out_of_turn)
        raise out_of_turn

    async def _exchange(self, call: Call, timeout_s: float) -> Reply:
        """Wait for our turn, for a child that is ready, and for its answer."""
        self._load += 1
        try:
            await self._turn.acquire()
        except asyncio.CancelledError:
            self._load -= 1
            raise
        asked: Child | None = None
        try:
            child = await self._ready()
            answer = child.ask(call, timeout_s)
            asked = child
            self._requests += 1
            return await answer
        except (ModuleCrashed, ModuleTimeout) as error:
            if asked is None or not (left := remains(call)):
                raise
            raise type(error)(f"{error}{left}") from error
        finally:
            if asked is not None and asked.busy:  # we were cancelled, the module was not
                asked.when_idle(self._release)
            else:
                self._release()

    def _release(self) -> None:
        self._load -= 1
        self._turn.release()

    async def _ready(self) -> Child:
        """A child that has loaded its module."""
        if not self._alive:
            self._launch()
        child, loading = self._child, self._loading
        if child is None or loading is None:
            raise RuntimeError("launched without a child")
        if not loading.done():
            try:
                await asyncio.shield(loading)
            except ModuleCrashed as error:
                raise ModuleUnavailable(f"{error} while it was loading") from error
        if not child.alive:
            raise ModuleUnavailable(child.ending)
        return child

    def _launch(self) -> None:
        name, now = self.config.name, self._clock()
        if self._closed:
            raise ModuleUnavailable(f"module {name} is closed")
        if wait_s := self._back_off.wait_s(now):
            raise ModuleUnavailable(self._last_error() or f"module {name} failed", wait_s=wait_s)
        try:
            process = self._started or self._start(self.config)
        except OSError as error:
            self._failed_start = f"module {name}: no worker can be started: {error.strerror}"
            self._back_off.failed(now)
            raise ModuleUnavailable(self._failed_start) from error
        self._started = self._failed_start = None
        self.epoch += 1
        self._previous = self._child
        self._child = Child(process, name, self._on_log, self._ended, self._grace_s)
        self._loading = self._child.expect(self._load_timeout_s)
        self._loading.add_done_callback(self._loaded)
        _log.debug("module=%s op=start pid=%d epoch=%d", name, process.pid, self.epoch)

    def _loaded(self, loading: asyncio.Future[Reply]) -> None:
        if loading.cancelled() or loading.exception() is not None:
            return  # the child has ended, and said so
        answer = loading.result()
        if isinstance(answer, Ready):
            self._back_off.ready(self._clock())
        elif self._child is not None:
            why = answer.error() if isinstance(answer, Failure) else "its worker does not answer to the question"
            self._child.end(ModuleUnavailable(str(why)))

    def _ended(self) -> None:
        """The child can be asked no more."""
        if self._renewing:
            return
        self._back_off.failed(self._clock())
        if not self._closed and self._child is not None:
            _log.warning("module=%s op=worker result=ended reason=%s", self.config.name, self._child.ending)

    @property
    def _alive(self) -> bool:
        return self._child is not None and self._child.alive

    def _state(self) -> WorkerState:
        if self._closed:
            return WorkerState.CLOSED
        if self._child is None or self._loading is None:
            return WorkerState.NOT_STARTED
        if not self._child.alive:
            return WorkerState.ENDED
        if not self._loading.done():
            return WorkerState.LOADING
        return WorkerState.BUSY if self._child.busy else WorkerState.READY

    def _last_error(self) -> str | None:
        if self._failed_start is not None:
            return self._failed_start
        ended = self._previous if self._alive else self._child
        return None if ended is None else ended.ending


def _to_logging(name: str, record: LogRecord) -> None:
    """A worker is not trusted: it names no loggers of ours and writes no lines of its own."""
    line = "".join(character if character.isprintable() else " " for character in f"{record.logger}: {record.text}")
    _log.log(record.level, "module=%s %s", name, line)
