"""use-gnupg-pin-cache: gpg-agent keeps the PIN under a key that only the daemon has."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from scd.daemon.agent import has_pin_cache, version_in
from scd.daemon.daemon import Daemon
from scd.service.pins.pincache import PinCache
from scd.token.secrets import Pin
from tests.daemon.memory import Client, service_over
from tests.daemon.test_pins import WORK, sign
from tests.fakes.fake_module import FakeModule
from tests.fakes.fake_token import TRIES, FakeToken, work_token


class CachingClient(Client):
    """As gpg-agent 2.3 and later: keeps what PINCACHE_PUT brings, gives it back for PINCACHE_GET."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon)
        self.connection.has_cache = True
        self.kept: dict[str, str] = {}

    async def line(self) -> str:
        line = await super().line()
        if line.startswith("S PINCACHE_PUT "):
            slot, _, value = line.split(" ", 2)[2].partition(" ")
            self.kept[slot] = value
        return line

    def _reply(self, inquiry: str) -> bytes:
        word, _, slot = inquiry.partition(" ")
        if word == "PINCACHE_GET":
            return b"D " + self.kept.get(slot, "").encode() + b"\nEND\n"
        return super()._reply(inquiry)


def with_cache(token: FakeToken) -> Callable[[Callable[[CachingClient], Awaitable[None]]], None]:
    """A client with a cache; the login ends after each operation, so that each needs the PIN."""

    def run(body: Callable[[CachingClient], Awaitable[None]]) -> None:
        async def main() -> None:
            service = service_over(FakeModule(token), lease_s=0)
            service.logins.cache = PinCache()
            client = CachingClient(Daemon(service))
            await client.line()
            await body(client)
            client.task.cancel()
            await asyncio.gather(client.task, return_exceptions=True)

        asyncio.run(main())

    return run


def prompts(asked: list[str]) -> int:
    return sum(inquiry.startswith("NEEDPIN") for inquiry in asked)


def test_the_second_operation_takes_the_pin_from_the_cache() -> None:
    token = work_token()

    @with_cache(token)
    async def _(client: CachingClient) -> None:
        first, second = await sign(client, token, WORK), await sign(client, token)
        assert (first.code, prompts(first.asked)) == (0, 1)
        assert (second.code, prompts(second.asked)) == (0, 0)


def test_what_the_agent_keeps_does_not_show_the_pin() -> None:
    token = work_token()

    @with_cache(token)
    async def _(client: CachingClient) -> None:
        await sign(client, token, WORK)
        [value] = client.kept.values()
        assert WORK not in bytes.fromhex(value)
        assert len(bytes.fromhex(value)) > len(WORK)


def test_a_cached_pin_that_is_refused_is_tried_once_and_dropped() -> None:
    token = work_token()

    @with_cache(token)
    async def _(client: CachingClient) -> None:
        await sign(client, token, WORK)
        token.pin = b"changed elsewhere"
        answer = await sign(client, token, token.pin)
        assert (answer.code, prompts(answer.asked)) == (0, 1)
        assert token.tries_left == TRIES
        assert prompts((await sign(client, token)).asked) == 0


def test_a_cached_pin_is_not_used_when_tries_are_gone() -> None:
    token = work_token()

    @with_cache(token)
    async def _(client: CachingClient) -> None:
        await sign(client, token, WORK)
        token.tries_left = TRIES - 1
        assert prompts((await sign(client, token, WORK)).asked) == 1


@pytest.mark.parametrize("value", ["", "nothex", "00", "AB" * 60])
def test_rubbish_in_the_cache_leads_to_a_prompt(value: str) -> None:
    token = work_token()

    @with_cache(token)
    async def _(client: CachingClient) -> None:
        await sign(client, token, WORK)
        client.kept = dict.fromkeys(client.kept, value)
        answer = await sign(client, token, WORK)
        assert (answer.code, prompts(answer.asked)) == (0, 1)


def test_a_token_that_was_away_wants_its_pin_again() -> None:
    token = work_token()

    @with_cache(token)
    async def _(client: CachingClient) -> None:
        await sign(client, token, WORK)
        token.remove()
        await client.ask("SERIALNO")
        token.insert()
        await client.ask("SERIALNO")
        assert prompts((await sign(client, token, WORK)).asked) == 1


def test_reset_empties_the_cache() -> None:
    token = work_token()

    @with_cache(token)
    async def _(client: CachingClient) -> None:
        await sign(client, token, WORK)
        await client.ask("RESET")
        assert set(client.kept.values()) == {""}


def test_a_client_without_cache_is_never_asked() -> None:
    token = work_token()

    async def main() -> None:
        service = service_over(FakeModule(token))
        service.logins.cache = PinCache()
        client = Client(Daemon(service))
        await client.line()
        answer = await sign(client, token, WORK)
        assert (answer.code, [inquiry.split()[0] for inquiry in answer.asked]) == (0, ["NEEDPIN"])
        assert answer.status("PINCACHE_PUT") == []
        client.task.cancel()
        await asyncio.gather(client.task, return_exceptions=True)

    asyncio.run(main())


def test_a_sealed_pin_opens_with_its_own_key_only() -> None:
    sealed = Pin(WORK).sealed(bytes(32))
    opened = Pin.unsealed(bytes(32), sealed)
    assert opened is not None
    assert opened.digest(b"k") == Pin(WORK).digest(b"k")
    assert Pin.unsealed(b"\1" * 32, sealed) is None
    assert Pin.unsealed(bytes(32), sealed[:-1]) is None
    assert Pin.unsealed(bytes(32), b"") is None


@pytest.mark.parametrize(
    ("told", "version"),
    [
        (b"gpg-agent (GnuPG) 2.2.40\nlibgcrypt 1.10.1\n", (2, 2, 40)),
        (b"gpg-agent (GnuPG) 2.5.13-beta22\n", (2, 5, 13)),
        (b"", ()),
        (b"something else\n", ()),
    ],
)
def test_the_agents_version_is_read_from_what_it_says(told: bytes, version: tuple[int, ...]) -> None:
    assert version_in(told) == version


def test_this_process_is_no_agent() -> None:
    assert not asyncio.run(has_pin_cache(os.getpid()))
