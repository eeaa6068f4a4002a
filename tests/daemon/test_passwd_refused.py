"""PASSWD and CHECKPIN that come to nothing: refused, cancelled, the card gone; and PASSWD --clear."""

from __future__ import annotations

import asyncio

import pytest

from tests.daemon.memory import Client, with_client
from tests.daemon.passwd import (
    CARD_REMOVED,
    CHANGES,
    CONDITIONS,
    EACCES,
    INV_ID,
    NEW,
    NOT_FOUND,
    NOT_SUPPORTED,
    SO,
    UNSUPPORTED,
    ask,
)
from tests.daemon.test_pins import CANCELED, WORK, sign
from tests.daemon.test_signing import grip
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import FakeToken, empty_token, work_token

REFUSED_WITHOUT_PROMPT = {
    "PASSWD  2": NOT_SUPPORTED,
    "PASSWD --reset 2": NOT_SUPPORTED,
    "PASSWD --nullpin OPENPGP.2": NOT_SUPPORTED,
    "PASSWD --reset 3": INV_ID,
    "PASSWD --nullpin OPENPGP.3": INV_ID,
    "PASSWD 4": INV_ID,
    "PASSWD 0": INV_ID,
    "PASSWD nonsense": INV_ID,
    "PASSWD PIV.80": INV_ID,
    f"PASSWD 1 {'0' * 40}": NOT_FOUND,
    "PASSWD --nullpin 1": CONDITIONS,
    "PASSWD --clear --reset 1": UNSUPPORTED,
    "PASSWD --reset --nullpin 1": UNSUPPORTED,
    "CHECKPIN PIV.80": INV_ID,
    "CHECKPIN PW1.CH": INV_ID,
}


@pytest.mark.parametrize(("line", "code"), REFUSED_WITHOUT_PROMPT.items())
def test_what_is_not_to_be_had_is_refused_before_any_prompt(line: str, code: int) -> None:
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        answer = await ask(client, line, SO, NEW)
        assert (answer.code, answer.asked, module.pins_seen) == (code, [], 0)


@pytest.mark.parametrize(("line", "pins"), [
    ("PASSWD 1", [WORK]), ("PASSWD --reset 1", [SO]), ("PASSWD 3", [SO]), ("CHECKPIN {}[CHV3]", []),
])  # fmt: skip
def test_cancelling_at_any_prompt_gives_one_error_and_changes_nothing(line: str, pins: list[bytes]) -> None:
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        for count in range(len(pins) + 1):
            answer = await ask(client, line, *pins[:count])
            assert (answer.code, len(answer.asked)) == (CANCELED, count + 1)
            assert (await client.ask("GETINFO version")).data == b"99.0"
        assert (module.pins_seen, token.pin, token.so_pin) == (0, WORK, SO)


@pytest.mark.parametrize(
    "line", ["PASSWD 1", "PASSWD --reset 1", "PASSWD --nullpin 1", "PASSWD 3", "CHECKPIN {}[CHV3]"]
)
@pytest.mark.parametrize("how", ["deny-admin", "write-protected", "no PIN yet"])
def test_nothing_is_asked_for_where_nothing_may_be_changed(line: str, how: str) -> None:
    token = work_token()
    token.write_protected = how == "write-protected"
    token.pin = b"" if how == "no PIN yet" or "nullpin" in line else token.pin

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        client.connection.daemon.deny_admin = how != "write-protected"
        answer = await ask(client, line, SO, NEW)
        assert (answer.code, answer.asked) == (EACCES, [])
        await ask(client, "CHECKPIN", WORK)
        assert (await client.ask("PASSWD --clear 1")).code == 0
        assert not token.logged_in


def test_the_pins_may_be_checked_where_nothing_may_be_changed() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        client.connection.daemon.deny_admin = True
        assert (await ask(client, "CHECKPIN {}", WORK)).code == 0


@pytest.mark.parametrize("name", ["1", "2", "3", "OPENPGP.2", "", "GRIP", "OPENPGP.2 GRIP"])
def test_clear_logs_out(name: str) -> None:
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        await sign(client, token, WORK)
        answer = await client.ask(f"PASSWD --clear {name.replace('GRIP', grip(token, 'p256'))}")
        assert (answer.code, answer.asked, token.logged_in) == (0, [], False)
        answer = await sign(client, token, WORK)
        assert (answer.code, len(answer.asked)) == (0, 1)


def test_clear_logs_the_keys_card_out_and_no_other() -> None:
    first, second = work_token(), empty_token()

    @with_client(FakeModule(second, first))
    async def _(client: Client) -> None:
        first.logged_in = second.logged_in = True
        await client.ask(f"PASSWD --clear OPENPGP.2 {grip(first, 'p256')}")
        assert (first.logged_in, second.logged_in) == (False, True)


def test_a_card_that_went_away_is_said_to() -> None:
    token = work_token()

    @with_client(FakeModule(token, empty_token()))
    async def _(client: Client) -> None:
        await client.ask("SERIALNO")
        token.remove()
        for line in ("PASSWD 1", "PASSWD --reset 1", "PASSWD 3", "PASSWD --clear 1", "CHECKPIN"):
            answer = await ask(client, line, WORK, NEW)
            assert (answer.code, answer.asked) == (CARD_REMOVED, []), line


def test_a_token_that_goes_away_at_the_prompt_loses_nothing() -> None:
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        gate = module.hold(Op.CHANGE_PIN)
        client.pins = [WORK, NEW]
        client.send(b"PASSWD 1\n")
        answering = asyncio.ensure_future(client.answer())
        await asyncio.wait_for(gate.reached.wait(), 10)
        token.remove()
        gate.opened.set()
        assert (await answering).code in (112, CARD_REMOVED)
        token.insert()
        assert token.pin == WORK


def test_what_is_told_of_the_tries_is_told_anew_after_each_attempt() -> None:
    """gpg-card asks for CHV-STATUS right after a CHECKPIN or PASSWD."""
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await client.ask("SERIALNO")
        token.tries_left = 2
        assert (await ask(client, "PASSWD 1", b"wrong one", NEW)).code == CANCELED
        card = await client.connection.card()
        assert card is not None
        assert card.token.pin_tries is token.tries


def test_every_prompt_fits_into_a_line() -> None:
    token = FakeToken("ö%" * 400, WORK, so_pin=SO)

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        for line in CHANGES:
            answer = await ask(client, line, WORK if line == "PASSWD 1" else SO)
            assert answer.code == CANCELED
            assert all(len(asked.encode("latin-1")) <= 1000 - len("INQUIRE ") for asked in answer.asked)
