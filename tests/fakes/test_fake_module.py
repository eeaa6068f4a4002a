"""What the fake can that the contract suite cannot ask of SoftHSM."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519

from scd.token.errors import (
    Canceled,
    ModuleCrashed,
    ModuleUnavailable,
    PinBlocked,
    PinIncorrect,
    PinLengthInvalid,
    PinNotSet,
    TokenNotPresent,
)
from scd.token.model import PinTries
from scd.token.port import DecryptRequest, KeyAddress, SignRequest
from scd.token.secrets import Pin
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import FakeToken, work_token, x25519_token
from tests.fakes.keys import private_key
from tests.worker.loop import in_loop

HASH = bytes(32)


def address(token: FakeToken, index: int) -> KeyAddress:
    key = token.keys[index]
    return KeyAddress(token.id, key.cka_id, key.shown(True).public)


@in_loop
async def test_tries_run_out_one_by_one_and_then_the_right_pin_is_refused_too() -> None:
    token = work_token()
    module = FakeModule(token)
    seen = []
    for _ in range(5):
        with pytest.raises(PinIncorrect):
            await module.login(token.id, Pin(b"wrong pin"))
        seen.append((await module.tokens())[0].pin_tries)
    assert seen == [PinTries.LOW, PinTries.LOW, PinTries.LOW, PinTries.FINAL, PinTries.LOCKED]
    with pytest.raises(PinBlocked):
        await module.login(token.id, Pin(token.pin))


@in_loop
async def test_a_pin_of_a_wrong_length_costs_no_try() -> None:
    token = work_token()
    with pytest.raises(PinLengthInvalid):
        await FakeModule(token).login(token.id, Pin(b"1"))
    assert token.tries is PinTries.FULL


@in_loop
async def test_a_token_without_a_pin_says_so() -> None:
    token = FakeToken("nopin")
    with pytest.raises(PinNotSet):
        await FakeModule(token).login(token.id, Pin(b"1234"))


@in_loop
async def test_the_pin_pad_takes_what_is_typed_there() -> None:
    token = work_token()
    token.pinpad = True
    module = FakeModule(token)
    with pytest.raises(Canceled):
        await module.login(token.id, None)
    token.at_the_pinpad = b"wrong pin"
    with pytest.raises(PinIncorrect):
        await module.login(token.id, None)
    token.at_the_pinpad = token.pin
    await module.login(token.id, None)
    assert token.logged_in


@in_loop
async def test_a_removed_token_is_gone_and_comes_back_logged_out() -> None:
    token = work_token()
    module = FakeModule(token)
    await module.login(token.id, Pin(token.pin))
    token.remove()
    assert await module.tokens() == ()
    with pytest.raises(TokenNotPresent):
        await module.sign(SignRequest(address(token, 1), HASH))
    token.insert()
    assert not (await module.tokens())[0].logged_in


@in_loop
async def test_a_hidden_key_shows_after_login() -> None:
    token = work_token()
    token.keys[0].hidden = True
    module = FakeModule(token)
    before = await module.objects(token.id)
    await module.login(token.id, Pin(token.pin))
    assert before is not None
    after = await module.objects(token.id, before.version)
    assert after is not None
    assert len(after.keys) == len(before.keys) + 1


@in_loop
async def test_x25519_agrees_on_u() -> None:
    token = x25519_token()
    module = FakeModule(token)
    await module.login(token.id, Pin(token.pin))
    peer = x25519.X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
    u = peer.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    own = private_key("x25519")
    assert isinstance(own, x25519.X25519PrivateKey)
    assert await module.decrypt(DecryptRequest(address(token, 0), u)) == peer.exchange(own.public_key())


@in_loop
async def test_scripted_failures_come_once_each_in_order() -> None:
    module = FakeModule(work_token())
    module.fail_next(Op.TOKENS, ModuleCrashed("first"), ModuleUnavailable("second"))
    with pytest.raises(ModuleCrashed):
        await module.tokens()
    with pytest.raises(ModuleUnavailable):
        await module.tokens()
    assert await module.tokens()


@in_loop
async def test_a_held_operation_waits_to_be_let_go() -> None:
    token = work_token()
    module = FakeModule(token)
    await module.login(token.id, Pin(token.pin))
    gate = module.hold(Op.SIGN)
    signing = asyncio.create_task(module.sign(SignRequest(address(token, 1), HASH)))
    await gate.reached.wait()
    assert not signing.done()
    gate.opened.set()
    assert await signing


@in_loop
async def test_the_log_of_calls_counts_pins_and_shows_none() -> None:
    token = work_token()
    module = FakeModule(token)
    await module.login(token.id, Pin(token.pin))
    await module.sign(SignRequest(address(token, 1), HASH))
    assert (module.count(Op.LOGIN), module.count(Op.SIGN, "work"), module.pins_seen) == (1, 1, 1)
    assert token.pin.decode() not in repr(module.calls)
