"""Who in a pool holds a login decides who is asked, who gets the PIN, and who tells what is there."""

from __future__ import annotations

import pytest

from scd.token.errors import ModuleCrashed, ModuleUnavailable, PinIncorrect, PinRequired
from scd.token.port import KeyAddress, SignRequest
from scd.token.secrets import Pin
from tests.fakes.fake_module import Op
from tests.worker.loop import in_loop
from tests.worker.pools import DIGEST, Pool

WRONG = b"wrong pin"


@in_loop
async def test_a_pin_is_checked_by_a_worker_that_is_not_logged_in(pool: Pool) -> None:
    """One that is would take any."""
    await pool.module.login(pool.token.id, pool.pin)
    pool.workers[2].restart()
    with pytest.raises(PinIncorrect):
        await pool.module.login(pool.token.id, Pin(WRONG))
    assert pool.counts(Op.LOGIN) == [1, 1, 2]


@in_loop
async def test_a_pin_that_no_worker_has_checked_goes_to_no_other(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    for worker in pool.workers[1:]:
        worker.restart()
        worker.fail_next(Op.LOGIN, ModuleUnavailable("back-off"))
    await pool.module.login(pool.token.id, Pin(WRONG))
    assert pool.counts(Op.LOGIN) == [2, 2, 2]


@in_loop
async def test_a_pin_goes_to_no_worker_that_is_logged_in_already(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    pool.workers[2].restart()
    await pool.module.login(pool.token.id, Pin(pool.token.pin))
    assert pool.counts(Op.LOGIN) == [1, 1, 2]


@in_loop
async def test_when_all_logins_are_lost_each_worker_is_asked_once(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    for worker in pool.workers:
        worker.slots[0].logged_in = False
    with pytest.raises(PinRequired):
        await pool.sign()
    assert pool.counts(Op.SIGN) == [1, 1, 1]


@in_loop
async def test_a_worker_with_the_login_that_is_not_available_is_asked_once(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    pool.workers[0].fail_next(Op.SIGN, *[ModuleUnavailable("back-off")] * 2)
    await pool.sign()
    assert pool.counts(Op.SIGN) == [1, 1, 0]


@in_loop
async def test_a_key_that_wants_its_pin_each_time_is_asked_of_one_worker_and_costs_no_login(pool: Pool) -> None:
    always = pool.workers[0].slots[1]
    await pool.module.login(always.id, Pin(always.pin))
    key = always.keys[0]
    address = KeyAddress(always.id, key.cka_id, key.shown(True).public)
    with pytest.raises(PinRequired):
        await pool.module.sign(SignRequest(address, DIGEST))
    assert sum(pool.counts(Op.SIGN)) == 1
    assert pool.module._holders(always.id) == [0, 1, 2]


@in_loop
async def test_what_a_login_shows_is_told_by_a_worker_that_has_it(pool: Pool) -> None:
    for worker in pool.workers:
        for key in worker.slots[0].keys:
            key.hidden = True
    await pool.module.login(pool.token.id, pool.pin)
    await pool.module.tokens()
    teller = next(worker for worker in pool.workers if worker.count(Op.TOKENS))
    teller.restart()
    found = await pool.module.objects(pool.token.id)
    assert found is not None
    assert found.keys


@in_loop
async def test_a_pin_is_changed_by_a_worker_that_keeps_its_login(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    pool.workers[0].restart()
    await pool.module.change_pin(pool.token.id, Pin(pool.token.pin), Pin(b"another-pin-1"))
    assert pool.counts(Op.CHANGE_PIN) == [0, 1, 0]
    assert pool.module._holders(pool.token.id) == [1]


@pytest.mark.parametrize("fails", [False, True])
@in_loop
async def test_after_a_logout_no_worker_counts_as_logged_in(pool: Pool, fails: bool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    if fails:
        pool.workers[2].fail_next(Op.LOGOUT, ModuleCrashed("gone"))
        with pytest.raises(ModuleCrashed):
            await pool.module.logout(pool.token.id)
    else:
        await pool.module.logout(pool.token.id)
    assert not (await pool.module.tokens())[0].logged_in
