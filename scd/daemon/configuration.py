"""The configuration while the daemon runs: read again at SIGHUP, and as long as it is wrong, at each command."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence

from scd import logs, tasks
from scd.composition.build import build_service, warm_up
from scd.composition.plan import PlannedModule, plan, start_workers
from scd.config import CommandLine, ConfigError, Settings, load_settings
from scd.daemon.daemon import Daemon
from scd.token.errors import reason

log = logging.getLogger(__name__)


class Configuration:
    """Reads it again for the daemon. The one that is in force stays until there is a right one."""

    def __init__(self, daemon: Daemon, command_line: CommandLine) -> None:
        self._daemon = daemon
        self._command_line = command_line
        self._one_reading = asyncio.Lock()

    async def read_again(self) -> None:
        """SIGHUP: new configuration, new log file, new workers, and with them no login."""
        async with self._one_reading:
            try:
                settings, planned = self._read()
            except (ConfigError, OSError) as error:
                logs.reopen()
                self._keep(reason(error), again=True)
                await self._daemon.log_out_everywhere()
            else:
                await self._take(settings, planned)
                log.info("configuration read again, all tokens logged out")

    async def mend(self) -> None:
        """As long as it is wrong: see whether it is right by now."""
        async with self._one_reading:
            if not self._daemon.mistake:
                return
            try:
                settings, planned = self._read()
            except (ConfigError, OSError) as error:
                self._keep(reason(error), again=False)
            else:
                await self._take(settings, planned)
                log.info("the configuration is right now")

    def _read(self) -> tuple[Settings, Sequence[PlannedModule]]:
        settings = load_settings(self._command_line, os.environ)
        planned = plan(settings, os.environ)
        start_workers(planned)
        return settings, planned

    def _keep(self, mistake: str, *, again: bool) -> None:
        """`again`: say it even if it was the last thing said."""
        if not self._daemon.mistake:
            log.error("the configuration is kept as it was, because the new one is wrong: %s", mistake)
        elif again or mistake != self._daemon.mistake:
            self._daemon.mistake = mistake
            log_mistake(mistake)

    async def _take(self, settings: Settings, planned: Sequence[PlannedModule]) -> None:
        logs.set_up(settings)
        for warning in settings.warnings:
            log.warning("%s", warning)
        old, self._daemon.service = self._daemon.service, build_service(settings, planned)
        self._daemon.deny_admin = settings.deny_admin
        self._daemon.mistake = ""
        tasks.start("warm_up", warm_up(self._daemon.service))
        await old.catalogue.registry.close()


def log_mistake(mistake: str) -> None:
    """To be said at the start, too."""
    log.error("configuration error: %s; no command is obeyed until it is mended", mistake)
