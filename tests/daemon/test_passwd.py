"""PASSWD: a new PIN is asked for and set, and no try is wasted."""

from __future__ import annotations

import asyncio

import pytest

from scd.daemon.daemon import Daemon
from scd.token.errors import PinLengthInvalid
from tests.daemon.memory import Client, service_over, with_client
from tests.daemon.passwd import (
    NEW,
    OFFICERS,
    SO,
    ask,
    flags,
    texts,
)
from tests.daemon.test_pin_cache import CachingClient, with_cache
from tests.daemon.test_pins import BAD_PIN, CANCELED, PIN_BLOCKED, WORK, sign
from tests.daemon.test_signing import grip
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import TRIES, empty_token, work_token


@pytest.mark.parametrize("form", ["PASSWD  1", "PASSWD OPENPGP.1", "PASSWD", "PASSWD {}", "PASSWD -- 1"])
def test_the_pin_is_changed(form: str) -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await ask(client, form, WORK, NEW)
        assert (answer.code, flags(answer)) == (0, ["", "N"])
        assert 'PIN of token "work"' in texts(answer)[0]
        assert 'new PIN for token "work"' in texts(answer)[1]
        assert "4 to 88 characters" in texts(answer)[1]
        assert (token.pin, token.so_pin) == (NEW, SO)


def test_a_keys_id_and_a_keygrip_name_its_card() -> None:
    first, second = empty_token(), work_token()

    @with_client(FakeModule(first, second))
    async def _(client: Client) -> None:
        name = grip(second, "p256")
        serial = (await client.ask(f"KEYINFO {name}")).status("KEYINFO")[0].split()[2]
        pin = WORK
        for form in (f"PASSWD {name}", f"PASSWD 1 {name}", f"PASSWD OPENPGP.1 {name}", f"PASSWD {serial}"):
            answer = await ask(client, form, pin, pin + b"x")
            pin += b"x"
            assert (answer.code, second.pin) == (0, pin), form

    assert first.pin == b"empty-pin-662607"


def test_a_login_lives_through_a_change_of_the_pin() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await sign(client, token, WORK)
        assert (await ask(client, "PASSWD 1", WORK, NEW)).code == 0
        assert (await sign(client, token)).code == 0
        await client.ask("RESET")
        assert (await sign(client, token, NEW)).code == 0


def test_a_wrong_old_pin_is_asked_for_again_and_the_new_one_is_not() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await ask(client, "PASSWD 1", b"wrong one", NEW, b"wrong too", WORK)
        assert (answer.code, flags(answer)) == (0, ["", "N", "", ""])
        assert "was refused" in texts(answer)[2]
        assert "many tokens lock it" in texts(answer)[2]
        assert token.pin == NEW


def test_three_wrong_old_pins_end_it() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await ask(client, "PASSWD 1", b"wrong 1", NEW, b"wrong 2", b"wrong 3", WORK)
        assert (answer.code, len(answer.asked), len(client.pins)) == (BAD_PIN, 4, 1)
        assert (token.pin, token.tries_left) == (WORK, TRIES - 3)


@pytest.mark.parametrize(("line", "op"), [("PASSWD 1", Op.CHANGE_PIN), *OFFICERS])
def test_the_same_wrong_pin_is_sent_once_only_in_this_command_and_the_next(line: str, op: Op) -> None:
    token = work_token()
    module = FakeModule(token)
    rest = [] if "CHECK" in line else [NEW]

    @with_client(module)
    async def _(client: Client) -> None:
        answer = await ask(client, line, b"wrong one", *rest, b"wrong one", b"wrong one")
        assert (answer.code, len(client.pins)) == (BAD_PIN, 1)
        assert (await ask(client, line, b"wrong one", NEW)).code == BAD_PIN
        assert module.count(op) == 1


@pytest.mark.parametrize("line", ["PASSWD 1", "PASSWD --reset 1"])
def test_a_refused_pin_that_is_set_is_taken_at_the_next_login(line: str) -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        assert (await sign(client, token, b"wrong one")).code == CANCELED
        assert (await ask(client, line, WORK if line == "PASSWD 1" else SO, b"wrong one")).code == 0
        assert (await sign(client, token, b"wrong one")).code == 0


@pytest.mark.parametrize(("line", "right"), [("PASSWD 1", WORK), ("PASSWD --reset 1", SO)])
@pytest.mark.parametrize("odd", [b"", b"123", b"x" * 31])
def test_a_new_pin_outside_the_limits_is_asked_for_anew_before_anything_is_sent(
    line: str, right: bytes, odd: bytes
) -> None:
    token = work_token()
    token.pin_max = 30
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        answer = await ask(client, line, right, odd, NEW)
        assert answer.code == 0
        assert ("empty" if not odd else "characters") in texts(answer)[2].splitlines()[0]
        assert token.pin == NEW
        assert module.pins_seen == 2


@pytest.mark.parametrize("odd", [b"", b"123", b"x" * 31])
def test_an_old_pin_outside_the_limits_is_not_sent(odd: bytes) -> None:
    token = work_token()
    token.pin_max = 30
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        assert (await ask(client, "PASSWD 1", odd, odd)).code == BAD_PIN
        assert (module.pins_seen, token.tries_left) == (0, TRIES)


@pytest.mark.parametrize(("line", "right"), [("PASSWD 1", WORK), ("PASSWD --reset 1", SO), ("PASSWD 3", SO)])
def test_a_new_pin_that_the_token_does_not_like_is_asked_for_anew(line: str, right: bytes) -> None:
    token = work_token()
    token.unsuitable = (b"12345678",)

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await ask(client, line, right, b"12345678", NEW)
        assert (answer.code, [flag[-1:] for flag in flags(answer)[1:]]) == (0, ["N", "N"])
        assert "does not take this PIN" in texts(answer)[2]
        assert NEW in (token.pin, token.so_pin)


def test_the_same_unsuitable_pin_twice_ends_it() -> None:
    token = work_token()
    token.unsuitable = (b"12345678",)
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        answer = await ask(client, "PASSWD 1", WORK, b"12345678", b"12345678", NEW)
        assert (answer.code, len(client.pins)) == (BAD_PIN, 1)
        assert (token.pin, module.count(Op.CHANGE_PIN)) == (WORK, 1)


def test_no_more_than_three_new_pins_are_asked_for() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await ask(client, "PASSWD 1", WORK, b"1", b"12", b"123", NEW)
        assert (answer.code, len(answer.asked), token.pin) == (BAD_PIN, 4, WORK)


def test_a_length_that_only_the_token_knows_of_is_told() -> None:
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        module.fail_next(Op.CHANGE_PIN, PinLengthInvalid("wrong"))
        answer = await ask(client, "PASSWD 1", WORK, b"of a wrong length", NEW)
        assert answer.code == 0
        assert "of this length" in texts(answer)[2]


def test_a_locked_pin_is_not_asked_for() -> None:
    token = work_token()
    token.tries_left = 0

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await ask(client, "PASSWD 1", WORK, NEW)
        assert (answer.code, answer.asked) == (PIN_BLOCKED, [])


def test_a_changed_pin_is_not_left_in_the_agents_cache() -> None:
    token = work_token()

    @with_cache(token)
    async def _(client: CachingClient) -> None:
        await sign(client, token, WORK)
        stolen = dict(client.kept)
        assert (await ask(client, "PASSWD 1", WORK, NEW)).code == 0
        assert set(client.kept.values()) == {""}
        client.kept = stolen  # as when another client has changed the PIN
        answer = await sign(client, token, NEW)
        assert (answer.code, token.tries_left) == (0, TRIES)
        assert [asked.split()[0] for asked in answer.asked] == ["PINCACHE_GET", "NEEDPIN"]


def test_the_old_pin_is_never_taken_from_the_cache() -> None:
    token = work_token()

    @with_cache(token)
    async def _(client: CachingClient) -> None:
        await sign(client, token, WORK)
        answer = await ask(client, "PASSWD 1", WORK, NEW)
        assert [asked.split()[0] for asked in answer.asked] == ["NEEDPIN", "NEEDPIN"]


def test_two_clients_do_not_ask_at_the_same_time() -> None:
    token = work_token()
    module = FakeModule(token)

    async def main() -> None:
        daemon = Daemon(service_over(module))
        first, second = Client(daemon), Client(daemon)
        for client in (first, second):
            await client.line()
        gate = module.hold(Op.CHANGE_PIN)
        changing = asyncio.ensure_future(ask(first, "PASSWD 1", WORK, NEW))
        await asyncio.wait_for(gate.reached.wait(), 10)
        signing = asyncio.ensure_future(sign(second, token, NEW))
        gate.opened.set()
        assert ((await changing).code, (await signing).code) == (0, 0)
        assert token.tries_left == TRIES
        for client in (first, second):
            client.task.cancel()
        await asyncio.gather(first.task, second.task, return_exceptions=True)

    asyncio.run(main())
