"""A daemon on fake modules, in memory: a connection fed by hand, for tests without processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import scd.daemon.commands  # noqa: F401
from scd.assuan.lines import data
from scd.daemon.connection import Connection
from scd.daemon.daemon import Daemon
from scd.service.finding.catalogue import Catalogue
from scd.service.finding.places import Role
from scd.service.finding.registry import RegisteredModule, Registry
from scd.service.kept.keyring import Keyring
from scd.service.kept.metadata import Metadata
from scd.service.kept.statefile import StateFile
from scd.service.kept.stubs import Stubs
from scd.service.operations import Service
from scd.service.pins.logins import Logins
from scd.token.port import TokenModule

SOURCE_SCD = 6 << 24


class MemoryTransport:
    """Two queues in place of a socket."""

    def __init__(self) -> None:
        self.to_daemon: asyncio.Queue[bytes] = asyncio.Queue()
        self.from_daemon: asyncio.Queue[bytes] = asyncio.Queue()
        self.gone = False

    async def read(self) -> bytes:
        return await self.to_daemon.get()

    async def write(self, octets: bytes) -> None:
        if self.gone:
            raise BrokenPipeError
        self.from_daemon.put_nowait(octets)

    def close(self) -> None:
        self.from_daemon.put_nowait(b"")


@dataclass
class Answer:
    """One reply: all its lines but the last, and the code of the last (0 for OK)."""

    code: int
    lines: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def status(self, keyword: str) -> list[str]:
        return [line.split(" ", 2)[2] for line in self.lines if line.startswith(f"S {keyword} ")]

    @property
    def data(self) -> bytes:
        raw = b"".join(line[2:].encode("latin-1") for line in self.lines if line.startswith("D "))
        first, *rest = raw.split(b"%")
        return first + b"".join(bytes.fromhex(part[:2].decode()) + part[2:] for part in rest)


class Client:
    """The other end. `pins`: replies to NEEDPIN in order; an exhausted list cancels.

    `replies`: the octets for other inquiries, by their keyword; END alone without any.
    """

    def __init__(self, daemon: Daemon) -> None:
        self.transport = MemoryTransport()
        self.connection = Connection(daemon, self.transport)
        self.task = daemon.serve(self.connection.serve)
        self.pins: list[bytes] = []
        self.replies: dict[str, bytes] = {}
        self._buffer = b""

    async def line(self) -> str:
        while b"\n" not in self._buffer:
            octets = await asyncio.wait_for(self.transport.from_daemon.get(), 20)
            if not octets:
                raise EOFError
            self._buffer += octets
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("latin-1")

    def send(self, octets: bytes) -> None:
        self.transport.to_daemon.put_nowait(octets)

    async def ask(self, line: str) -> Answer:
        self.send(line.encode("latin-1") + b"\n")
        return await self.answer()

    async def answer(self) -> Answer:
        lines: list[str] = []
        asked: list[str] = []
        while True:
            line = await self.line()
            if line == "OK" or line.startswith("OK "):
                return Answer(0, lines, asked)
            if line.startswith("ERR "):
                return Answer(int(line.split()[1]) - SOURCE_SCD, lines, asked)
            if line.startswith("INQUIRE "):
                asked.append(line[8:])
                self.send(self._reply(line[8:]))
            else:
                lines.append(line)

    def _reply(self, inquiry: str) -> bytes:
        if not inquiry.startswith("NEEDPIN"):
            return data(self.replies.get(inquiry.split()[0], b"")) + b"END\n"
        if not self.pins:
            return b"CAN\n"
        return b"D " + self.pins.pop(0).ljust(90, b"\0") + b"\nEND\n"


def service_over(
    *modules: TokenModule, lease_s: float | None = None, roles: Mapping[Role, bytes] | None = None,
    home: str | None = None,
) -> Service:  # fmt: skip
    registered = tuple(RegisteredModule(f"module{n}", module) for n, module in enumerate(modules))
    metadata, keyring = Metadata(StateFile(None)), Keyring(None)
    return Service(Catalogue(Registry(registered)), Logins(lease_s), roles or {}, metadata, keyring, Stubs(home))


def with_client(
    *modules: TokenModule, lease_s: float | None = None, home: str | None = None
) -> Callable[[Callable[[Client], Awaitable[None]]], None]:
    """Run a test's body with one client, its greeting read."""

    def run(body: Callable[[Client], Awaitable[None]]) -> None:
        async def main() -> None:
            client = Client(Daemon(service_over(*modules, lease_s=lease_s, home=home)))
            assert (await client.line()).startswith("OK ")
            await body(client)
            client.task.cancel()
            await asyncio.gather(client.task, return_exceptions=True)

        asyncio.run(main())

    return run
