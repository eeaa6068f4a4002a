"""From the command line to the greeting: all that must be quick, before asyncio is imported.

gpg-agent waits for the greeting under a lock, so it comes as soon as options, configuration and socket are in order;
worker processes start next, and load their modules while this process imports the rest.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from scd.config import CommandLine, ConfigError, Mode, Settings, load_settings, parse_command_line, settings_despite
from scd.daemon.console import fail, say, write
from scd.daemon.doors import OBEYED, Doors
from scd.daemon.serving import serve, socket_folder
from scd.token.errors import reason


def run(argv: list[str]) -> int:
    """Do what the command line says; returns the exit status: 0, or 2 for a wrong command line or configuration."""
    _open_standard_streams()
    try:
        command_line = parse_command_line(argv)
        informed = _inform(command_line)
        if informed is not None:
            return informed
        settings = _settings(command_line)
        if command_line.debug_wait:
            say(f"waiting for a debugger, pid is {os.getpid()}")
            time.sleep(command_line.debug_wait)
        signal.pthread_sigmask(signal.SIG_BLOCK, OBEYED)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        return _MODES[command_line.mode](command_line, settings)
    except (ConfigError, OSError) as error:
        return fail(reason(error))


def _settings(command_line: CommandLine) -> Settings:
    """A wrong configuration is the end, but not of what gpg-agent started (`unconfigured.py`)."""
    try:
        return load_settings(command_line, os.environ)
    except ConfigError as mistake:
        if command_line.mode is not Mode.MULTI_SERVER:
            raise
        return settings_despite(mistake, command_line, os.environ)


def _open_standard_streams() -> None:
    """A socket must not become descriptor 0, 1 or 2 because we were started without."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        os.set_inheritable(descriptor, True)
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)


def _inform(command_line: CommandLine) -> int | None:
    """The modes that only print; None for the others."""
    mode = command_line.mode
    if mode in _MODES:
        return None
    if mode is Mode.NONE:
        return fail("no mode given: gpg-agent uses --multi-server; --help lists all")
    from scd.config import describe

    texts: dict[Mode, Callable[[], str]] = {
        Mode.HELP: describe.help_text,
        Mode.VERSION: describe.version_text,
        Mode.DUMP_OPTIONS: describe.dump_options,
        Mode.DUMP_OPTION_TABLE: describe.dump_option_table,
        Mode.DEBUG_HELP: describe.debug_help,
        Mode.GPGCONF_LIST: lambda: describe.gpgconf_list(load_settings(command_line, os.environ)),
        Mode.GPGCONF_TEST: lambda: _tested(load_settings(command_line, os.environ)),
    }
    write(1, texts[mode]())
    return 0


def _tested(settings: Settings) -> str:
    """--gpgconf-test: errors have ended it before; warnings go where gpgconf reads them."""
    warnings = list(settings.warnings)
    if settings.openpgp_sign or settings.openpgp_encr or settings.openpgp_auth:
        from scd.daemon.selftest import keygrip_warnings

        warnings += keygrip_warnings(settings, os.environ)
    for warning in warnings:
        say(warning)
    return ""


def _server(command_line: CommandLine, settings: Settings) -> int:
    return serve(command_line, settings, Doors(stdio=True))


def _multi_server(command_line: CommandLine, settings: Settings) -> int:
    return serve(command_line, settings, Doors.in_folder(socket_folder(command_line, settings), stdio=True))


def _supervised(command_line: CommandLine, settings: Settings) -> int:
    from scd.daemon.supervised import handed_over

    return serve(command_line, settings, handed_over())


def _daemon(command_line: CommandLine, settings: Settings) -> int:
    from scd.daemon.background import go_to_background

    return go_to_background(command_line, settings)


_MODES: dict[Mode, Callable[[CommandLine, Settings], int]] = {
    Mode.SERVER: _server,
    Mode.MULTI_SERVER: _multi_server,
    Mode.SUPERVISED: _supervised,
    Mode.DAEMON: _daemon,
}
