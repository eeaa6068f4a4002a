"""--supervised: the listening socket comes from systemd as descriptor 3, and stays systemd's."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.assuan_client import connect
from tests.harness.gnupg import scd_command
from tests.modes.stage import DEADLINE_S, Running, Stage, eventually

# The shell moves what it was given as standard input to where systemd puts it.
HANDED = 'exec 3<&0 </dev/null; [ -z "$LISTEN_FDS" ] || export LISTEN_PID=${LISTEN_PID:-$$}; exec "$0" "$@"'


@pytest.fixture
def listener(stage: Stage) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(stage.root / "S.given"))
        made.listen()
        yield made


def hand(stage: Stage, given: socket.socket, **env: str) -> Running:
    """Start scd as systemd does; LISTEN_PID is right unless `env` says otherwise."""
    return stage.start(
        "--supervised", command=["sh", "-c", HANDED, *scd_command()], cwd=stage.root,
        env={"LISTEN_FDS": "1"} | env, stdin=given, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def test_clients_are_served_and_the_socket_stays(stage: Stage, listener: socket.socket) -> None:
    daemon = hand(stage, listener)
    path = Path(listener.getsockname())

    with connect(path) as client, connect(path) as other:
        assert client.transact("GETINFO socket_name").data == os.fsencode(path)
        assert client.transact("GETINFO pid").data == str(daemon.pid).encode()
        assert other.transact("NOP").ok
        assert client.transact("KILLSCD").ok

    assert daemon.end() == 0
    assert path.is_socket()
    assert stage.folders() == []


def test_it_goes_on_without_clients(stage: Stage, listener: socket.socket) -> None:
    daemon = hand(stage, listener)
    for _ in range(2):
        with connect(Path(listener.getsockname())) as client:
            assert client.transact("NOP").ok
    daemon.signal(15)

    assert daemon.end() == 0


def test_a_client_that_waited_is_served_by_the_next_start(stage: Stage, listener: socket.socket) -> None:
    """What socket activation is for."""
    path = Path(listener.getsockname())
    first = hand(stage, listener)
    with connect(path) as client:
        assert client.transact("KILLSCD").ok
    assert first.end() == 0
    with socket.socket(socket.AF_UNIX) as early:
        early.settimeout(DEADLINE_S)
        early.connect(str(path))
        second = hand(stage, listener)

        assert early.recv(3) == b"OK "

    second.signal(15)
    assert second.end() == 0


def test_workers_are_not_told_of_the_socket(stage: Stage, listener: socket.socket) -> None:
    daemon = hand(stage, listener, LISTEN_FDNAMES="scd")
    with connect(Path(listener.getsockname())) as client:
        workers = eventually(daemon.workers, "a worker")
        for worker in workers:
            assert b"LISTEN_" not in _environment(worker)
        assert client.transact("KILLSCD").ok
    assert daemon.end() == 0


def test_another_process_was_meant(stage: Stage, listener: socket.socket) -> None:
    daemon = hand(stage, listener, LISTEN_PID="1")

    assert daemon.end() == 2
    assert "LISTEN_PID is 1" in stage.said


def test_too_many_sockets_are_refused(stage: Stage, listener: socket.socket) -> None:
    daemon = hand(stage, listener, LISTEN_FDS="2")

    assert daemon.end() == 2
    assert "LISTEN_FDS is 2; give scd one socket" in stage.said


def test_a_supervisor_without_variables_will_do(stage: Stage, listener: socket.socket) -> None:
    daemon = hand(stage, listener, LISTEN_FDS="")
    with connect(Path(listener.getsockname())) as client:
        assert client.transact("KILLSCD").ok
    assert daemon.end() == 0


def test_without_descriptor_3(stage: Stage) -> None:
    done = stage.run("--supervised")

    assert done.returncode == 2
    assert b"descriptor 3 is no socket" in done.stderr


def test_what_does_not_listen_is_refused(stage: Stage) -> None:
    with socket.socket(socket.AF_UNIX) as idle:
        assert hand(stage, idle).end() == 2
    assert "no listening UNIX stream socket" in stage.said


def test_the_network_is_refused(stage: Stage) -> None:
    """There is no telling who is at the other end."""
    with socket.create_server(("127.0.0.1", 0)) as open_to_all:
        assert hand(stage, open_to_all).end() == 2
    assert "no listening UNIX stream socket" in stage.said


def test_an_abstract_socket_has_no_name_to_tell(stage: Stage) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"\0scd-test-{os.getpid()}")
        made.listen()
        daemon = hand(stage, made)
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(DEADLINE_S)
            peer.connect(made.getsockname())
            stream = peer.makefile("rwb")
            assert stream.readline().startswith(b"OK ")
            stream.write(b"GETINFO socket_name\nKILLSCD\n")
            stream.flush()
            assert stream.readline().startswith(b"ERR 100663354 ")
        assert daemon.end() == 0


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except PermissionError:
        pytest.skip("a worker is closed to everybody but root")
