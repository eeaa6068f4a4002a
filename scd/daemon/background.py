"""--daemon: a socket, a process of its own behind it, and whoever started us is told where it is."""

from __future__ import annotations

import os
import shlex
import signal

from scd.config import CommandLine, Settings
from scd.daemon.console import fail, write
from scd.daemon.doors import OBEYED, Doors
from scd.daemon.serving import serve, socket_folder

VARIABLE = "SCDAEMON_INFO"


def go_to_background(command_line: CommandLine, settings: Settings) -> int:
    """In the daemon: serve, and give the exit status. In the caller: announce it, or become PROGRAM."""
    program = os.pidfd_open(os.getpid()) if command_line.program else None
    folder = socket_folder(command_line, settings)
    try:
        pid = os.fork()
    except OSError:
        folder.remove()
        raise
    if pid:
        folder.abandon()
        info = f"{folder.path}:{pid}:1"
        if command_line.program:
            return _become(command_line.program, info, pid)
        write(1, announcement(info, command_line.shell or guessed_shell(os.environ.get("SHELL", ""))))
        return 0
    if not command_line.no_detach:
        _detach()
    return serve(command_line, settings, Doors.in_folder(folder, program=program))


def announcement(info: str, shell: str) -> str:
    """What a shell can evaluate (scd/scdaemon.c, 2.2): `info` is socket, pid and protocol version, with colons."""
    quoted = shlex.quote(info)
    if shell == "csh":
        return f"setenv {VARIABLE} {quoted};\n"
    return f"{VARIABLE}={quoted}; export {VARIABLE};\n"


def guessed_shell(path: str) -> str:
    """`csh` for that and its relatives, such as tcsh."""
    return "csh" if path.endswith("csh") else "sh"


def _become(program: tuple[str, ...], info: str, daemon: int) -> int:
    """Does not return, unless PROGRAM cannot be run: then the daemon goes, too."""
    os.environ[VARIABLE] = info
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGUSR2, signal.SIGINT):  # of Python's and our making
        signal.signal(number, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, OBEYED)
    try:
        os.execvp(program[0], program)
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.kill(daemon, signal.SIGTERM)
        os.waitpid(daemon, 0)
        return fail(f"cannot run {program[0]}: {error.strerror}")


def _detach() -> None:
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
