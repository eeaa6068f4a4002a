"""--multi-server: gpg-agent's client at the pipe and others at the socket, at once."""

from __future__ import annotations

import fcntl
import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

import pytest

from tests.harness.assuan_client import AssuanClient, NoAnswer, connect
from tests.modes.stage import DEADLINE_S, Running, Stage, eventually

STUCK_MS = 300


def test_pipe_and_sockets_are_served_at_once(stage: Stage) -> None:
    daemon = stage.start("--multi-server")
    pipe = daemon.greeted()
    with ExitStack() as stack:
        clients = [pipe, *(stack.enter_context(daemon.connected()) for _ in range(3))]
        for client in clients:
            client.send_raw(b"GETINFO connections\n")

        assert [client.read_reply().data for client in clients] == [b"4"] * 4

    daemon.hang_up()
    assert daemon.end() == 0
    assert stage.folders() == []


def test_a_socket_client_that_leaves_changes_nothing_for_the_others(stage: Stage) -> None:
    daemon = stage.start("--multi-server")
    pipe = daemon.greeted()
    with daemon.connected() as staying:
        with daemon.connected():
            pass
        eventually(lambda: pipe.transact("GETINFO connections").data == b"2", "the other client gone")
        assert staying.transact("NOP").ok
    daemon.hang_up()
    assert daemon.end() == 0


@pytest.mark.parametrize("goodbye", [b"", b"BYE\n"])
def test_the_pipe_s_end_is_the_daemon_s_when_the_others_are_done(stage: Stage, goodbye: bytes) -> None:
    """Reference 1.3: EOF on the pipe means that the agent is gone; other connections are finished first."""
    daemon = stage.start("--multi-server")
    pipe = daemon.greeted()
    path = stage.socket()
    with daemon.connected() as client:
        if goodbye:
            assert pipe.transact("BYE").ok
        else:
            daemon.hang_up()
        eventually(lambda: stage.folders() == [], "no way in any more")

        eventually(lambda: client.transact("GETINFO connections").data == b"1", "the pipe gone")
        with pytest.raises(FileNotFoundError), connect(path):
            pass

    assert daemon.end() == 0
    daemon.hang_up()


def test_killscd_from_a_socket_ends_everything(stage: Stage) -> None:
    daemon = stage.start("--multi-server")
    pipe = daemon.greeted()
    with daemon.connected() as client, daemon.connected() as third:
        reply = client.transact("killscd")

        assert reply.ok
        assert daemon.end() == 0
        for other in (pipe, third):
            with pytest.raises(NoAnswer):
                other.read_line()
    assert stage.folders() == []
    daemon.hang_up()


def test_more_connections_than_descriptors(stage: Stage) -> None:
    """Those who are in work on; those who are too many wait, and come in when others leave."""
    daemon = stage.start("--multi-server", preexec_fn=lambda: _limit_descriptors(24))
    pipe = daemon.ready()
    path = str(stage.socket())
    with ExitStack() as stack:
        peers = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(24)]
        for peer in peers:
            peer.connect(path)
        stage.wait_for_log("op=accept result=")

        assert pipe.transact("GETINFO version").data == b"99.0"
    with daemon.connected() as late:
        assert late.transact("NOP").ok
    daemon.hang_up()
    assert daemon.end() == 0


def test_a_socket_client_that_never_reads_blocks_nobody(token_stage: Stage) -> None:
    daemon = token_stage.start("--multi-server")
    pipe = daemon.ready()
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(token_stage.socket()))
        fill(deaf.fileno(), b"LEARN --force\n" * 50)

        assert pipe.transact("LEARN --force").ok
        with daemon.connected() as client:
            assert client.transact("LEARN --force").ok
        eventually(lambda: pipe.transact("GETINFO connections").data == b"2", "one client gone")
        daemon.signal(15)
        token_stage.wait_for_log("SIGTERM received: 2 clients")
        daemon.hang_up()
    assert daemon.end() == 0


@pytest.mark.parametrize("streams", ["pipe", "socket"])
def test_a_pipe_client_that_never_reads_blocks_nobody(token_stage: Stage, streams: str) -> None:
    with _deaf_start(token_stage, streams) as (daemon, write_fd, stop):
        fill(write_fd, b"LEARN --force\n" * 50)

        with daemon.connected() as client:
            assert client.transact("LEARN --force").ok
        stop()
        assert daemon.end() == 0


@pytest.mark.parametrize("streams", ["pipe", "socket"])
def test_a_pipe_client_that_never_reads_does_not_keep_it_alive(token_stage: Stage, streams: str) -> None:
    with _deaf_start(token_stage, streams) as (daemon, write_fd, _):
        fill(write_fd, b"LEARN --force\n" * 50)
        daemon.signal(2)

        assert daemon.end() == 0
        assert token_stage.folders() == []


def test_a_client_that_floods_leaves_the_others_their_turn(stage: Stage) -> None:
    """Its input never runs dry, and it reads; the others are answered all the same."""
    daemon = stage.start("--multi-server")
    pipe = daemon.ready()
    with socket.socket(socket.AF_UNIX) as flooding:
        flooding.connect(str(stage.socket()))
        flooding.setblocking(False)
        with _pumping(flooding) as pump:
            for _ in range(20):
                pipe.send_raw(b"NOP\n")
                pump(daemon.process.stdout)
                assert pipe.read_reply().ok
    daemon.hang_up()
    assert daemon.end() == 0


def fill(descriptor: int, chunk: bytes) -> None:
    """Write until the other side takes no more, since it waits for us to read."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    while poll.poll(STUCK_MS):
        try:
            os.write(descriptor, chunk)
        except BlockingIOError:  # a socket that is nearly full polls writable
            break
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)


@contextmanager
def _deaf_start(stage: Stage, streams: str) -> Iterator[tuple[Running, int, Callable[[], None]]]:
    """A daemon whose stdio we hold; its greeting is read, nothing else will be. Gives it, where to write, hang up."""
    if streams == "pipe":
        daemon = stage.start("--multi-server")
        daemon.greeted()
        assert daemon.process.stdin is not None
        yield daemon, daemon.process.stdin.fileno(), daemon.hang_up
        daemon.hang_up()
        return
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            daemon = stage.start("--multi-server", stdin=theirs, stdout=theirs)
        AssuanClient(ours.fileno(), ours.fileno(), DEADLINE_S)
        yield daemon, ours.fileno(), ours.close


@contextmanager
def _pumping(flooding: socket.socket) -> Iterator[Callable[[IO[bytes] | None], None]]:
    """Keeps the daemon's input full and its output empty until there is something to read from the given file."""

    def pump(until: IO[bytes] | None) -> None:
        assert until is not None
        poll = select.poll()
        poll.register(until, select.POLLIN)
        for _ in range(100_000):
            for move in (lambda: flooding.send(b"NOP\n" * 2000), lambda: flooding.recv(1 << 20)):
                try:
                    move()
                except BlockingIOError:
                    continue
            if poll.poll(0):
                return
        raise AssertionError("the other client gets no turn")

    yield pump


def _limit_descriptors(count: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
