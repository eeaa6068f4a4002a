"""The running daemon: connections, signals, the end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
from collections.abc import Sequence

import scd.daemon.commands  # noqa: F401  # fills the command table
from scd import logs, tasks
from scd.composition.build import build_service, warm_up
from scd.composition.plan import PlannedModule
from scd.config import CommandLine, Settings
from scd.daemon.agent import process_at_the_pipe
from scd.daemon.configuration import Configuration, log_mistake
from scd.daemon.connection import Connection
from scd.daemon.daemon import Daemon
from scd.daemon.doors import OBEYED, Doors
from scd.daemon.health import abandon_busy_workers, worker_states
from scd.daemon.listener import accept_clients, allowed_uids
from scd.daemon.loop import new_loop
from scd.daemon.transport import StdioTransport

log = logging.getLogger(__name__)
asked_for = logging.getLogger(f"{__name__}.asked_for")
"""What somebody wants to see now, whatever the verbosity."""

_TERMS_TO_DIE = 3


class App:
    """One run of the daemon, from its doors to its end."""

    def __init__(
        self, command_line: CommandLine, settings: Settings, planned: Sequence[PlannedModule], doors: Doors
    ) -> None:
        self._command_line = command_line
        self._settings = settings
        self._planned = planned
        self._doors = doors
        self._terms = 0
        self._accepting: asyncio.Task[None] | None = None
        self._reloading: asyncio.Task[None] | None = None

    def run(self) -> int:
        """Until the end; the exit status."""
        logs.set_up(self._settings)
        asked_for.setLevel(logging.INFO)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # PINs pass through this process
        for warning in (*self._command_line.warnings, *self._settings.warnings, *self._doors.warnings):
            log.warning("%s", warning)
        if self._settings.mistake:
            log_mistake(self._settings.mistake)
        if self._doors.folder is not None:
            self._doors.folder.clean_neighbours()
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(self._main())
        return 0

    async def _main(self) -> None:
        tasks.log_the_rest()
        try:
            self._open()
            gc.freeze()
            gc.enable()  # see __main__.py
            await self._daemon.ended()
            await self._wind_up()
        finally:
            # The loop is about to forget our signals, and the socket is still there.
            signal.pthread_sigmask(signal.SIG_BLOCK, OBEYED)
        log.info("pid=%d end", os.getpid())

    def _open(self) -> None:
        """Let clients and signals in."""
        self._daemon = Daemon(build_service(self._settings, self._planned), deny_admin=self._settings.deny_admin)
        self._daemon.socket_name = self._doors.path
        self._configuration = Configuration(self._daemon, self._command_line)
        self._daemon.mistake, self._daemon.mend = self._settings.mistake, self._configuration.mend
        if self._doors.listener is not None:
            allowed = allowed_uids(self._command_line.uid_acl)
            self._accepting = tasks.start("accept", accept_clients(self._daemon, self._doors.listener, allowed))
            self._accepting.add_done_callback(lambda _: self._doors.close())
        if self._doors.stdio:
            pipe = Connection(self._daemon, StdioTransport(0, 1), is_pipe=True, peer=process_at_the_pipe())
            self._daemon.serve(lambda: pipe.serve(greet=False)).add_done_callback(lambda _: self._finish())
        if self._doors.program is not None:
            asyncio.get_running_loop().add_reader(self._doors.program, self._program_ended)
        tasks.start("warm_up", warm_up(self._daemon.service))
        log.info("pid=%d socket=%s ready", os.getpid(), self._doors.path or "-")
        self._listen_to_signals()

    def _program_ended(self) -> None:
        if self._doors.program is not None:
            asyncio.get_running_loop().remove_reader(self._doors.program)
        log.info("the program that --daemon started has ended")
        self._finish()

    def _listen_to_signals(self) -> None:
        """A signal that comes again before it was obeyed is one signal.

        asyncio's own handlers queue each one, and under a hail of them the loop does nothing but fill that queue.
        """
        loop = asyncio.get_running_loop()
        reactions = {
            signal.SIGTERM: self._terminate,
            signal.SIGINT: self._stop,
            signal.SIGHUP: self._reload,
            signal.SIGUSR1: self._say_statistics,
        }
        waiting: set[int] = set()

        def obey(number: int) -> None:
            waiting.discard(number)
            reactions[signal.Signals(number)]()

        def notice(number: int, _frame: object) -> None:
            if number not in waiting:
                waiting.add(number)
                loop.call_soon_threadsafe(obey, number)

        for number in reactions:
            signal.signal(number, notice)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OBEYED)

    def _terminate(self) -> None:
        """As scdaemon: the first waits for the clients, the third does not."""
        self._terms += 1
        log.info("SIGTERM received: %d clients", len(self._daemon.connections))
        if self._terms >= _TERMS_TO_DIE:
            self._stop()
        else:
            self._finish()

    def _finish(self) -> None:
        """End when the present clients are done, and let no further ones in."""
        if self._accepting is not None:
            self._accepting.cancel()
        self._daemon.finish()

    def _stop(self) -> None:
        """End at once, even if a module is at work."""
        abandon_busy_workers(self._daemon.service)
        self._daemon.stop()

    def _say_statistics(self) -> None:
        asked_for.info("statistics: %s", self._daemon.statistics.text())
        for line in worker_states(self._daemon.service):
            asked_for.info("statistics: %s", line)

    def _reload(self) -> None:
        if self._reloading is None or self._reloading.done():
            self._reloading = tasks.start("reload", self._configuration.read_again())

    async def _wind_up(self) -> None:
        """Cancel what is left and let the workers go."""
        at_once = not self._daemon.finishing  # as KILLSCD wants it, which waits for nobody
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        if at_once:
            abandon_busy_workers(self._daemon.service)
        await self._daemon.service.catalogue.registry.close()
