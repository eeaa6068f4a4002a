"""The daemon's event loop: it does what is ready before it asks for more, and nobody waits long for that."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from scd.daemon.loop import new_loop


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = new_loop()
    yield made
    made.close()


def test_callbacks_that_follow_each_other_without_end_do_not_keep_a_client_waiting(
    loop: asyncio.AbstractEventLoop,
) -> None:
    ours, theirs = socket.socketpair()
    rounds = 0
    heard_after: list[int] = []

    def again() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 10:
            theirs.send(b"x")
        if rounds < 100:
            loop.call_soon(again)
        else:
            loop.stop()

    def heard() -> None:
        loop.remove_reader(ours)
        heard_after.append(rounds)

    with ours, theirs:
        loop.add_reader(ours, heard)
        loop.call_soon(again)
        loop.run_forever()
    assert len(heard_after) == 1
    assert 10 <= heard_after[0] <= 18


def test_a_task_that_was_woken_goes_on_before_another_client_is_heard(loop: asyncio.AbstractEventLoop) -> None:
    ours, theirs = socket.socketpair()
    order: list[str] = []

    async def main() -> None:
        answer: asyncio.Future[None] = loop.create_future()

        def first() -> None:
            answer.set_result(None)
            theirs.send(b"x")

        def heard() -> None:
            loop.remove_reader(ours)
            order.append("heard")

        loop.add_reader(ours, heard)
        loop.call_soon(first)
        await answer
        order.append("woken")
        await asyncio.sleep(0.001)

    with ours, theirs:
        loop.run_until_complete(main())
    assert order == ["woken", "heard"]


def test_timers_come_in_time_while_there_is_nothing_else(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> str:
        try:
            async with asyncio.timeout(0):
                await loop.create_future()
        except TimeoutError:
            return "late"
        return "never"

    assert loop.run_until_complete(main()) == "late"
