"""How often a command asks the module, and what becomes of keys that take the place of others."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from scd.token.errors import NotSupported, TokenFailure
from tests.daemon.memory import Client, with_client
from tests.daemon.test_new_keys import EC, EMPTY, grips, places, with_pin
from tests.daemon.test_pins import WORK, sign
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import FakeToken, empty_token, work_token


def asked(module: FakeModule) -> Counter[Op]:
    """What the module was asked since the last time."""
    made, module.calls = Counter(call.op for call in module.calls), []
    return made


def test_a_prompt_asks_one_token_once_and_again_after_a_wrong_pin() -> None:
    token = work_token()
    module = FakeModule(token, empty_token())

    @with_client(module)
    async def _(client: Client) -> None:
        await client.ask("LEARN --force")
        asked(module)
        answer = await sign(client, token, b"wrong-pin", WORK)
        assert (answer.code, len(answer.asked)) == (0, 2)
        made = asked(module)
        assert (made[Op.TOKENS], made[Op.TOKEN], made[Op.LOGIN], made[Op.SIGN]) == (0, 2, 2, 2)


def test_checkpin_when_the_pin_was_given() -> None:
    module = FakeModule(work_token())

    @with_client(module)
    async def _(client: Client) -> None:
        assert len((await with_pin(client, "CHECKPIN", WORK)).asked) == 1
        asked(module)
        assert (await client.ask("CHECKPIN")).code == 0
        assert asked(module).total() <= 2


def test_all_that_is_written_down_of_a_key_is_one_call() -> None:
    module = FakeModule(empty_token())

    @with_client(module)
    async def _(client: Client) -> None:
        await client.ask("LEARN --force")
        await with_pin(client, "CHECKPIN", EMPTY)
        asked(module)
        await with_pin(client, f"GENKEY {EC} 1")
        made = asked(module)
        assert (made[Op.READ_DATA], made[Op.WRITE_DATA], made[Op.GENERATE]) == (0, 1, 1)
        await client.ask(f"GENKEY --force {EC} 1")
        made = asked(module)
        assert (made[Op.READ_DATA], made[Op.WRITE_DATA], made[Op.GENERATE], made[Op.DESTROY_KEY]) == (0, 2, 1, 1)


async def one_key(client: Client, token: FakeToken) -> str:
    await with_pin(client, f"GENKEY {EC} 1", EMPTY)
    (grip,) = grips(token)
    return grip


def test_a_key_that_replaces_another_is_made_before_that_goes() -> None:
    token = empty_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        old = await one_key(client, token)
        asked(module)
        assert (await client.ask(f"GENKEY --force {EC} {old}")).code == 0
        changes = {Op.GENERATE, Op.MOVE_KEY, Op.WRITE_DATA, Op.DESTROY_KEY}
        made = [call.op for call in module.calls if call.op in changes]
        assert made == [Op.GENERATE, Op.MOVE_KEY, Op.WRITE_DATA, Op.DESTROY_KEY, Op.WRITE_DATA]
        assert [key.cka_id for key in token.keys] == [b"\1"]


@pytest.mark.parametrize("op", [Op.GENERATE, Op.MOVE_KEY, Op.WRITE_DATA, Op.DESTROY_KEY])
def test_the_old_key_stays_as_it_was_whatever_fails(op: Op) -> None:
    token = empty_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        old = await one_key(client, token)
        before = dict(token.data), await places(client)
        module.fail_next(op, TokenFailure("CKR_DEVICE_ERROR"))
        assert (await client.ask(f"GENKEY --force {EC} {old}")).code != 0
        assert (grips(token), [key.cka_id for key in token.keys]) == ([old], [b"\1"])
        assert (dict(token.data), await places(client)) == before


def test_where_no_id_can_be_changed_the_new_key_has_its_own() -> None:
    token = empty_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        old = await one_key(client, token)
        module.fail_next(Op.MOVE_KEY, NotSupported("CKR_ATTRIBUTE_READ_ONLY"))
        answer = await client.ask(f"GENKEY --force {EC} {old}")
        assert answer.code == 0
        (key,) = token.keys
        assert key.cka_id == b"\2"
        assert answer.status("KEYPAIRINFO")[0].split()[0] == key.keygrip.hex().upper() != old


def test_two_keys_that_cannot_be_told_apart_never_share_an_id() -> None:
    token = empty_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        await one_key(client, token)
        token.keys[0] = replace(token.keys[0], always_authenticate=True)
        await client.ask("LEARN --force")
        asked(module)
        assert (await client.ask(f"GENKEY --force {EC} {grips(token)[0]}")).code == 0
        assert asked(module)[Op.MOVE_KEY] == 0
        assert [key.cka_id for key in token.keys] == [b"\2"]
