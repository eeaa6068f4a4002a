"""Two clients who change a card at the same moment."""

from __future__ import annotations

import asyncio

import pytest

from scd.daemon.daemon import Daemon
from tests.daemon.memory import Answer, Client, service_over
from tests.fakes.fake_module import FakeModule
from tests.fakes.fake_token import FakeToken, empty_token
from tests.unit.gcrypt.keytocard import KEYTOCARD

EEXIST = 32803
EMPTY = b"empty-pin-662607"
GENERATE, IMPORT = "GENKEY --algo=nistp256 OPENPGP.1", "WRITEKEY OPENPGP.1"


def together(token: FakeToken, *commands: str) -> list[Answer]:
    """The answers to commands that were sent by as many clients before any was answered."""

    async def main() -> list[Answer]:
        daemon = Daemon(service_over(FakeModule(token)))
        clients = [Client(daemon) for _ in commands]
        for client in clients:
            await client.line()
            client.pins = [EMPTY, EMPTY]
            client.replies = {"KEYDATA": KEYTOCARD["nistp256"][1]}
        answers = await asyncio.gather(*(one.ask(command) for one, command in zip(clients, commands, strict=True)))
        for client in clients:
            client.task.cancel()
        await asyncio.gather(*(client.task for client in clients), return_exceptions=True)
        return answers

    return asyncio.run(main())


@pytest.mark.parametrize("second", [GENERATE, IMPORT])
@pytest.mark.parametrize("first", [GENERATE, IMPORT])
def test_one_gets_the_place_and_the_other_is_told(first: str, second: str) -> None:
    token = empty_token()

    answers = together(token, first, second)

    assert sorted(answer.code for answer in answers) == [0, EEXIST]
    assert len(token.keys) == 1


def test_with_force_the_later_one_replaces_the_earlier_one() -> None:
    token = empty_token()

    answers = together(token, GENERATE.replace(" ", " --force ", 1), GENERATE.replace(" ", " --force ", 1))

    assert [answer.code for answer in answers] == [0, 0]
    assert len(token.keys) == 1


def test_different_places_are_filled_both() -> None:
    token = empty_token()

    answers = together(token, GENERATE, GENERATE.replace("OPENPGP.1", "OPENPGP.2"), GENERATE.replace("OPENPGP.1", "3"))

    assert [answer.code for answer in answers] == [0, 0, 0]
    assert len({key.cka_id for key in token.keys}) == 3
