"""A slow module is waited for once, for five seconds; then it is in nobody's way until it answers by itself."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from scd.service.finding.registry import RegisteredModule, Registry
from scd.token.errors import ModuleTimeout, ModuleUnavailable, TokenFailure
from tests.daemon.memory import service_over
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import always_token, backup_token, work_token
from tests.harness.quicktime import now, quickly

LATE = ModuleTimeout("module slow did not answer within 60 s")


class Two:
    """A module that is slow and one that is not."""

    def __init__(self) -> None:
        self.slow, self.other = FakeModule(work_token(), always_token()), FakeModule(backup_token())
        self.first = RegisteredModule("slow", self.slow)
        self.second = RegisteredModule("other", self.other)
        self.registry = Registry((self.first, self.second))

    async def rescan(self) -> float:
        """How long it takes."""
        before = now()
        await self.registry.rescan(again=True)
        return now() - before


@pytest.fixture
def two() -> Two:
    return Two()


@quickly
async def test_a_module_that_hangs_is_waited_for_once(two: Two) -> None:
    two.slow.hold(Op.TOKENS)
    assert await two.rescan() == 5
    assert [await two.rescan() for _ in range(9)] == [0] * 9
    assert two.slow.count(Op.TOKENS) == 1
    assert two.other.count(Op.TOKENS) == 10
    assert len(two.second.tokens) == 1


@quickly
async def test_all_who_wait_lose_their_patience_at_the_same_time(two: Two) -> None:
    two.slow.hold(Op.TOKENS)
    first = asyncio.create_task(two.rescan())
    await asyncio.sleep(3)
    assert await two.rescan() == 2
    assert await first == 5


@quickly
async def test_a_module_takes_part_again_as_soon_as_it_has_answered(two: Two, caplog: pytest.LogCaptureFixture) -> None:
    gate = two.slow.hold(Op.TOKENS)
    await two.rescan()
    assert two.first.is_left_out
    assert two.first.failure == "it has not answered within 5 s"
    gate.opened.set()
    assert two.first._return is not None
    await two.first._return
    assert len(two.first.tokens) == 2
    assert not two.first.failure
    assert await two.rescan() == 0
    assert two.slow.count(Op.TOKENS) == 2
    assert [line for line in caplog.messages if "left out" in line or "again" in line] == [
        "module=slow op=tokens result=slow: it is left out until it answers"
    ]


@quickly
async def test_a_module_that_hangs_later_keeps_what_it_showed(two: Two) -> None:
    await two.rescan()
    two.slow.hold(Op.TOKENS)
    assert await two.rescan() == 5
    assert await two.rescan() == 0
    assert len(two.first.tokens) == len(two.first.objects) == 2


@quickly
async def test_a_module_that_was_ended_is_tried_again_by_itself_after_longer_and_longer_pauses(two: Two) -> None:
    two.slow.fail_next(Op.TOKENS, *[LATE] * 8)
    assert await two.rescan() == 0
    assert two.first.failure == "module slow did not answer within 60 s"
    seen = [0.0]
    while two.first.is_left_out:
        tries = two.slow.count(Op.TOKENS)
        while two.first.is_left_out and two.slow.count(Op.TOKENS) == tries:
            await asyncio.sleep(0.25)
            assert await two.rescan() == 0
        seen.append(now())
    pauses = [after - before for before, after in itertools.pairwise(seen)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30], abs=0.25)
    assert two.slow.count(Op.TOKENS) == 9
    assert len(two.first.tokens) == 2


@quickly
async def test_a_module_that_cannot_be_loaded_is_asked_each_time(two: Two) -> None:
    """That costs nothing, and it may be there now."""
    two.slow.fail_next(Op.TOKENS, ModuleUnavailable("no library", wait_s=1), TokenFailure("CKR_DEVICE_ERROR"))
    assert [await two.rescan() for _ in range(3)] == [0, 0, 0]
    assert two.slow.count(Op.TOKENS) == 3
    assert len(two.first.tokens) == 2


@quickly
async def test_a_token_that_hangs_when_it_is_listed_is_waited_for_once(two: Two) -> None:
    two.slow.fail_next(Op.OBJECTS, LATE, LATE, after=1)
    assert await two.rescan() == 0
    assert two.first.is_left_out
    assert [bool(one.keys) for one in two.first.objects.values()] == [True, False]
    assert await two.rescan() == 0
    assert two.slow.count(Op.OBJECTS) == 2
    assert two.first._return is not None
    await two.first._return
    assert [bool(one.keys) for one in two.first.objects.values()] == [True, True]


@quickly
async def test_reading_anew_has_a_patience_too(two: Two) -> None:
    await two.rescan()
    gate = two.slow.hold(Op.OBJECTS)
    before = now()
    await asyncio.gather(two.first.reread(), two.second.reread())
    assert now() - before == 5
    assert await two.rescan() == 0
    gate.opened.set()


@quickly
async def test_the_data_of_a_token_have_a_patience_too(two: Two) -> None:
    service = service_over(two.slow, two.other)
    two.slow.hold(Op.READ_DATA)
    before = now()
    await service.rescan()
    assert now() - before == 5
    for _ in range(5):
        await service.rescan(again=True)
        await service.reread()
    assert now() - before == 5
    assert two.slow.count(Op.READ_DATA) == 2  # one of each token
    assert two.other.count(Op.READ_DATA) == 6


@quickly
async def test_a_module_that_is_left_out_is_not_asked_for_news(two: Two) -> None:
    await two.rescan()
    two.slow.hold(Op.TOKENS)
    await two.rescan()
    assert two.first.notice() is None
    await two.registry.notice()
    assert two.slow.count(Op.SLOTS_CHANGED) == 0


@quickly
async def test_nothing_is_tried_after_the_end(two: Two) -> None:
    two.slow.fail_next(Op.TOKENS, LATE)
    await two.rescan()
    await two.registry.close()
    await asyncio.sleep(100)
    assert two.slow.count(Op.TOKENS) == 1
    assert not two.first.is_left_out
