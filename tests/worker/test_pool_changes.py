"""Several workers as one module: what one of them changes, and how the others come to know of it."""

from __future__ import annotations

import asyncio

import pytest

from scd.token.errors import (
    PinIncorrect,
    PinRequired,
    SoPinIncorrect,
)
from scd.token.model import DataRecord
from scd.token.port import GenerateRequest
from scd.token.secrets import Pin
from tests.fakes.fake_module import Op
from tests.worker.loop import in_loop
from tests.worker.pools import Pool


@in_loop
async def test_a_change_is_made_by_one_worker_that_is_logged_in(pool: Pool) -> None:
    pool.workers[1].slots[0].logged_in = True
    await pool.module.login(pool.token.id, pool.pin)
    await pool.module.write_data(pool.token.id, (DataRecord("login", b"alice"),))
    assert sorted(pool.counts(Op.WRITE_DATA)) == [0, 0, 1]


@in_loop
async def test_changes_come_one_after_the_other(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    gates = [worker.hold(Op.WRITE_DATA) for worker in pool.workers]
    writing = [
        asyncio.ensure_future(pool.module.write_data(pool.token.id, (DataRecord("n", b"%d" % n),))) for n in range(2)
    ]
    await asyncio.wait([asyncio.ensure_future(gate.reached.wait()) for gate in gates], return_when="FIRST_COMPLETED")
    assert sum(pool.counts(Op.WRITE_DATA)) == 1
    for gate in gates:
        gate.opened.set()
    await asyncio.gather(*writing)
    assert sum(pool.counts(Op.WRITE_DATA)) == 2


@in_loop
async def test_a_signature_does_not_wait_for_a_change(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    gates = [worker.hold(Op.GENERATE) for worker in pool.workers]
    request = GenerateRequest(pool.token.id, "nistp256", b"\x99", "new", True, True)
    making = asyncio.ensure_future(pool.module.generate(request))
    await asyncio.wait([asyncio.ensure_future(gate.reached.wait()) for gate in gates], return_when="FIRST_COMPLETED")
    assert await pool.sign()
    for gate in gates:
        gate.opened.set()
    assert (await making).algorithm == "nistp256"


@in_loop
async def test_a_changed_pin_is_sent_once_and_the_others_begin_anew(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    await pool.module.change_pin(pool.token.id, pool.pin, Pin(b"another pin"))
    assert sorted(pool.counts(Op.CHANGE_PIN)) == [0, 0, 1]
    assert sorted(worker.renewed for worker in pool.workers) == [0, 1, 1]
    assert [worker.renewed for worker in pool.workers] == [1 - count for count in pool.counts(Op.CHANGE_PIN)]
    assert (await pool.module.tokens())[0].logged_in
    assert await pool.sign()


@in_loop
async def test_a_pin_that_was_not_changed_disturbs_no_worker(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    with pytest.raises(PinIncorrect):
        await pool.module.change_pin(pool.token.id, Pin(b"wrong pin"), Pin(b"another pin"))
    assert sum(pool.counts(Op.CHANGE_PIN)) == 1
    assert not any(worker.renewed for worker in pool.workers)


@in_loop
async def test_the_officer_comes_when_no_worker_is_logged_in(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    seen = [worker.hold(Op.RESET_PIN) for worker in pool.workers]
    resetting = asyncio.ensure_future(
        pool.module.reset_pin(pool.token.id, Pin(pool.token.so_pin), Pin(b"another pin"))
    )  # fmt: skip
    await asyncio.wait([asyncio.ensure_future(gate.reached.wait()) for gate in seen], return_when="FIRST_COMPLETED")
    assert not any(worker.slots[0].logged_in for worker in pool.workers)
    for gate in seen:
        gate.opened.set()
    await resetting
    assert sorted(worker.renewed for worker in pool.workers) == [0, 1, 1]
    with pytest.raises(PinRequired):
        await pool.sign()


@in_loop
async def test_a_changed_so_pin_makes_the_others_begin_anew(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    await pool.module.change_so_pin(pool.token.id, Pin(pool.token.so_pin), Pin(b"another pin"))
    assert sorted(pool.counts(Op.CHANGE_SO_PIN)) == [0, 0, 1]
    assert [worker.renewed for worker in pool.workers] == [1 - count for count in pool.counts(Op.CHANGE_SO_PIN)]
    assert not (await pool.module.tokens())[0].logged_in


@in_loop
async def test_the_officers_pin_is_checked_by_one_worker_when_nobody_is_logged_in(pool: Pool) -> None:
    await pool.module.login(pool.token.id, pool.pin)
    seen = [worker.hold(Op.CHECK_SO_PIN) for worker in pool.workers]
    checking = asyncio.ensure_future(pool.module.check_so_pin(pool.token.id, Pin(b"not the SO PIN")))
    await asyncio.wait([asyncio.ensure_future(gate.reached.wait()) for gate in seen], return_when="FIRST_COMPLETED")
    assert not any(worker.slots[0].logged_in for worker in pool.workers)
    for gate in seen:
        gate.opened.set()
    with pytest.raises(SoPinIncorrect):
        await checking
    assert sum(pool.counts(Op.CHECK_SO_PIN)) == 1
    assert not any(worker.renewed for worker in pool.workers)


@in_loop
async def test_a_client_that_leaves_does_not_leave_the_others_with_the_old_pin(pool: Pool) -> None:
    gates = [worker.hold(Op.CHANGE_PIN) for worker in pool.workers]
    changing = asyncio.ensure_future(pool.module.change_pin(pool.token.id, pool.pin, Pin(b"another pin")))
    await asyncio.wait([asyncio.ensure_future(gate.reached.wait()) for gate in gates], return_when="FIRST_COMPLETED")
    changing.cancel()
    for gate in gates:
        gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await changing
    for worker in pool.workers:
        worker.slots[0].pin = b"another pin"  # on real workers it is one token
    await pool.module.login(pool.token.id, Pin(b"another pin"))  # its turn comes when the change is done
    assert sorted(worker.renewed for worker in pool.workers) == [0, 1, 1]
