"""Work that nobody waits for ends in the log, without the texts of exceptions."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Coroutine

import pytest

from scd import tasks

SECRET = "314159"


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        tasks.log_the_rest()
        await body()

    asyncio.run(main())


async def failing() -> None:
    int(SECRET + "x")


def test_a_failure_is_logged_at_once_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        task = tasks.start("example", failing())
        assert task.get_name() == "scd-example"
        await asyncio.wait((task,))
        await asyncio.sleep(0)
        [record] = caplog.records
        assert (record.getMessage(), record.levelno) == ("op=example failed inside scd", logging.ERROR)
        assert record.exc_info
        assert record.exc_info[0] is ValueError

    run(body)


def test_an_end_by_itself_or_by_cancelling_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        done, cancelled = tasks.start("a", asyncio.sleep(0)), tasks.start("b", asyncio.sleep(60))
        cancelled.cancel()
        await asyncio.wait((done, cancelled))
        await asyncio.sleep(0)
        assert not tasks._running

    run(body)
    assert not caplog.records


def test_it_is_kept_until_it_ends() -> None:
    async def body() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            begun.set()
            await asyncio.sleep(0)
            ended.set()

        tasks.start("kept", work())
        await begun.wait()
        gc.collect()
        await asyncio.wait_for(ended.wait(), 20)

    run(body)


def test_what_nobody_hears_of_is_logged_without_the_arguments_of_callbacks(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        asyncio.get_running_loop().call_soon(int, SECRET + "x")
        await asyncio.sleep(0)
        lost = asyncio.ensure_future(failing())
        await asyncio.wait((lost,))
        del lost
        gc.collect()

    run(body)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["op=loop result=a callback failed", "op=loop result=Task exception was never retrieved"]


def test_what_is_done_together_is_given_in_order_and_one_alone_begins_no_task() -> None:
    async def body() -> None:
        second_came = asyncio.Event()

        async def first() -> str:
            await second_came.wait()  # only if both go on at the same time
            return "first"

        async def second() -> str:
            second_came.set()
            return "second"

        async def mine() -> bool:
            return asyncio.current_task() is caller

        caller = asyncio.current_task()
        assert await tasks.together([first(), second()]) == ["first", "second"]
        assert await tasks.together([mine()]) == [True]
        nothing: list[Coroutine[None, None, str]] = []
        assert await tasks.together(nothing) == []

    run(body)
