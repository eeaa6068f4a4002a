"""The Admin PIN, which is the security officer's: it sets PINs, is changed and compared."""

from __future__ import annotations

import pytest

from scd.token.errors import NotSupported
from tests.daemon.memory import Client, with_client
from tests.daemon.passwd import (
    CONDITIONS,
    NEW,
    NEW_SO,
    OFFICERS,
    SO,
    UNSUPPORTED,
    ask,
    flags,
    texts,
)
from tests.daemon.test_pins import BAD_PIN, CANCELED, NO_PIN, PIN_BLOCKED, WORK, sign
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import TRIES, work_token


def test_each_pins_refusals_are_its_own() -> None:
    token = work_token()
    token.so_pin = b"same for both"

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        assert (await ask(client, "PASSWD 1", b"same for both", NEW)).code == CANCELED
        assert (await ask(client, "CHECKPIN {}[CHV3]", b"same for both")).code == 0
        assert (await ask(client, "PASSWD 1", b"same for both")).code == BAD_PIN


@pytest.mark.parametrize(("line", "op"), OFFICERS)
def test_an_empty_so_pin_is_not_sent(line: str, op: Op) -> None:
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        answer = await ask(client, line, b"", b"")
        assert (answer.code, module.count(op)) == (BAD_PIN, 0)
        assert "empty PIN" in texts(answer)[1]


def test_an_officers_pin_may_be_longer_than_a_users() -> None:
    token = work_token()
    token.so_pin, token.pin_max = b"0102030405060708" * 3, 40

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        assert (await ask(client, "PASSWD --reset 1", token.so_pin, NEW)).code == 0


def test_the_officer_sets_a_new_pin() -> None:
    token = work_token()
    token.tries_left = 0

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await ask(client, "PASSWD --reset 1", SO, NEW)
        assert (answer.code, flags(answer)) == (0, ["A", "N"])
        assert "Admin PIN (SO PIN)" in texts(answer)[0]
        assert "set a new PIN" in texts(answer)[0]
        assert (token.pin, token.tries_left) == (NEW, TRIES)
        assert (await sign(client, token, NEW)).code == 0


def test_a_reset_ends_the_login() -> None:
    token = work_token()

    @with_client(FakeModule(token), lease_s=1000)
    async def _(client: Client) -> None:
        await sign(client, token, WORK)
        assert (await ask(client, "PASSWD --reset OPENPGP.1", SO, NEW)).code == 0
        answer = await sign(client, token, NEW)
        assert (answer.code, len(answer.asked)) == (0, 1)


def test_what_only_a_login_shows_is_gone_after_the_officers_visit() -> None:
    token = work_token()
    for key in token.keys:
        key.hidden = True

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await ask(client, "CHECKPIN", WORK)
        assert (await client.ask("LEARN --force")).status("KEYPAIRINFO")
        assert (await ask(client, "CHECKPIN {}[CHV3]", SO)).code == 0
        assert not (await client.ask("LEARN --force")).status("KEYPAIRINFO")


@pytest.mark.parametrize("form", ["PASSWD  3", "PASSWD OPENPGP.3"])
def test_the_so_pin_is_changed(form: str) -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await ask(client, form, SO, NEW_SO)
        assert (answer.code, flags(answer)) == (0, ["A", "AN"])
        assert 'new Admin PIN (SO PIN) for token "work"' in texts(answer)[1]
        assert (token.so_pin, token.pin) == (NEW_SO, WORK)


def test_a_wrong_so_pin_is_asked_for_again() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        for line, right in (("PASSWD --reset 1", SO), ("PASSWD 3", SO)):
            answer = await ask(client, line, b"wrong one", NEW, right)
            assert (answer.code, len(answer.asked)) == (0, 3), line
            assert "The Admin PIN (SO PIN) was refused." in texts(answer)[2]
            assert "many tokens lock it" in texts(answer)[2]
            token.so_pin = SO


@pytest.mark.parametrize(("line", "op"), OFFICERS)
def test_the_last_try_of_the_so_pin_is_announced_and_a_locked_one_is_not_asked_for(line: str, op: Op) -> None:
    token = work_token()
    token.so_tries_left = 1
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        answer = await ask(client, line, b"wrong one", *([] if "CHECK" in line else [NEW]))
        assert "LAST TRY" in texts(answer)[0]
        assert answer.code == PIN_BLOCKED
        answer = await ask(client, line, SO, NEW)
        assert (answer.code, answer.asked, module.count(op)) == (PIN_BLOCKED, [], 1)


def test_a_token_without_a_pin_gets_its_first_one_from_the_officer() -> None:
    token = work_token()
    token.pin = b""

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await ask(client, "PASSWD 1", WORK, NEW)
        assert (answer.code, answer.asked) == (NO_PIN, [])
        answer = await ask(client, "PASSWD --nullpin 1", SO, NEW)
        assert (answer.code, flags(answer), token.pin) == (0, ["A", "N"], NEW)
        assert (await ask(client, "PASSWD --nullpin 1", SO, WORK)).code == CONDITIONS


@pytest.mark.parametrize(("line", "op"), [("PASSWD 1", Op.CHANGE_PIN), *OFFICERS])
def test_at_the_pin_pad_no_pin_passes_the_client(line: str, op: Op) -> None:
    token = work_token()
    token.pinpad, token.at_the_pinpad, token.officer_at_the_pinpad = True, WORK, SO
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        answer = await ask(client, line)
        assert (answer.code, module.pins_seen, module.count(op)) == (0, 0, 1)
        assert [asked.split()[0] for asked in answer.asked] == ["POPUPPINPADPROMPT", "DISMISSPINPADPROMPT"]
        assert "at the reader's pin pad" in texts(answer)[0]
        assert ("then the new" in texts(answer)[0]) == line.startswith("PASSWD")
        token.at_the_pinpad = token.officer_at_the_pinpad = None
        answer = await ask(client, line)
        assert (answer.code, answer.asked[-1]) == (CANCELED, "DISMISSPINPADPROMPT")
        token.tries_left = token.so_tries_left = 0
        answer = await ask(client, line)
        assert (answer.code, answer.asked) == (PIN_BLOCKED, [])


@pytest.mark.parametrize(("line", "op"), OFFICERS)
def test_a_token_that_cannot_do_it_says_so(line: str, op: Op) -> None:
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        module.fail_next(op, NotSupported("no such function"))
        assert (await ask(client, line, SO, NEW)).code == UNSUPPORTED
