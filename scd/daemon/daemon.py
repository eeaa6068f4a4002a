"""What all connections share: the service, the socket's name, the way down."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from scd import tasks
from scd.daemon.lock import CardLock
from scd.daemon.watch import Watch
from scd.service.operations import Service


class Statistics:
    """Counters for SIGUSR1 and GETINFO dump_state."""

    def __init__(self) -> None:
        self.commands: Counter[str] = Counter()
        self.errors = 0
        self.connections = 0

    def count(self, command: str) -> None:
        self.commands[command] += 1

    def text(self) -> str:
        """One line."""
        commands = " ".join(f"{name}={times}" for name, times in sorted(self.commands.items()))
        return f"connections={self.connections} errors={self.errors} {commands}".rstrip()


class Daemon:
    """`service` is replaced as a whole when the configuration is read again.

    `mistake`: what is wrong with the configuration, as long as there is none that could be obeyed; `mend` looks again.
    """

    def __init__(self, service: Service, *, deny_admin: bool = False) -> None:
        self.service = service
        self.deny_admin = deny_admin
        self.mistake = ""
        self.mend: Callable[[], Awaitable[None]] = _nothing
        self.statistics = Statistics()
        self.lock = CardLock()
        self.watch = Watch(lambda: self.service)
        self.socket_name: str | None = None
        self.connections: set[asyncio.Task[None]] = set()
        self._end = asyncio.Event()
        self._finishing = False
        self._last: object = None

    def serve(self, connection: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Run a connection as a task of its own that counts as a client until it ends."""
        self.statistics.connections += 1
        task = tasks.start("connection", connection())
        self.connections.add(task)
        task.add_done_callback(self._left)
        return task

    def _left(self, task: asyncio.Task[None]) -> None:
        self.connections.discard(task)
        if self._finishing and not self.connections:
            self._end.set()

    def finish(self) -> None:
        """End when the present clients are done."""
        self._finishing = True
        if not self.connections:
            self._end.set()

    def stop_after(self, connection: object) -> None:
        """End as soon as this connection's reply is out, whoever else is connected."""
        self._last = connection

    def replied(self, connection: object) -> None:
        """A connection has written a reply."""
        if connection is self._last:
            self.stop()

    def stop(self) -> None:
        """End at once."""
        self._end.set()

    @property
    def finishing(self) -> bool:
        return self._finishing

    async def ended(self) -> None:
        """Wait for the end."""
        await self._end.wait()

    async def log_out_everywhere(self) -> None:
        """End every login."""
        service = self.service
        for card in service.catalogue.cards:
            await service.logins.log_out(card)


async def _nothing() -> None:
    """Where no configuration was read there is nothing to read again."""
