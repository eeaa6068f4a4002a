"""What a client sent in confidence is overwritten where it was received, as soon as it has been used."""

from __future__ import annotations

import asyncio

import pytest

from scd.daemon.connection import Connection
from scd.daemon.daemon import Daemon
from tests.daemon.memory import Client, service_over
from tests.fakes.fake_module import FakeModule
from tests.fakes.fake_token import FakeToken, empty_token
from tests.unit.gcrypt.keytocard import KEYTOCARD

KEY = KEYTOCARD["nistp256"][1]


class Remembering(Connection):
    """A connection that keeps hold of the buffers it received replies in, and of what they held."""

    received: list[tuple[bytes, bytearray]]

    async def inquire(self, *arguments: object, **options: object) -> bytearray:
        reply = await super().inquire(*arguments, **options)  # type: ignore[arg-type]  # handed through
        self.received.append((bytes(reply), reply))
        return reply


class Watched(Client):
    """A client of such a connection."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon)
        self.task.cancel()
        self.connection = Remembering(daemon, self.transport)
        self.connection.received = []
        self.task = daemon.serve(self.connection.serve)


def buffers(line: str, token: FakeToken) -> list[tuple[bytes, bytearray]]:
    """What was received for this command, and the buffers of it as they are afterwards."""

    async def main() -> list[tuple[bytes, bytearray]]:
        client = Watched(Daemon(service_over(FakeModule(token))))
        assert (await client.line()).startswith("OK ")
        client.replies, client.pins = {"KEYDATA": KEY}, [token.pin]
        assert (await client.ask(line)).code == 0
        client.task.cancel()
        await asyncio.gather(client.task, return_exceptions=True)
        assert isinstance(client.connection, Remembering)
        return client.connection.received

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("line", "secret"),
    [("CHECKPIN", empty_token().pin), ("WRITEKEY OPENPGP.1", KEY)],
    ids=["a PIN", "a private key"],
)
def test_its_buffer_holds_nothing_afterwards(line: str, secret: bytes) -> None:
    received = buffers(line, empty_token())
    assert any(secret in before for before, _ in received)
    assert all(not any(after) for _, after in received)
