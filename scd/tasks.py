"""Work that goes on while nobody waits for it: it is kept until it ends, and how it failed is logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)
_running: set[asyncio.Task[Any]] = set()  # the loop itself keeps weak references only


def start(op: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin the work, as the task `scd-OP`. A failure is logged as that of `op`, whoever else learns of it."""
    task = asyncio.create_task(work, name=f"scd-{op}")
    _running.add(task)
    task.add_done_callback(partial(_ended, op))
    return task


async def together(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What these give, done at the same time; one alone needs no task of its own."""
    return await asyncio.gather(*works) if len(works) > 1 else [await one for one in works]


def _ended(op: str, task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("op=%s failed inside scd", op, exc_info=error)


def log_the_rest() -> None:
    """Log, in the running loop, what failed without anybody to hear of it: callbacks, tasks of libraries.

    asyncio's own words would quote callbacks with their arguments, and futures with what they hold.
    """
    asyncio.get_running_loop().set_exception_handler(_unheard)


def _unheard(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    what = "a callback failed" if "handle" in context else context["message"]
    log.error("op=loop result=%s", what, exc_info=context.get("exception"))
