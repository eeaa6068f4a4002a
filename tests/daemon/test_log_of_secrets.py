"""Whatever octets pass through a connection as data, the log of everything does not depend on them."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scd import logs
from scd.assuan import lines
from scd.config import Settings
from scd.config.debug import EVERYTHING
from scd.daemon.connection import Connection
from scd.daemon.daemon import Daemon
from tests.daemon.memory import MemoryTransport, service_over
from tests.fakes.fake_module import FakeModule
from tests.fakes.fake_token import work_token

SPOKEN = b"\v\x1csecret\x85\xe2\x80\xa8secret\r\nsecret\0%secret"
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _log_as_before() -> object:
    yield
    logs.set_up(Settings(home="/h"))
    logs._drop_handlers(logging.getLogger())
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "scd":
            logging.getLogger(name).setLevel(logging.NOTSET)


def logged(file: Path, *said: bytes) -> list[str]:
    """What is logged, at the highest level, of a client that says this; dates, process and connection left out."""
    file.unlink(missing_ok=True)
    logs.set_up(Settings(home="/h", log_file=str(file), verbosity=9, debug=EVERYTHING))

    async def main() -> None:
        transport = MemoryTransport()
        connection = Connection(Daemon(service_over(FakeModule(work_token()))), transport)
        connection.number = 1
        connection._trace._connection = 1
        for octets in (*said, b""):
            transport.to_daemon.put_nowait(octets)
        await connection.serve()

    asyncio.run(main())
    return [line.split("] ", 1)[-1] for line in file.read_text().splitlines()]


def alike(octets: bytes) -> bytes:
    """As many octets that are written in the same way."""
    return bytes(octet if octet in b"%\r\n" else ord("x") for octet in octets)


@few
@given(st.binary(max_size=1200))
@example(SPOKEN)
def test_replies_to_an_inquiry(tmp_path: Path, octets: bytes) -> None:
    """SETATTR --inquire keeps them; GETATTR and LEARN give them out again."""

    def conversation(value: bytes) -> list[bytes]:
        reply = lines.data(value[:200]) + b"END\n"
        return [b"SERIALNO\nSETATTR --inquire PRIVATE-DO-3\n" + reply, b"GETATTR PRIVATE-DO-3\nLEARN --force\n"]

    shown = logged(tmp_path / "log", *conversation(octets))
    assert shown == logged(tmp_path / "log", *conversation(alike(octets)))
    assert any("SETATTR" in line for line in shown)


@few
@given(st.binary(max_size=1200))
@example(SPOKEN)
def test_data_lines_out_of_place_and_malformed_ones(tmp_path: Path, octets: bytes) -> None:
    def conversation(value: bytes) -> bytes:
        literal = value.replace(b"\n", b"").replace(b"%", b"").replace(b"\r", b"")
        return lines.data(value) + b"D " + literal + b"%\nSETATTR --inquire LOGIN-DATA\nD " + literal + b"%zz\nEND\n"

    assert logged(tmp_path / "log", conversation(octets)) == logged(tmp_path / "log", conversation(alike(octets)))


@few
@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=300))
def test_what_follows_a_raw_line_feed_in_data_is_not_shown_as_a_command(tmp_path: Path, text: str) -> None:
    secret = b"q" + text.encode()
    said = b"D %b\n%b\n%b %b\n" % (secret, secret, secret, secret)
    assert logged(tmp_path / "log", said) == logged(
        tmp_path / "log", b"D %b\n%b\n%b %b\n" % ((b"q" * len(secret),) * 4)
    )
