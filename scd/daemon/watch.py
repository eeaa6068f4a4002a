"""Tokens that come and go: who wants to know is told, gpg-agent by the signal it asked for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable

from scd import tasks
from scd.daemon.agent import handle_of, process_at_the_pipe
from scd.service.finding.catalogue import Card
from scd.service.operations import Service

log = logging.getLogger(__name__)

POLL_S = 2.0
"""How often modules are asked while somebody watches; faster polling makes readers flicker (OpenSC issue 1771)."""

SLOW_POLL_S = 5.0
"""How often they are asked for gpg-agent's sake, which uses the news for what it remembers of cards only."""


POLLING = "scd-watch"
"""The task's name (`scd.tasks`)."""


class Watch:
    """Notices changes of the set of cards, whoever's command brought them to light.

    It polls as long as somebody wants to know: a client with DEVINFO --watch, or gpg-agent with its event-signal.
    """

    def __init__(self, service: Callable[[], Service]) -> None:
        self._service = service
        self._known: tuple[str, ...] | None = None
        self._seen: tuple[Card, ...] | None = None
        self._signal = 0
        self._agent: int | None = None  # a pidfd: should gpg-agent's process id become another's, that is not it
        self._watchers = 0
        self._polling: asyncio.Task[None] | None = None
        self._now = asyncio.Event()
        self._news = asyncio.Event()  # of one change; the next one has its own
        self.changes = 0
        self.poll_s = POLL_S
        self.slow_poll_s = SLOW_POLL_S

    def signal_agent(self, number: int) -> None:
        """The signal that gpg-agent wants for each change; 0 for none."""
        if self._agent is not None:
            os.close(self._agent)
        self._signal, self._agent = number, handle_of(process_at_the_pipe()) if number else None
        self._keep_polling()

    def look(self) -> None:
        """Compare what is listed now with the last time; to be called after anything that may have listed tokens."""
        catalogue = self._service().catalogue
        if not catalogue.listed or catalogue.cards is self._seen:
            return
        self._seen = catalogue.cards
        present = tuple(card.serial for card in catalogue.cards)
        before, self._known = self._known, present
        if before is None or set(before) == set(present):
            return
        self.changes += 1
        log.info("cards: %s", ", ".join(present) or "none")
        self._news.set()
        self._news = asyncio.Event()
        self._tell_agent()

    def _tell_agent(self) -> None:
        """gpg-agent counts card events by it."""
        if self._agent is not None:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._agent, self._signal)

    async def change_after(self, seen: int) -> int:
        """Wait until more than `seen` changes were noticed; their number."""
        self._watchers += 1
        self._keep_polling()
        if self._watchers == 1:
            self._now.set()
        try:
            while self.changes <= seen:
                await self._news.wait()
            return self.changes
        finally:
            self._watchers -= 1

    def _keep_polling(self) -> None:
        if self._interval() is not None and (self._polling is None or self._polling.done()):
            self._polling = tasks.start("watch", self._poll())

    def _interval(self) -> float | None:
        """Seconds to the next poll; None when nobody wants to know."""
        if self._watchers:
            return self.poll_s
        return self.slow_poll_s if self._signal else None

    async def _poll(self) -> None:
        """Until nobody watches any more. Whoever begins to watch need not wait for the end of a slow interval."""
        loop = asyncio.get_running_loop()
        while (interval_s := self._interval()) is not None:
            self._now.clear()
            timer = loop.call_later(interval_s, self._now.set)
            await self._now.wait()
            timer.cancel()
            try:
                await self._service().notice()
                self.look()
            except Exception:  # one of the loops that must live
                log.exception("op=watch failed inside scd")
