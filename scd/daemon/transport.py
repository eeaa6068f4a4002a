"""Octets to and from one client: over a socket, or over standard input and output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import stat
from collections.abc import Callable
from typing import Protocol

CHUNK = 4096
"""Octets taken at once: with each portion the other clients get their turn."""

_SURE = 4096  # PIPE_BUF: what a pipe that polls writable takes without blocking (POSIX, write)


class Transport(Protocol):
    """What a connection needs."""

    async def read(self) -> bytes:
        """Some octets; none at the end."""

    async def write(self, octets: bytes) -> None:
        """All of them; raises OSError when the client is gone."""

    def close(self) -> None:
        """Let go of the client."""


class _Incoming:
    """Octets from a descriptor, which stays registered with the loop from one read to the next.

    `take` reads without blocking what has come, and gives no octets at the end; OSError is an end, too.
    """

    def __init__(self, descriptor: int, take: Callable[[], bytes]) -> None:
        self._descriptor = descriptor
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._reading: asyncio.Future[bytes] | None = None
        self._watched = False

    async def read(self) -> bytes:
        """Some octets, after at least the others' turn."""
        if not self._watch():
            await asyncio.sleep(0)
            return self._taken()
        self._reading = self._loop.create_future()
        try:
            return await self._reading
        finally:
            self._reading = None

    def _stop_watching(self) -> None:
        """The descriptor may be closed, or stay unread."""
        if self._watched:
            self._watched = False
            self._loop.remove_reader(self._descriptor)

    def _watch(self) -> bool:
        if not self._watched:
            try:
                self._loop.add_reader(self._descriptor, self._came)
            except PermissionError:  # EPERM, epoll_ctl(2): a regular file or /dev/null never blocks
                return False
            self._watched = True
        return True

    def _came(self) -> None:
        """The octets are taken here: until then the loop says again and again that they are there."""
        if self._reading is None or self._reading.done():
            self._stop_watching()
            return
        with contextlib.suppress(BlockingIOError):
            self._reading.set_result(self._taken())

    def _taken(self) -> bytes:
        try:
            return self._take()
        except BlockingIOError:
            raise
        except OSError:
            return b""


class SocketTransport(_Incoming):
    """A connected stream socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        super().__init__(sock.fileno(), lambda: sock.recv(CHUNK))

    async def write(self, octets: bytes) -> None:
        try:
            sent = self._sock.send(octets)
        except BlockingIOError:
            sent = 0
        if sent < len(octets):
            await self._loop.sock_sendall(self._sock, octets[sent:])

    def close(self) -> None:
        self._stop_watching()
        self._sock.close()


class StdioTransport(_Incoming):
    """Two descriptors that must stay blocking, since others may share them; they are polled before each use.

    A regular file or /dev/null, which epoll refuses, needs no waiting.
    """

    def __init__(self, read_fd: int, write_fd: int) -> None:
        super().__init__(read_fd, lambda: os.read(read_fd, CHUNK))
        self._write_fd = write_fd
        self._sock = _socket_at(write_fd)
        self._writable = select.poll()
        self._writable.register(write_fd, select.POLLOUT)

    async def write(self, octets: bytes) -> None:
        rest = memoryview(octets)
        while rest:
            if not self._writable.poll(0):
                await self._can_write()
            rest = rest[self._send(rest[:_SURE]) :]

    def _send(self, octets: memoryview) -> int:
        """Some octets to a descriptor that polls writable: at most `_SURE`, or it may block; a socket may take less."""
        if self._sock is None:
            return os.write(self._write_fd, octets)
        return self._sock.send(octets, socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Hang up: whoever waits for our end of the pipe need not wait for the workers. The descriptors stay taken."""
        self._stop_watching()
        if self._sock is not None:
            self._sock.close()
        with contextlib.suppress(OSError):  # too many open files: they are closed when the process ends
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, self._descriptor)
            os.dup2(null, self._write_fd)
            os.close(null)

    async def _can_write(self) -> None:
        writable = asyncio.Event()
        self._loop.add_writer(self._write_fd, writable.set)  # what epoll refuses polls writable
        try:
            await writable.wait()
        finally:
            self._loop.remove_writer(self._write_fd)


def _socket_at(descriptor: int) -> socket.socket | None:
    """A handle of its own on the socket that the descriptor is, if it is one."""
    return socket.socket(fileno=os.dup(descriptor)) if stat.S_ISSOCK(os.fstat(descriptor).st_mode) else None
