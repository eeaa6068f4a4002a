"""From the command line to the greeting: all that must be quick, before asyncio is imported.

gpg-agent waits for the greeting under a lock, so it comes as soon as options, configuration and socket are in order;
worker processes start next, and load their modules while this process imports the rest.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping

from scd.assuan import lines
from scd.config import CommandLine, ConfigError, Mode, Settings, load_settings, parse_command_line
from scd.daemon.socketdir import SocketFolder

GREETING = lines.ok("PKCS#11 smart-card server for GnuPG ready")
_SUPERVISED_FD = 3


def run(argv: list[str]) -> int:
    """Do what the command line says; returns the exit status: 0, or 2 for a wrong command line or configuration."""
    try:
        command_line = parse_command_line(argv)
        informed = _inform(command_line)
        if informed is not None:
            return informed
        settings = load_settings(command_line, os.environ)
    except ConfigError as error:
        return _fail(str(error))
    for warning in (*command_line.warnings, *settings.warnings):
        _say(warning)
    if command_line.debug_wait:
        _say(f"waiting for a debugger, pid is {os.getpid()}")
        time.sleep(command_line.debug_wait)
    try:
        return _MODES[command_line.mode](command_line, settings, os.environ)
    except OSError as error:
        return _fail(str(error))


def _inform(command_line: CommandLine) -> int | None:
    """The modes that only print; None for the others."""
    mode = command_line.mode
    if mode in _MODES:
        return None
    if mode is Mode.NONE:
        return _fail("no mode given: gpg-agent uses --multi-server; --help lists all")
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
    sys.stdout.write(texts[mode]())
    return 0


def _tested(settings: Settings) -> str:
    """--gpgconf-test: errors have ended it before; warnings go where gpgconf reads them."""
    for warning in settings.warnings:
        _say(warning)
    return ""


def _server(command_line: CommandLine, settings: Settings, environ: Mapping[str, str]) -> int:
    return _serve(command_line, settings, environ, None, stdio=True)


def _multi_server(command_line: CommandLine, settings: Settings, environ: Mapping[str, str]) -> int:
    folder = _socket_folder(command_line, settings, environ)
    return _serve(command_line, settings, environ, folder, stdio=True)


def _supervised(command_line: CommandLine, settings: Settings, environ: Mapping[str, str]) -> int:
    """systemd's protocol: the listening socket is descriptor 3 (sd_listen_fds(3))."""
    if environ.get("LISTEN_PID", str(os.getpid())) != str(os.getpid()):
        return _fail("--supervised: LISTEN_PID names another process; start scd by a systemd socket unit")
    try:
        listener = socket.socket(fileno=_SUPERVISED_FD)
        name = listener.getsockname()
    except OSError as error:
        return _fail(f"--supervised: no listening socket on descriptor 3 ({error}); start scd by a systemd socket unit")
    os.set_inheritable(_SUPERVISED_FD, False)
    path = os.path.join(os.getcwd(), os.fsdecode(name))
    return _enter(command_line, settings, environ, listener, path, stdio=False)


def _daemon(command_line: CommandLine, settings: Settings, environ: Mapping[str, str]) -> int:
    folder = _socket_folder(command_line, settings, environ)
    sys.stdout.flush()
    caller = os.getpid()
    child = os.fork()
    if child:
        folder.abandon()
        return _announce(command_line, folder.path, child)
    if not command_line.no_detach:
        _detach()
    watched = caller if command_line.program else None
    return _serve(command_line, settings, environ, folder, stdio=False, watched=watched)


def _announce(command_line: CommandLine, path: str, pid: int) -> int:
    """Tell the shell, or the program we become, where the daemon is (SCDAEMON_INFO of GnuPG 2.0)."""
    info = f"{path}:{pid}:1"
    if command_line.program:
        os.environ["SCDAEMON_INFO"] = info
        try:
            os.execvp(command_line.program[0], command_line.program)
        except OSError as error:
            os.kill(pid, signal.SIGTERM)
            return _fail(f"cannot run {command_line.program[0]}: {error.strerror}")
    shell = command_line.shell or ("csh" if os.environ.get("SHELL", "").endswith("csh") else "sh")
    form = "setenv SCDAEMON_INFO {};" if shell == "csh" else "SCDAEMON_INFO={}; export SCDAEMON_INFO;"
    print(form.format(info))  # noqa: T201  # the one answer of this mode
    return 0


def _detach() -> None:
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if null > 2:
        os.close(null)


def _socket_folder(command_line: CommandLine, settings: Settings, environ: Mapping[str, str]) -> SocketFolder:
    return SocketFolder(environ, backlog=settings.listen_backlog, everyone=command_line.uid_acl is not None)


def _serve(
    command_line: CommandLine, settings: Settings, environ: Mapping[str, str], folder: SocketFolder | None,
    *, stdio: bool, watched: int | None = None,
) -> int:  # fmt: skip
    """As `_enter`, and whatever ends it, the socket goes."""
    try:
        listener, path = (folder.listener, folder.path) if folder else (None, None)
        return _enter(command_line, settings, environ, listener, path, stdio=stdio, watched=watched)
    finally:
        if folder is not None:
            folder.remove()


def _enter(
    command_line: CommandLine, settings: Settings, environ: Mapping[str, str],
    listener: socket.socket | None, path: str | None, *, stdio: bool, watched: int | None = None,
) -> int:  # fmt: skip
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end_early)
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # until the loop listens to them, and SIGUSR2 for good
    if stdio:
        os.write(1, GREETING)
    from scd.daemon.assemble import plan, start_workers

    planned = plan(settings, environ)
    start_workers(planned)
    from scd.daemon.app import App

    return App(command_line, settings, planned, listener, path, stdio=stdio, watched=watched).run()


def _end_early(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _say(text: str) -> None:
    print(f"scd: {text}", file=sys.stderr)  # noqa: T201  # the log is not open yet


def _fail(text: str) -> int:
    _say(text)
    return 2


_MODES = {
    Mode.SERVER: _server,
    Mode.MULTI_SERVER: _multi_server,
    Mode.SUPERVISED: _supervised,
    Mode.DAEMON: _daemon,
}
