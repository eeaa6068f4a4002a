"""What happens to a PIN: when it is asked for, what the person reads, and that none is wasted."""

from __future__ import annotations

import asyncio
import hashlib
from urllib.parse import unquote

from scd.daemon.daemon import Daemon
from scd.gcrypt import digestinfo
from scd.token.errors import PinRequired
from tests.daemon.memory import Answer, Client, service_over, with_client
from tests.daemon.test_signing import grip
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import TRIES, FakeToken, always_token, work_token

BAD_PIN, CANCELED, PIN_BLOCKED, NO_PIN = 87, 99, 130, 178
WORK = b"work-pin-271828"
DATA = digestinfo.add("sha256", hashlib.sha256(b"x").digest()).hex()


async def sign(client: Client, token: FakeToken, *pins: bytes, label: str = "rsa2048") -> Answer:
    await client.ask(f"SETDATA {DATA}")
    client.pins = list(pins)
    return await client.ask(f"PKSIGN --hash=sha256 {grip(token, label)}")


def test_the_prompt_names_token_key_and_purpose() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        [asked] = (await sign(client, token, WORK)).asked
        text = unquote(asked)
        assert asked.startswith("NEEDPIN ||")
        for part in ('token "work"', "to sign", "CN=Alice Work RSA", "rsa2048"):
            assert part in text
        assert "try" not in text.lower()


def test_a_refused_pin_is_asked_for_again_and_the_prompt_says_why() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await sign(client, token, b"wrong one", WORK)
        assert answer.code == 0
        assert "refused" in answer.asked[1]
        assert "many tokens lock it" in answer.asked[1]


def test_the_last_try_is_announced() -> None:
    token = work_token()
    token.tries_left = 1

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await sign(client, token, WORK)
        assert "LAST TRY" in answer.asked[0]
        assert answer.code == 0


def test_the_same_wrong_pin_is_sent_once_only() -> None:
    """gpg's loopback mode answers every prompt with the same PIN; a script repeats its command."""
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        assert (await sign(client, token, b"wrong one", b"wrong one", b"wrong one")).code == BAD_PIN
        assert (await sign(client, token, b"wrong one")).code == BAD_PIN
        assert token.tries_left == TRIES - 1
        assert (await sign(client, token, WORK)).code == 0


def test_a_refused_pin_may_come_again_after_the_token_was_away() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await sign(client, token, b"wrong one")
        token.remove()
        await client.ask("SERIALNO")
        token.insert()
        token.pin = b"wrong one"
        await client.ask("SERIALNO")
        assert (await sign(client, token, b"wrong one")).code == 0


def test_an_empty_pin_and_one_of_a_wrong_length_cost_no_try() -> None:
    token = work_token()
    token.pin_max = 20
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        assert (await sign(client, token, b"", b"abc", b"x" * 21)).code == BAD_PIN
        assert (token.tries_left, module.count(Op.LOGIN)) == (TRIES, 0)


def test_cancelling_gives_one_error_and_the_connection_stays_in_step() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        assert (await sign(client, token)).code == CANCELED
        assert (await client.ask("GETINFO version")).data == b"99.0"


def test_a_locked_pin_is_not_asked_for() -> None:
    token = work_token()
    token.tries_left = 0

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await sign(client, token, WORK)
        assert (answer.code, answer.asked) == (PIN_BLOCKED, [])


def test_a_token_without_user_pin_says_so() -> None:
    token = work_token()
    token.pin = b""

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        assert (await sign(client, token, WORK)).code == NO_PIN


def test_at_the_pin_pad_no_pin_passes_the_client() -> None:
    token = work_token()
    token.pinpad, token.at_the_pinpad = True, WORK
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        answer = await sign(client, token)
        assert answer.code == 0
        assert [line.split()[0] for line in answer.asked] == ["POPUPPINPADPROMPT", "DISMISSPINPADPROMPT"]
        token.logged_in, token.at_the_pinpad = False, None
        answer = await sign(client, token)
        assert (answer.code, answer.asked[-1]) == (CANCELED, "DISMISSPINPADPROMPT")

    assert module.pins_seen == 0


def test_an_always_authenticate_key_asks_once_per_use() -> None:
    token = always_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        first = await sign(client, token, token.pin)
        second = await sign(client, token, token.pin)
        assert (first.code, second.code) == (0, 0)
        assert (len(first.asked), len(second.asked)) == (1, 1)
        assert "each use" in second.asked[0]


def test_a_wrong_context_pin_is_asked_for_again() -> None:
    token = always_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await sign(client, token, token.pin)
        answer = await sign(client, token, b"wrong one", token.pin)
        assert (answer.code, len(answer.asked)) == (0, 2)
        assert (await sign(client, token, b"wrong", b"wrong")).code == BAD_PIN
        assert token.tries_left == TRIES - 1


def test_the_login_survives_restart_but_not_reset_or_removal() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await sign(client, token, WORK)
        await client.ask("RESTART")
        assert (await sign(client, token)).code == 0
        await client.ask("RESET")
        assert (await sign(client, token)).code == CANCELED
        await sign(client, token, WORK)
        token.remove()
        token.insert()
        assert (await sign(client, token)).code == CANCELED


def test_a_lost_login_is_asked_for_again() -> None:
    """Another program may log the token out behind our back."""
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        await sign(client, token, WORK)
        module.fail_next(Op.SIGN, PinRequired("gone"))
        token.logged_in = False
        answer = await sign(client, token, WORK)
        assert (answer.code, len(answer.asked)) == (0, 1)


def test_pin_cache_zero_asks_for_every_operation() -> None:
    token = work_token()

    @with_client(FakeModule(token), lease_s=0)
    async def _(client: Client) -> None:
        assert (await sign(client, token, WORK)).code == 0
        assert not token.logged_in
        answer = await sign(client, token, WORK)
        assert (answer.code, len(answer.asked)) == (0, 1)


def test_pin_cache_ends_the_login_when_its_time_is_over() -> None:
    token = work_token()
    module = FakeModule(token)

    @with_client(module, lease_s=0.01)
    async def _(client: Client) -> None:
        gate = module.hold(Op.LOGOUT)
        await sign(client, token, WORK)
        await asyncio.wait_for(gate.reached.wait(), 10)
        gate.opened.set()
        while token.logged_in:
            await client.ask("NOP")
        assert (await sign(client, token)).code == CANCELED


def test_listing_commands_never_ask() -> None:
    """gpg-agent kills a connection that asks in one of these (protocol reference 4.6)."""
    token = work_token()
    for key in token.keys:
        key.hidden = True

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        for line in (
            "SERIALNO",
            "LEARN --force",
            "KEYINFO --list",
            "READKEY OPENPGP.1",
            "READCERT P11.01",
            "GETATTR $SIGNKEYID",
            "GETATTR KEY-FPR",
            f"KEYINFO {grip(token, 'rsa2048')}",
            "RESTART",
        ):
            assert (await client.ask(line)).asked == [], line


def test_a_key_that_hides_until_login_is_found_at_its_first_use() -> None:
    token = work_token()
    for key in token.keys:
        key.hidden = True

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        assert (await client.ask("KEYINFO --list")).lines == []
        assert (await sign(client, token, WORK)).code == 0
        assert len((await client.ask("KEYINFO --list")).status("KEYINFO")) == len(token.keys)


def test_checkpin_logs_in_once() -> None:
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        serial = (await client.ask("SERIALNO")).status("SERIALNO")[0]
        for name in (serial, f"{serial}[CHV1]", f"{serial}/ABCDEF", grip(token, "p256"), "OPENPGP.1", ""):
            client.pins = [WORK]
            assert (await client.ask(f"CHECKPIN {name}")).code == 0, name
        assert (await client.ask("CHECKPIN nonsense")).code == 118

    assert module.count(Op.LOGIN) == 1


def test_clients_at_the_same_time_share_one_prompt() -> None:
    token = work_token()
    module = FakeModule(token)

    async def main() -> None:
        daemon = Daemon(service_over(module))
        clients = [Client(daemon) for _ in range(8)]
        for client in clients:
            await client.line()
        answers = await asyncio.gather(*(sign(client, token, WORK) for client in clients))
        assert {answer.code for answer in answers} == {0}
        assert sum(len(answer.asked) for answer in answers) == 1
        for client in clients:
            client.task.cancel()
        await asyncio.gather(*(client.task for client in clients), return_exceptions=True)

    asyncio.run(main())
