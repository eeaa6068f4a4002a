"""--server: one client, at standard input and output, whatever these are."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest

from scd.assuan import lines
from scd.daemon.doors import GREETING
from tests.harness.assuan_client import AssuanClient
from tests.modes.stage import DEADLINE_S, Stage, eventually

NO_DATA = 58
COMMANDS = b"NOP\nGETINFO version\nBYE\n"
ANSWERS = GREETING + b"OK\nD 99.0\nOK\nOK closing connection\n"
BOTH = pytest.mark.parametrize("mode", ["--server", "--multi-server"])


def test_the_greeting_is_a_line_of_the_protocol() -> None:
    assert lines.ok("PKCS#11 smart-card server for GnuPG ready") == GREETING


def test_there_is_no_socket(stage: Stage) -> None:
    daemon = stage.start("--server")
    client = daemon.greeted()

    assert client.transact("GETINFO socket_name").code == NO_DATA
    assert stage.folders() == []

    daemon.hang_up()
    assert daemon.end() == 0


@BOTH
def test_stdin_is_a_pipe(stage: Stage, mode: str) -> None:
    daemon = stage.start(mode)

    out, _ = daemon.process.communicate(COMMANDS, timeout=DEADLINE_S)

    assert out == ANSWERS
    assert daemon.end() == 0
    assert stage.folders() == []


@BOTH
def test_stdin_is_a_regular_file(stage: Stage, mode: str) -> None:
    commands = stage.root / "commands"
    commands.write_bytes(COMMANDS)
    with commands.open("rb") as stdin:
        daemon = stage.start(mode, stdin=stdin)

    out, _ = daemon.process.communicate(timeout=DEADLINE_S)

    assert out == ANSWERS
    assert daemon.end() == 0


@BOTH
def test_stdin_is_dev_null(stage: Stage, mode: str) -> None:
    daemon = stage.start(mode, stdin=subprocess.DEVNULL)

    out, _ = daemon.process.communicate(timeout=DEADLINE_S)

    assert out == GREETING
    assert daemon.end() == 0
    assert stage.folders() == []


@BOTH
def test_stdin_and_stdout_are_one_socket(stage: Stage, mode: str) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            daemon = stage.start(mode, stdin=theirs, stdout=theirs)
        client = AssuanClient(ours.fileno(), ours.fileno(), DEADLINE_S)

        assert client.transact("GETINFO version").data == b"99.0"

    assert daemon.end() == 0


def test_stdin_is_a_terminal(stage: Stage) -> None:
    """A person who looks what the daemon says."""
    ours, theirs = os.openpty()
    daemon = stage.start("--server", stdin=theirs)
    os.close(theirs)
    os.write(ours, COMMANDS)

    out, _ = daemon.process.communicate(timeout=DEADLINE_S)

    os.close(ours)
    assert out == ANSWERS


def test_stdout_is_a_regular_file(stage: Stage) -> None:
    with (stage.root / "out").open("wb") as out:
        daemon = stage.start("--server", stdout=out)

    daemon.process.communicate(COMMANDS, timeout=DEADLINE_S)

    assert (stage.root / "out").read_bytes() == ANSWERS


@BOTH
def test_nobody_reads_the_greeting(stage: Stage, mode: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    daemon = stage.start(mode, stdout=writing)
    os.close(writing)

    assert daemon.end() == 2
    assert "Broken pipe" in stage.said
    assert stage.folders() == []
    daemon.hang_up()


@BOTH
def test_the_reader_of_the_answers_goes(stage: Stage, mode: str) -> None:
    """It writes on, and that is the end of the connection."""
    daemon = stage.start(mode)
    daemon.ready()
    assert daemon.process.stdin is not None
    assert daemon.process.stdout is not None
    daemon.process.stdout.close()

    daemon.process.stdin.write(b"GETINFO version\n")
    daemon.process.stdin.flush()

    assert daemon.end() == 0
    assert stage.folders() == []
    daemon.hang_up()


@pytest.mark.parametrize("missing", ["0<&-", "1>&-", "0<&- 1>&-", "0<&- 1>&- 2>&-"])
def test_standard_streams_are_missing(stage: Stage, missing: str) -> None:
    """The socket's descriptors must not be taken for them; without input it is over at once."""
    daemon = stage.run("--multi-server", command=["sh", "-c", f'exec "$0" "$@" {missing}', *_words()])

    assert daemon.returncode == 0
    assert stage.folders() == []


def test_without_stderr_messages_do_not_come_out_at_stdout(stage: Stage) -> None:
    (stage.home / "scd.conf").write_text("no-such-option\n")
    daemon = stage.run("--server", command=["sh", "-c", 'exec "$0" "$@" 2>&-', *_words()])

    assert daemon.returncode == 2
    assert daemon.stdout == b""


def test_a_client_that_sends_much_at_once_is_answered_in_order(stage: Stage) -> None:
    daemon = stage.start("--server")
    many = b"".join(b"OPTION event-signal=%d\nGETINFO version\n" % (n % 65) for n in range(2000))

    out, _ = daemon.process.communicate(many, timeout=DEADLINE_S)

    assert out == GREETING + b"OK\nD 99.0\nOK\n" * 2000


def test_the_end_of_input_in_the_middle_of_a_line(stage: Stage) -> None:
    daemon = stage.start("--server")

    out, _ = daemon.process.communicate(b"NOP\nGETINFO vers", timeout=DEADLINE_S)

    assert out.startswith(GREETING + b"OK\n")
    assert daemon.end() == 0


def test_gpg_agent_s_start(stage: Stage) -> None:
    """Reference 1.2: GETINFO socket_name, then the signal it wants."""
    daemon = stage.start("--multi-server", "--homedir", str(stage.home))
    client = daemon.greeted()

    name = client.transact("GETINFO socket_name").data

    assert os.fsdecode(name) == str(eventually(stage.socket, "a socket"))
    assert client.transact("OPTION event-signal=12").ok
    daemon.hang_up()
    assert daemon.end() == 0


def _words() -> list[str]:
    from tests.harness.gnupg import scd_command

    return scd_command()
