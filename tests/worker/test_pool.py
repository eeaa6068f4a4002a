"""Several workers as one module: who is asked, who holds the login, and how often a PIN is sent."""

from __future__ import annotations

import asyncio

import pytest

from scd.cryptoki.worker.pool import PooledModule
from scd.token.errors import (
    ModuleCrashed,
    ModuleUnavailable,
    PinIncorrect,
    PinRequired,
    TokenNotPresent,
)
from scd.token.port import DecryptRequest, KeyAddress, SignRequest
from scd.token.secrets import Pin
from tests.fakes.fake_module import Op
from tests.worker.loop import in_loop
from tests.worker.pools import DIGEST, Pool


@in_loop
async def test_a_refused_pin_is_sent_once(pool: Pool) -> None:
    with pytest.raises(PinIncorrect):
        await pool.module.login(pool.token.id, Pin(b"wrong pin"))
    assert sorted(pool.counts(Op.LOGIN)) == [0, 0, 1]


@in_loop
async def test_an_accepted_pin_logs_all_workers_in(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    assert [worker.slots[0].logged_in for worker in pool.workers] == [True] * 3


@in_loop
async def test_the_pin_pad_is_asked_once(pool: Pool) -> None:
    for worker in pool.workers:
        worker.slots[0].pinpad, worker.slots[0].at_the_pinpad = True, worker.slots[0].pin
    await pool.module.login(pool.token.id, None)
    assert sum(worker.slots[0].logged_in for worker in pool.workers) == 1
    assert await pool.sign()
    objects = await pool.module.objects(pool.token.id)
    assert objects is not None
    assert all(key.private_seen for key in objects.keys)  # told by the one that is logged in


@in_loop
async def test_without_a_login_anywhere_a_pin_is_required(pool: Pool) -> None:
    with pytest.raises(PinRequired):
        await pool.sign()
    assert sum(pool.counts(Op.SIGN)) == 1


@in_loop
async def test_work_goes_to_the_least_busy_worker(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    pool.workers[0].load, pool.workers[1].load = 2, 1
    await pool.sign()
    assert pool.counts(Op.SIGN) == [0, 0, 1]


@in_loop
async def test_a_worker_that_restarted_is_spared_while_another_is_logged_in(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    pool.workers[0].restart()
    pool.workers[1].load = pool.workers[2].load = 5
    await pool.sign()
    assert pool.counts(Op.SIGN) == [0, 1, 0]


@in_loop
async def test_a_worker_that_lost_its_login_unnoticed_hands_the_work_on(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    pool.workers[0].slots[0].logged_in = False
    await pool.sign()
    await pool.sign()
    assert pool.counts(Op.SIGN) == [1, 2, 0]  # asked once, then known to be of no use


@in_loop
async def test_when_all_logins_are_lost_a_pin_is_required_and_then_all_work_again(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    for worker in pool.workers:
        worker.slots[0].logged_in = False
    with pytest.raises(PinRequired):
        await pool.sign()
    await pool.module.login(pool.token.id, pool.pin)
    assert [worker.slots[0].logged_in for worker in pool.workers] == [True] * 3


@in_loop
async def test_a_context_pin_goes_to_one_worker(pool: Pool) -> None:
    always = pool.workers[0].slots[1]
    key = always.keys[1]
    address = KeyAddress(always.id, key.cka_id, key.shown(True).public)
    await pool.module.login(always.id, Pin(always.pin))
    sent = sum(worker.pins_seen for worker in pool.workers)
    with pytest.raises(PinRequired) as need:
        await pool.module.sign(SignRequest(address, DIGEST))
    assert need.value.context
    with pytest.raises(PinIncorrect):
        await pool.module.sign(SignRequest(address, DIGEST, Pin(b"wrong pin")))
    assert sum(worker.pins_seen for worker in pool.workers) == sent + 1


@in_loop
async def test_a_worker_that_is_not_available_is_passed_over(pool: Pool) -> None:
    pool.workers[0].available = False
    await pool.module.tokens()
    await pool.module.login(pool.token.id, pool.pin)
    await pool.sign()
    assert pool.counts(Op.TOKENS) == [0, 1, 0]
    assert pool.counts(Op.SIGN) == [0, 1, 0]


@in_loop
async def test_a_worker_that_turns_out_not_to_be_available_hands_on(pool: Pool) -> None:
    for op in (Op.TOKENS, Op.LOGIN, Op.SIGN):
        pool.workers[0].fail_next(op, ModuleUnavailable("back-off"))
    assert await pool.module.tokens()
    await pool.module.login(pool.token.id, pool.pin)
    pool.workers[1].load = pool.workers[2].load = 5
    assert await pool.sign()


@in_loop
async def test_with_no_worker_available_the_reason_is_told(pool: Pool) -> None:
    for worker in pool.workers:
        for op in (Op.TOKENS, Op.SIGN):
            worker.fail_next(op, ModuleUnavailable("no library"))
    with pytest.raises(ModuleUnavailable, match="no library"):
        await pool.module.tokens()
    with pytest.raises(ModuleUnavailable, match="no library"):
        await pool.sign()


@in_loop
async def test_a_crash_is_not_tried_on_the_other_workers(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    pool.workers[0].fail_next(Op.SIGN, ModuleCrashed("gone"))
    with pytest.raises(ModuleCrashed):
        await pool.sign()
    assert sum(pool.counts(Op.SIGN)) == 1


@in_loop
async def test_a_worker_that_fails_to_follow_a_login_is_not_used(pool: Pool) -> None:
    pool.workers[2].fail_next(Op.LOGIN, ModuleCrashed("gone"))
    await pool.module.login(pool.token.id, pool.pin)
    pool.workers[0].load = pool.workers[1].load = 5
    await pool.sign()
    assert pool.counts(Op.SIGN) == [1, 0, 0]


@in_loop
async def test_an_accepted_pin_goes_to_one_worker_after_the_other(pool: Pool) -> None:
    gate = pool.workers[1].hold(Op.LOGIN)
    login = asyncio.ensure_future(pool.module.login(pool.token.id, pool.pin))
    await gate.reached.wait()
    assert pool.counts(Op.LOGIN) == [1, 1, 0]
    gate.opened.set()
    await login
    assert pool.counts(Op.LOGIN) == [1, 1, 1]


@in_loop
async def test_a_refusal_by_another_worker_ends_it_and_the_login_of_the_first_stands(pool: Pool) -> None:
    """Each may cost a try; and ERR would be a lie as long as one worker holds the login."""
    pool.workers[1].slots[0].pin = b"changed by another program"
    await pool.module.login(pool.token.id, pool.pin)
    assert pool.counts(Op.LOGIN) == [1, 1, 0]
    assert await pool.sign()
    assert pool.counts(Op.SIGN) == [1, 0, 0]


@in_loop
async def test_who_holds_a_login_is_known_by_worker_and_by_its_life(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    pool.workers[0].restart()
    pool.workers[1].restart()
    pool.workers[2].load = 9
    await pool.sign()
    assert pool.counts(Op.SIGN) == [0, 0, 1]  # the busiest, but the only one that still holds it
    assert await pool.module.objects(pool.token.id)
    assert pool.counts(Op.OBJECTS) == [0, 0, 1]


@in_loop
async def test_nothing_new_is_told_by_the_same_worker_only(pool: Pool) -> None:
    first = await pool.module.objects(pool.token.id)
    assert first is not None
    assert await pool.module.objects(pool.token.id, first.version) is None
    pool.workers[0].available = False
    second = await pool.module.objects(pool.token.id, first.version)
    assert second is not None
    assert second.version != first.version
    assert await pool.module.objects(pool.token.id, second.version) is None


@in_loop
async def test_a_token_is_logged_in_when_one_worker_is(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    pool.workers[0].restart()
    assert [info.logged_in for info in await pool.module.tokens()] == [True, False]


@in_loop
async def test_logout_and_close_reach_all(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    await pool.module.logout(pool.token.id)
    assert [worker.slots[0].logged_in for worker in pool.workers] == [False] * 3
    with pytest.raises(PinRequired):
        await pool.sign()
    await pool.module.close()
    assert all(worker.closed for worker in pool.workers)


@in_loop
async def test_one_failure_does_not_keep_the_others_from_logging_out(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    pool.workers[0].fail_next(Op.LOGOUT, ModuleCrashed("gone"))
    with pytest.raises(ModuleCrashed):
        await pool.module.logout(pool.token.id)
    assert [worker.slots[0].logged_in for worker in pool.workers[1:]] == [False, False]


@in_loop
async def test_errors_of_the_token_are_the_callers(pool: Pool) -> None:
    pool.workers[0].slots[0].remove()
    with pytest.raises(TokenNotPresent):
        await pool.module.objects(pool.token.id)


@in_loop
async def test_two_logins_at_once_send_a_wrong_pin_twice_and_not_more(pool: Pool) -> None:
    outcomes = await asyncio.gather(
        *(pool.module.login(pool.token.id, Pin(b"wrong pin")) for _ in range(2)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [PinIncorrect, PinIncorrect]
    assert sum(pool.counts(Op.LOGIN)) == 2


@in_loop
async def test_decryption_goes_the_same_way(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    key = pool.token.keys[5]
    address = KeyAddress(pool.token.id, key.cka_id, key.shown(True).public)
    pool.workers[0].restart()
    assert len(await pool.module.decrypt(DecryptRequest(address, key.shown(True).public.q))) == 32  # type: ignore[union-attr]  # a P-256 key
    assert pool.counts(Op.DECRYPT) == [0, 1, 0]


def test_starting_the_pool_starts_every_worker() -> None:
    pool = Pool()
    PooledModule(pool.workers).start()
    assert all(worker.started for worker in pool.workers)


@in_loop
async def test_the_teller_answers_for_events(pool: Pool) -> None:
    await pool.module.tokens()
    assert await pool.module.slots_changed() is True
    assert await pool.module.slots_changed() is False
    assert sorted(pool.counts(Op.SLOTS_CHANGED)) == [0, 0, 2]
    assert pool.counts(Op.SLOTS_CHANGED) == [2 * count for count in pool.counts(Op.TOKENS)]


@in_loop
async def test_a_token_that_is_gone_is_logged_out_in_the_workers_that_have_not_missed_it(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    assert all(worker.slots[0].logged_in for worker in pool.workers)
    teller = next(worker for worker in pool.workers if worker.count(Op.LOGIN))
    teller.slots[0].remove()
    await pool.module.tokens()
    for worker in pool.workers:
        worker.slots[0].insert()
    with pytest.raises(PinRequired):
        await pool.sign()
    assert not (await pool.module.tokens())[0].logged_in


@in_loop
async def test_a_busy_worker_does_not_hold_up_the_listing_that_misses_a_token(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    gates = [worker.hold(Op.LOGOUT) for worker in pool.workers]
    for worker in pool.workers:
        worker.slots[0].remove()
    async with asyncio.timeout(10):
        await pool.module.tokens()
    for gate in gates:
        gate.opened.set()
