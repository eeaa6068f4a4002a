"""The running daemon: connections, signals, a new configuration, the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Sequence

import scd.daemon.commands  # noqa: F401  # fills the command table
from scd import logs
from scd.config import CommandLine, ConfigError, Settings, load_settings
from scd.daemon.assemble import PlannedModule, build_service, plan, start_workers, warm_up
from scd.daemon.connection import Connection
from scd.daemon.daemon import Daemon
from scd.daemon.listener import accept_clients, allowed_uids
from scd.daemon.transport import StdioTransport

log = logging.getLogger(__name__)

_TERMS_TO_DIE = 3


class App:
    """One run of the daemon. `watched`: a process whose end is ours (`--daemon PROGRAM`)."""

    def __init__(
        self, command_line: CommandLine, settings: Settings, planned: Sequence[PlannedModule],
        listener: socket.socket | None, path: str | None, *, stdio: bool, watched: int | None,
    ) -> None:  # fmt: skip
        self._command_line = command_line
        self._settings = settings
        self._planned = planned
        self._listener = listener
        self._path = path
        self._stdio = stdio
        self._watched = watched
        self._terms = 0
        self._reloading: asyncio.Task[None] | None = None

    def run(self) -> int:
        """Until the end; the exit status."""
        logs.set_up(self._settings)
        asyncio.run(self._main())
        return 0

    async def _main(self) -> None:
        service = build_service(self._settings, self._planned)
        self._daemon = Daemon(service, deny_admin=self._settings.deny_admin)
        self._daemon.socket_name = self._path
        self._listen_to_signals()
        accepting = self._accept()
        if self._stdio:
            pipe = Connection(self._daemon, StdioTransport(0, 1), is_pipe=True)
            self._daemon.serve(lambda: pipe.serve(greet=False)).add_done_callback(lambda _: self._daemon.finish())
        self._watch_program()
        warming = asyncio.create_task(warm_up(service, self._planned))
        log.info("pid=%d socket=%s ready", os.getpid(), self._path or "-")
        await self._daemon.ended()
        await self._wind_up([task for task in (accepting, warming, self._reloading) if task is not None])

    def _accept(self) -> asyncio.Task[None] | None:
        if self._listener is None:
            return None
        allowed = allowed_uids(self._command_line.uid_acl)
        return asyncio.create_task(accept_clients(self._daemon, self._listener, allowed))

    def _watch_program(self) -> None:
        if self._watched is None:
            return
        try:
            descriptor = os.pidfd_open(self._watched)
        except OSError:
            self._daemon.finish()
            return
        asyncio.get_running_loop().add_reader(descriptor, self._daemon.finish)

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number, react in (
            (signal.SIGTERM, self._terminate),
            (signal.SIGINT, self._daemon.stop),
            (signal.SIGHUP, self._reload),
            (signal.SIGUSR1, self._say_statistics),
        ):
            loop.add_signal_handler(number, react)

    def _terminate(self) -> None:
        """As scdaemon: the first waits for the clients, the third does not."""
        self._terms += 1
        log.info("SIGTERM received: %d clients", len(self._daemon.connections))
        if self._terms >= _TERMS_TO_DIE:
            self._daemon.stop()
        else:
            self._daemon.finish()

    def _say_statistics(self) -> None:
        log.log(logging.CRITICAL, "statistics: %s", self._daemon.statistics.text())

    def _reload(self) -> None:
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.create_task(self._read_again())

    async def _read_again(self) -> None:
        """SIGHUP: new configuration, new log file, new workers, and with them no login."""
        try:
            settings = load_settings(self._command_line, os.environ)
        except ConfigError as error:
            log.error("the configuration is kept as it was, because the new one is wrong: %s", error)
            await self._daemon.log_out_everywhere()
            return
        logs.set_up(settings)
        for warning in settings.warnings:
            log.warning("%s", warning)
        planned = plan(settings, os.environ)
        start_workers(planned)
        old, self._daemon.service = self._daemon.service, build_service(settings, planned)
        self._daemon.deny_admin = settings.deny_admin
        self._settings = settings
        log.info("configuration read again, all tokens logged out")
        await old.catalogue.registry.close()
        await warm_up(self._daemon.service, planned)

    async def _wind_up(self, tasks: list[asyncio.Task[None]]) -> None:
        """Cancel what is left and let the workers go."""
        rest = [*tasks, *self._daemon.connections]
        for task in rest:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*rest, return_exceptions=True)
        await self._daemon.service.catalogue.registry.close()
        log.info("pid=%d end", os.getpid())
