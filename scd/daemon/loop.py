"""The event loop's selector: the kernel is asked for what came when there is nothing else to do."""

from __future__ import annotations

import asyncio
import selectors

_MOST_ROUNDS = 8
"""Of callbacks that may follow each other before somebody who has sent something is noticed."""


class _Selector(selectors.DefaultSelector):
    """A future wakes its task in the next round of asyncio's loop, and each round asks the kernel first.

    Half of all epoll_wait(2) for a signature came of that, and never had anything to tell.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As the base class; with no time to wait, nothing, but for every eighth time."""
        self._rounds += 1
        if timeout == 0 and self._rounds < _MOST_ROUNDS:
            return []
        self._rounds = 0
        return super().select(timeout)


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop for this process."""
    return asyncio.SelectorEventLoop(_Selector())
