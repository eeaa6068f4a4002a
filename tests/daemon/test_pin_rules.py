"""How long a refused PIN is remembered, what is sent again, which try locks, and when a login and its lease end."""

from __future__ import annotations

import asyncio
import logging

import pytest

from scd.daemon.daemon import Daemon
from scd.service.pins.dialogue import REMEMBERED_S, Dialogue
from scd.token.errors import PinRequired, TokenFailure
from tests.daemon.memory import Client, service_over, with_client
from tests.daemon.test_pin_cache import CachingClient, prompts, with_cache
from tests.daemon.test_pins import BAD_PIN, DATA, WORK, sign
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import TRIES, work_token

WRONG = b"wrong one"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def with_clock(module: FakeModule) -> tuple[Client, Clock]:
    service, clock = service_over(module), Clock()
    service.logins.dialogue = Dialogue(clock)
    return Client(Daemon(service)), clock


@pytest.mark.parametrize(("after_s", "sent"), [(REMEMBERED_S - 1, 1), (REMEMBERED_S, 2)])
def test_a_refused_pin_is_remembered_for_five_minutes(after_s: float, sent: int) -> None:
    token = work_token()
    module = FakeModule(token)

    async def main() -> None:
        client, clock = with_clock(module)
        await client.line()
        assert (await sign(client, token, WRONG)).code != 0
        clock.now_s += after_s
        await sign(client, token, WRONG)
        assert module.pins_seen == sent
        client.task.cancel()
        await asyncio.gather(client.task, return_exceptions=True)

    asyncio.run(main())


def test_a_refused_pin_may_come_again_when_the_token_counts_anew() -> None:
    """Another program has set it, or had the right one."""
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        await sign(client, token, WRONG)
        assert (await sign(client, token, WRONG)).code == BAD_PIN
        assert module.pins_seen == 1
        token.pin, token.tries_left = WRONG, TRIES
        assert (await sign(client, token, WRONG)).code == 0


def test_the_try_that_locks_the_pin_is_a_warning_that_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    token = work_token()
    token.tries_left = 2

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await sign(client, token, WRONG)
        assert "locked" not in caplog.text
        await sign(client, token, b"another")
        (locked,) = [record for record in caplog.records if "locked now" in record.getMessage()]
        assert locked.levelno == logging.WARNING
        assert "gpg --change-pin" in locked.getMessage()


def test_a_login_that_turns_out_to_be_lost_is_asked_for_again() -> None:
    token = work_token()
    module = FakeModule(token)
    module.fail_next(Op.LOGIN, PinRequired("nobody is logged in after all"))

    @with_client(module)
    async def _(client: Client) -> None:
        answer = await sign(client, token, WORK, WORK)
        assert (answer.code, len(answer.asked)) == (0, 2)
        assert "lost its login" in answer.asked[1]


def test_a_login_that_fails_for_another_reason_takes_the_pin_out_of_the_agents_cache() -> None:
    """Else it would be sent with every command, and might be counted each time."""
    token = work_token()

    @with_cache(token)
    async def _(client: CachingClient) -> None:
        assert (await sign(client, token, WORK)).code == 0
        module = client.connection.service.catalogue.registry.modules[0].module
        assert isinstance(module, FakeModule)
        module.fail_next(Op.LOGIN, TokenFailure("CKR_GENERAL_ERROR"))
        assert (await sign(client, token)).code != 0
        assert prompts((await sign(client, token, WORK)).asked) == 1


def test_a_new_lease_takes_the_place_of_the_last_one() -> None:
    token = work_token()
    module = FakeModule(token)

    async def main() -> None:
        service = service_over(module, lease_s=100_000)
        client = Client(Daemon(service))
        await client.line()
        assert (await sign(client, token, WORK)).code == 0
        token.logged_in = False  # by another program
        service.logins.lease_s = 0.01
        gate = module.hold(Op.LOGOUT)
        assert (await sign(client, token, WORK)).code == 0
        await asyncio.wait_for(gate.reached.wait(), 10)
        gate.opened.set()
        client.task.cancel()
        await asyncio.gather(client.task, return_exceptions=True)

    asyncio.run(main())


def test_an_operation_does_not_put_off_the_end_of_the_lease() -> None:
    token = work_token()

    async def main() -> None:
        service = service_over(FakeModule(token), lease_s=100_000)
        client = Client(Daemon(service))
        await client.line()
        await sign(client, token, WORK)
        (before,) = service.logins._timers.values()
        await sign(client, token)
        assert list(service.logins._timers.values()) == [before]
        client.task.cancel()
        await asyncio.gather(client.task, return_exceptions=True)

    asyncio.run(main())


def test_forcesig_is_for_signatures_alone() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        client.pins = [WORK]
        assert (await client.ask("SETATTR CHV-STATUS-1 %00")).code == 0
        await client.ask(f"SETDATA {DATA}")
        client.pins = [WORK]
        assert len((await client.ask("CHECKPIN")).asked) <= 1
        assert token.logged_in
        (keyref,) = (await client.ask("GETATTR $SIGNKEYID")).status("$SIGNKEYID")
        answer = await client.ask(f"PKAUTH {keyref}")
        assert (answer.code, answer.asked) == (0, [])
        assert token.logged_in
        client.pins = [WORK]
        answer = await client.ask(f"PKSIGN --hash=sha256 {keyref}")
        assert (answer.code, len(answer.asked)) == (0, 1)
        assert not token.logged_in
