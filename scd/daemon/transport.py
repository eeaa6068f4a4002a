"""Octets to and from one client: over a socket, or over standard input and output."""

from __future__ import annotations

import asyncio
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
        self._send = _sender(write_fd)
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

    def close(self) -> None:
        """Nothing: standard input and output stay open as long as the process runs."""


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


def _sender(descriptor: int) -> Callable[[memoryview], int]:
    """What writes some octets to a descriptor that polls writable; at most `_SURE`, or it may block."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return lambda octets: os.write(descriptor, octets)
    sock = socket.socket(fileno=os.dup(descriptor))  # a socket that polls writable may take less than that
    return lambda octets: sock.send(octets, socket.MSG_DONTWAIT)
