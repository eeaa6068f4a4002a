"""From the socket to the running daemon: greeting, workers, event loop, in this order."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from scd.config import CommandLine, ConfigError, Mode, Settings
from scd.daemon.doors import GREETING, Doors
from scd.daemon.socketdir import SocketFolder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scd.composition.plan import PlannedModule


def socket_folder(command_line: CommandLine, settings: Settings) -> SocketFolder:
    """A socket as the options want it. Raises OSError."""
    return SocketFolder(os.environ, backlog=settings.listen_backlog, everyone=command_line.uid_acl is not None)


def import_asyncio() -> None:
    """Import asyncio without TLS, which nothing here speaks: OpenSSL would take a third of the time.

    asyncio does without where a Python has no `ssl`. Whoever imports that afterwards finds it.
    """
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]  # None says that there is no such module
    if "ssl" not in modules:
        modules["ssl"] = None
        import asyncio  # noqa: F401

        del modules["ssl"]


def _planned(command_line: CommandLine, settings: Settings) -> tuple[Settings, Sequence[PlannedModule]]:
    """The modules; none with a mistake, which a broken profile of ours is as well (`unconfigured.py`)."""
    from scd.composition.plan import plan

    if settings.mistake:
        return settings, ()
    try:
        return settings, plan(settings, os.environ)
    except ConfigError as error:
        if command_line.mode is not Mode.MULTI_SERVER:
            raise
        return replace(settings, mistake=str(error)), ()


def serve(command_line: CommandLine, settings: Settings, doors: Doors) -> int:
    """Greet, and go on until the end; whatever brings it, the socket goes with it."""
    try:
        if doors.stdio:
            os.write(1, GREETING)
        from scd.composition.plan import start_workers

        settings, planned = _planned(command_line, settings)
        start_workers(planned)
        import_asyncio()
        from scd.daemon.app import App

        # A new configuration is looked for where this one was found, whatever the working directory is by then.
        return App(replace(command_line, homedir=settings.home), settings, planned, doors).run()
    finally:
        doors.close()
