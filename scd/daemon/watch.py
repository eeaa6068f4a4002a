"""Tokens that come and go: who wants to know is told, gpg-agent by the signal it asked for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable

from scd.daemon.agent import process_at_the_pipe
from scd.service.operations import Service

log = logging.getLogger(__name__)

POLL_S = 2.0
"""How often tokens are looked for while somebody watches; faster polling makes readers flicker (OpenSC issue 1771)."""


class Watch:
    """Notices changes of the set of cards, whoever's command brought them to light, and polls while it is watched."""

    def __init__(self, service: Callable[[], Service]) -> None:
        self._service = service
        self._known: tuple[str, ...] | None = None
        self.changes = 0
        self.event_signal = 0
        self.poll_s = POLL_S

    def look(self) -> None:
        """Compare what is listed now with the last time; to be called after anything that may have listed tokens."""
        present = tuple(card.serial for card in self._service().catalogue.cards)
        before, self._known = self._known, present
        if before is None or set(before) == set(present):
            return
        self.changes += 1
        log.info("cards: %s", ", ".join(present) or "none")
        self._signal_agent()

    def _signal_agent(self) -> None:
        """gpg-agent counts card events by it."""
        if not self.event_signal:
            return
        pid = process_at_the_pipe()
        if pid > 1:
            with contextlib.suppress(OSError):
                os.kill(pid, self.event_signal)

    async def change_after(self, seen: int) -> int:
        """Wait until more than `seen` changes were noticed, polling meanwhile; their number."""
        while self.changes <= seen:
            await asyncio.sleep(self.poll_s)
            await self._service().rescan()
            self.look()
        return self.changes
