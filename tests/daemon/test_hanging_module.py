"""What a module that hangs costs the commands: five seconds once, whether it is the only one or one of two."""

from __future__ import annotations

import asyncio

import pytest

from scd.assuan.gpgerror import GpgErr
from scd.daemon.daemon import Daemon
from tests.daemon.memory import Client, service_over
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import work_token
from tests.harness.quicktime import now, quickly

GRIP = "0" * 40
COMMANDS = [
    "SERIALNO",
    "LEARN --force",
    "LEARN --force --reread",
    f"READKEY {GRIP}",
    f"PKSIGN {GRIP}",
    "GETINFO status",
]


async def client_of(*modules: FakeModule) -> Client:
    client = Client(Daemon(service_over(*modules)))
    assert (await client.line()).startswith("OK ")
    return client


@pytest.mark.parametrize("command", COMMANDS)
@quickly
async def test_the_only_module_hangs(command: str) -> None:
    hanging = FakeModule(work_token())
    hanging.hold(Op.TOKENS)
    client = await client_of(hanging)
    await client.ask("SETDATA " + "00" * 32)
    await client.ask(command)
    assert now() == 5
    client.task.cancel()


@quickly
async def test_one_of_two_modules_hangs() -> None:
    hanging, working = FakeModule(), FakeModule(work_token())
    hanging.hold(Op.TOKENS)
    client = await client_of(hanging, working)
    for _ in range(3):
        for command in ("SERIALNO", "LEARN --force", "LEARN --force --reread", "GETATTR KEY-FPR", "KEYINFO --list"):
            assert (await client.ask(command)).code == 0, command
        assert now() == 5
    assert hanging.count(Op.TOKENS) == 1
    client.task.cancel()


@quickly
async def test_a_module_that_hangs_later_is_in_the_way_once() -> None:
    later, working = FakeModule(work_token()), FakeModule()
    client = await client_of(working, later)
    assert len((await client.ask("LEARN --force")).status("KEYPAIRINFO")) > 1
    later.hold(Op.TOKENS)
    for _ in range(3):
        assert len((await client.ask("LEARN --force")).status("KEYPAIRINFO")) > 1
    assert now() == 5
    client.task.cancel()


@quickly
async def test_a_key_that_is_nowhere_is_not_looked_for_on_a_token_that_hangs() -> None:
    hiding = work_token()
    for key in hiding.keys:
        key.hidden = True
    hiding.certificates = []
    later = FakeModule(hiding)
    client = await client_of(later)
    client.pins = [hiding.pin]
    await client.ask("SERIALNO")
    later.hold(Op.TOKENS)
    await client.ask("SETDATA " + "00" * 32)
    assert (await client.ask(f"PKSIGN --hash=sha256 {GRIP}")).code == GpgErr.CARD
    assert now() == 5
    assert later.count(Op.LOGIN) == 0
    client.task.cancel()
    await asyncio.gather(client.task, return_exceptions=True)
