"""Options on a running program: what only prints, where things are found, what the log shows."""

from __future__ import annotations

import os
import select
import signal
import socket
import stat
from pathlib import Path

import pytest

from scd import __version__
from tests.modes.stage import DEADLINE_S, NO_MODULE, Stage, eventually


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        ("--version", f"scd (PKCS#11 smart-card daemon for GnuPG) {__version__}\n"),
        ("--help", "\n     --multi-server "),
        ("-h", "\n     --supervised "),
        ("--dump-options", "--multi-server\n"),
        ("--dump-option-table", "Monitor:1:512:"),
        ("--gpgconf-list", "listen-backlog:16:64:\n"),
        ("--gpgconf-test", ""),
    ],
)
def test_some_options_only_print(stage: Stage, option: str, shown: str) -> None:
    stage.configure("")
    done = stage.run(option)

    assert done.returncode == 0
    assert shown in done.stdout.decode()
    assert done.stderr == b""
    assert stage.folders() == []


def test_the_debug_flags_are_listed(stage: Stage) -> None:
    done = stage.run("--debug", "help")

    assert done.returncode == 0
    assert b" 1024 ipc\n" in done.stdout


def test_gpgconf_test_shows_file_and_line(stage: Stage) -> None:
    (stage.home / "scd.conf").write_text("verbose\nno-such-option\n")

    done = stage.run("--gpgconf-test")

    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"scd: {stage.home}/scd.conf:2: ")


@pytest.mark.parametrize("mode", ["--server", "--daemon", "--supervised"])
def test_a_wrong_configuration_starts_nothing(stage: Stage, mode: str) -> None:
    (stage.home / "scd.conf").write_text("no-such-option\n")

    done = stage.run(mode)

    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode().startswith(f"scd: {stage.home}/scd.conf:1: ")
    assert stage.folders() == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "no mode given: gpg-agent uses --multi-server"),
        (("--multi-serve-r",), "unknown option '--multi-serve-r'"),
        (("--server", "--options", "/nonexistent.conf"), "/nonexistent.conf"),
        (("--server", "--homedir"), "needs a value"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(stage: Stage, arguments: tuple[str, ...], text: str) -> None:
    done = stage.run(*arguments)

    assert done.returncode == 2
    assert text in done.stderr.decode()


def test_homedir_wins_over_the_environment(stage: Stage) -> None:
    home = stage.root / "other home"
    home.mkdir()
    (home / "scd.conf").write_text("log-file own.log\nverbose\n" + NO_MODULE)

    stage.run("--server", "--homedir", str(home), env={"GNUPGHOME": "/nonexistent"})

    assert "ready" in (home / "own.log").read_text()


def test_gnupghome_names_the_home(stage: Stage) -> None:
    stage.run("--server")

    assert "ready" in stage.logged


def test_without_gnupghome_it_is_the_usual_place(stage: Stage) -> None:
    stage.home.rename(stage.root / ".gnupg")

    stage.run("--server", env={"GNUPGHOME": None})

    assert "ready" in stage.logged


def test_an_options_file_takes_the_place_of_the_home_s(stage: Stage) -> None:
    (stage.root / "my.conf").write_text(f"verbose\nlog-file {stage.root}/my.log\n{NO_MODULE}")

    stage.run("--server", "--options", str(stage.root / "my.conf"))

    assert "ready" in (stage.root / "my.log").read_text()
    assert stage.logged == ""


def test_the_log_file_is_private(stage: Stage) -> None:
    log = stage.root / "private.log"

    stage.run("--server", "-v", "--log-file", str(log))

    assert "ready" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_the_log_may_go_to_a_socket(stage: Stage) -> None:
    """As watchgnupg listens."""
    path = stage.root / "S.log"
    with socket.socket(socket.AF_UNIX) as watch:
        watch.bind(str(path))
        watch.listen()
        watch.settimeout(DEADLINE_S)
        stage.run("--server", "-v", "--log-file", f"socket://{path}")
        reader, _ = watch.accept()
        with reader, reader.makefile() as lines:
            assert "ready" in lines.read()


def test_a_log_that_cannot_be_written_stops_nothing(stage: Stage) -> None:
    done = stage.run("--server", "--log-file", "/nonexistent/log")

    assert done.returncode == 0
    assert b"cannot write the log file '/nonexistent/log'" in done.stderr


@pytest.mark.parametrize(
    ("options", "shown", "hidden"),
    [
        (("--no-options",), "", "ready"),
        (("--no-options", "--verbose"), "ready", "<- "),
        (("--no-options", "-vv"), "ready", "<- "),
        (("--no-options", "--debug", "ipc"), "<- NOP", ""),
        (("--no-options", "--debug", "1024"), "<- NOP", ""),
        (("--no-options", "--debug", "0x400"), "<- NOP", ""),
        (("--no-options", "--debug-all"), "<- NOP", ""),
        (("--no-options", "--debug-level", "basic"), "<- NOP", ""),
        (("--no-options", "--debug-level", "3"), "<- NOP", ""),
        (("--no-options", "--debug-level", "none"), "", "ready"),
        (("--no-options", "--debug", "mpi"), "ready", "<- "),
        (("--no-options", "--quiet", "--debug", "nonsense"), "", "nonsense"),
        (("--no-options", "--debug", "nonsense"), "unknown debug flag 'nonsense'", ""),
        (("--no-options", "--pcsc-driver", "x"), "option 'pcsc-driver' has no effect here", ""),
    ],
)
def test_how_much_is_logged(stage: Stage, options: tuple[str, ...], shown: str, hidden: str) -> None:
    """Without a log file it goes to stderr."""
    module = ("--providers", "none", "--provider-none-library", "/nonexistent/none.so")
    daemon = stage.start("--server", *options, *module)
    out, _ = daemon.process.communicate(b"NOP\n", timeout=DEADLINE_S)

    assert out.endswith(b"\nOK\n")
    assert shown in stage.said
    assert not hidden or hidden not in stage.said


def test_warnings_are_in_the_log_file(stage: Stage) -> None:
    """gpg-agent sends our stderr to /dev/null."""
    stage.configure(NO_MODULE + "card-timeout 5\n")

    done = stage.run("--server", "--disable-ccid")

    assert "option 'disable-ccid' has no effect here" in stage.logged
    assert "option 'card-timeout' has no effect here" in stage.logged
    assert done.stderr == b""


def test_debug_wait_says_who_waits(stage: Stage) -> None:
    """It waits before the greeting, and can be ended meanwhile."""
    daemon = stage.start("--multi-server", "--debug-wait", "600")
    eventually(lambda: f"waiting for a debugger, pid is {daemon.pid}\n" in stage.said, "the message")
    assert daemon.process.stdout is not None

    assert not select.select([daemon.process.stdout], [], [], 0)[0]
    assert stage.folders() == []

    daemon.signal(signal.SIGTERM)
    assert daemon.end() == -signal.SIGTERM


def test_after_debug_wait_it_goes_on(stage: Stage) -> None:
    daemon = stage.start("--multi-server", "--debug-wait", "1")

    assert daemon.ready().greeting.startswith("OK ")

    daemon.hang_up()
    assert daemon.end() == 0


def test_listen_backlog_limits_those_who_wait(stage: Stage) -> None:
    """Nobody accepts while the daemon is stopped; the kernel lets in one more than asked for (listen(2), Linux)."""
    daemon = stage.start("--multi-server", "--listen-backlog", "3")
    daemon.ready()
    path = str(stage.socket())
    daemon.signal(signal.SIGSTOP)
    eventually(lambda: "\nState:\tT" in Path(f"/proc/{daemon.pid}/status").read_text(), "the daemon stopped")
    peers = [socket.socket(socket.AF_UNIX) for _ in range(8)]
    for peer in peers:
        peer.setblocking(False)
    try:
        refused = [os.strerror(code) for peer in peers if (code := peer.connect_ex(path))]
    finally:
        for peer in peers:
            peer.close()
    daemon.signal(signal.SIGCONT)

    assert refused == ["Resource temporarily unavailable"] * 4
    daemon.hang_up()
    assert daemon.end() == 0
