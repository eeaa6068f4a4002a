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


class SocketTransport:
    """A connected stream socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def read(self) -> bytes:
        await asyncio.sleep(0)  # sock_recv does not wait where there is something
        try:
            return await self._loop.sock_recv(self._sock, CHUNK)
        except ConnectionError:
            return b""

    async def write(self, octets: bytes) -> None:
        await self._loop.sock_sendall(self._sock, octets)

    def close(self) -> None:
        self._sock.close()


class StdioTransport:
    """Two descriptors that must stay blocking, since others may share them; they are polled before each use.

    A regular file or /dev/null, which epoll refuses, needs no waiting.
    """

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._loop = asyncio.get_running_loop()
        self._sock = _socket_at(write_fd)
        self._writable = select.poll()
        self._writable.register(write_fd, select.POLLOUT)

    async def read(self) -> bytes:
        await _when_ready(self._read_fd, self._loop.add_reader, self._loop.remove_reader)
        try:
            return os.read(self._read_fd, CHUNK)
        except OSError:
            return b""

    async def write(self, octets: bytes) -> None:
        rest = memoryview(octets)
        while rest:
            if not self._writable.poll(0):
                await _when_ready(self._write_fd, self._loop.add_writer, self._loop.remove_writer)
            rest = rest[self._send(rest[:_SURE]) :]

    def _send(self, octets: memoryview) -> int:
        """Some octets to a descriptor that polls writable: at most `_SURE`, or it may block; a socket may take less."""
        if self._sock is None:
            return os.write(self._write_fd, octets)
        return self._sock.send(octets, socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Hang up: whoever waits for our end of the pipe need not wait for the workers. The descriptors stay taken."""
        if self._sock is not None:
            self._sock.close()
        with contextlib.suppress(OSError):  # too many open files: they are closed when the process ends
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, self._read_fd)
            os.dup2(null, self._write_fd)
            os.close(null)


async def _when_ready(
    descriptor: int, watch: Callable[[int, Callable[[], None]], object], forget: Callable[[int], object]
) -> None:
    """Until the descriptor can be used without blocking; at least the others' turn."""
    ready = asyncio.Event()
    try:
        watch(descriptor, ready.set)
    except PermissionError:  # EPERM, epoll_ctl(2): it never blocks
        await asyncio.sleep(0)
        return
    try:
        await ready.wait()
    finally:
        forget(descriptor)


def _socket_at(descriptor: int) -> socket.socket | None:
    """A handle of its own on the socket that the descriptor is, if it is one."""
    return socket.socket(fileno=os.dup(descriptor)) if stat.S_ISSOCK(os.fstat(descriptor).st_mode) else None
