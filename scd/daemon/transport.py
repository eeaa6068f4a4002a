"""Octets to and from one client: over a socket, or over standard input and output."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import threading
from typing import Protocol

CHUNK = 65536
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
        try:
            return await self._loop.sock_recv(self._sock, CHUNK)
        except ConnectionError:
            return b""

    async def write(self, octets: bytes) -> None:
        await self._loop.sock_sendall(self._sock, octets)

    def close(self) -> None:
        self._sock.close()


class StdioTransport:
    """File descriptors that must stay blocking, since others may share them.

    Pipes, sockets and terminals are polled; a regular file or /dev/null, which the loop refuses to poll, is read by a
    pump thread.
    """

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self._polled = True
        try:
            self._loop.add_reader(read_fd, self._readable)
        except PermissionError:
            self._polled = False
            threading.Thread(target=self._pump, daemon=True, name="stdin").start()

    def _readable(self) -> None:
        octets = self._read_now()
        self._arrived.put_nowait(octets)
        if not octets:
            self._loop.remove_reader(self._read_fd)

    def _pump(self) -> None:
        octets = b"."
        while octets:
            octets = self._read_now()
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, octets)

    def _read_now(self) -> bytes:
        try:
            return os.read(self._read_fd, CHUNK)
        except OSError:
            return b""

    async def read(self) -> bytes:
        return await self._arrived.get()

    async def write(self, octets: bytes) -> None:
        view = memoryview(octets)
        while view:
            if self._takes_some():
                view = view[os.write(self._write_fd, view[:_SURE]) :]
            else:
                written = await self._loop.run_in_executor(None, os.write, self._write_fd, view[:_SURE])
                view = view[written:]

    def _takes_some(self) -> bool:
        poll = select.poll()
        poll.register(self._write_fd, select.POLLOUT)
        return bool(poll.poll(0))

    def close(self) -> None:
        if self._polled:
            self._loop.remove_reader(self._read_fd)
