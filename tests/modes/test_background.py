"""--daemon: behind a socket of its own; a shell, or the program it was started for, is told where."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from scd.daemon.background import announcement, guessed_shell
from tests.harness.assuan_client import connect
from tests.modes.stage import DEADLINE_S, Stage, eventually, is_running, wait_for_end

SH = re.compile(r"SCDAEMON_INFO=(\S+):(\d+):1; export SCDAEMON_INFO;\n")
CSH = re.compile(r"setenv SCDAEMON_INFO (\S+):(\d+):1;\n")


def daemonize(stage: Stage, *options: str, form: re.Pattern[str] = SH, **env: str) -> tuple[Path, int]:
    """Start it, and understand what it prints: the socket and the pid."""
    done = stage.run("--daemon", *options, env=env)
    assert done.returncode == 0, done.stderr
    told = form.fullmatch(done.stdout.decode())
    assert told, done.stdout
    return Path(told[1]), int(told[2])


def kill(path: Path, pid: int) -> None:
    with connect(path) as client:
        assert client.transact("KILLSCD").ok
    wait_for_end(pid)


@pytest.mark.parametrize(
    ("shell", "option", "form"),
    [
        ("/bin/sh", (), SH),
        ("/bin/bash", (), SH),
        ("/usr/bin/tcsh", (), CSH),
        ("/bin/csh", (), CSH),
        ("/bin/csh", ("-s",), SH),
        ("/bin/csh", ("--sh",), SH),
        ("/bin/sh", ("-c",), CSH),
        ("/bin/sh", ("--csh",), CSH),
    ],
)
def test_the_shell_is_told(stage: Stage, shell: str, option: tuple[str, ...], form: re.Pattern[str]) -> None:
    path, pid = daemonize(stage, *option, form=form, SHELL=shell)

    with connect(path) as client:
        assert client.transact("GETINFO pid").data == str(pid).encode()
        assert client.transact("GETINFO socket_name").data == os.fsencode(path)

    kill(path, pid)
    assert stage.folders() == []


def test_without_shell_it_is_sh() -> None:
    assert guessed_shell("") == "sh"


def test_what_is_told_survives_evaluation(stage: Stage) -> None:
    """A path with blanks and signs that a shell understands."""
    odd = stage.root / "a b;$(x)'"
    odd.mkdir()
    script = f'eval "$({shlex.join(_words())} --daemon)"; printf %s "$SCDAEMON_INFO"'
    done = stage.run(env={"TMPDIR": str(odd)}, command=["sh", "-c", script])

    path, pid, _ = done.stdout.decode().rsplit(":", 2)

    assert Path(path).parent.parent == odd
    kill(Path(path), int(pid))


def test_csh_s_form_is_quoted_too() -> None:
    assert announcement("/tmp/a b:1:1", "csh") == "setenv SCDAEMON_INFO '/tmp/a b:1:1';\n"


def test_it_is_detached(stage: Stage) -> None:
    """A session of its own, no terminal, the root as its directory, nobody's pipes."""
    path, pid = daemonize(stage)

    assert os.getsid(pid) == pid
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)} == {"/dev/null"}
    kill(path, pid)


def test_no_detach_stays_in_session_and_directory(stage: Stage) -> None:
    daemon = stage.start("--daemon", "--no-detach", cwd=stage.root)
    assert daemon.process.stdout is not None
    told = SH.fullmatch(daemon.process.stdout.readline().decode())
    assert told
    assert daemon.end() == 0
    pid = int(told[2])

    assert os.getsid(pid) == os.getsid(0)
    assert Path(f"/proc/{pid}/cwd").readlink() == stage.root

    kill(Path(told[1]), pid)
    daemon.hang_up()


def test_relative_names_are_kept_after_the_directory_was_changed(stage: Stage) -> None:
    """GNUPGHOME and TMPDIR may be relative; the configuration is read again from the same place."""
    done = subprocess.run(
        [*_words(), "--daemon"],
        cwd=stage.root, env=stage.env | {"GNUPGHOME": "home", "TMPDIR": "s"},
        stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S,
    )  # fmt: skip
    told = SH.fullmatch(done.stdout.decode())
    assert told, done.stderr
    assert told[1] == str(stage.socket())
    stage.wait_for_log("ready")

    os.kill(int(told[2]), 1)
    stage.wait_for_log("configuration read again")

    stage.wait_for_log("module=none library=", times=2)
    kill(Path(told[1]), int(told[2]))


def test_sigterm_ends_it(stage: Stage) -> None:
    _, pid = daemonize(stage)

    os.kill(pid, 15)  # most likely before its loop runs

    wait_for_end(pid)
    assert stage.folders() == []


def test_a_program_is_told_by_its_environment_and_passes_its_status_on(stage: Stage) -> None:
    done = stage.run("--daemon", "sh", "-c", 'echo "$SCDAEMON_INFO" "$@"; exit 7', "sh", "an", "argument")
    path, pid, _ = done.stdout.decode().split()[0].split(":")

    assert done.returncode == 7
    assert done.stdout.split()[1:] == [b"an", b"argument"]
    assert Path(path).parent.parent == stage.sockets
    wait_for_end_if_alive(int(pid))
    assert stage.folders() == []


def test_a_program_may_use_it(stage: Stage) -> None:
    talk = (
        "import os, socket; path = os.environ['SCDAEMON_INFO'].rsplit(':', 2)[0]; "
        "peer = socket.socket(socket.AF_UNIX); peer.connect(path); print(peer.makefile().readline())"
    )
    done = stage.run("--daemon", "--", _words()[0] if len(_words()) > 1 else "python3", "-c", talk)

    assert done.stdout.startswith(b"OK ")


def test_the_daemon_ends_with_the_program_when_the_clients_are_done(stage: Stage) -> None:
    daemon = stage.start("--daemon", "sh", "-c", 'echo "$SCDAEMON_INFO"; read line; exit 3')
    assert daemon.process.stdout is not None
    path, pid, _ = daemon.process.stdout.readline().decode().split(":")
    with connect(Path(path)) as client:
        daemon.hang_up()
        assert daemon.end() == 3
        eventually(lambda: stage.folders() == [], "the socket gone")

        assert client.transact("NOP").ok
        assert is_running(int(pid))

    wait_for_end_if_alive(int(pid))


def test_a_program_starts_with_the_signals_as_usual(stage: Stage) -> None:
    """A pipe's end would not end it otherwise: Python ignores SIGPIPE."""
    done = stage.run("--daemon", "grep", "^Sig[BI]", "/proc/self/status")

    ours = {signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM}
    inherited = {number for number in ours if signal.getsignal(number) is signal.SIG_IGN}  # SIGHUP under nohup
    mask = sum(1 << number - 1 for number in {signal.SIGPIPE} | ours - inherited)
    assert [int(line.split()[1], 16) & mask for line in done.stdout.splitlines()] == [0, 0]


def test_an_unknown_program_leaves_no_daemon(stage: Stage) -> None:
    done = stage.run("--daemon", "no-such-program")

    assert done.returncode == 2
    assert done.stderr.decode() == "scd: cannot run no-such-program: No such file or directory\n"
    assert stage.folders() == []


def wait_for_end_if_alive(pid: int) -> None:
    """As `wait_for_end`, for one that may have been reaped already."""
    if is_running(pid):
        wait_for_end(pid)


def _words() -> list[str]:
    from tests.harness.gnupg import scd_command

    return scd_command()
