"""Keep clients that repeat a failing question from taking a whole processor.

gpg-agent 2.4 and 2.5 in loopback mode ask SERIALNO and KEYINFO for a missing card some 8000 times a second, without
end.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

FREE_FAILURES = 2
WINDOW_S = 2.0
PAUSE_S = 0.5


class Slowdown:
    """The recent failures of one client."""

    def __init__(self) -> None:
        self._failures: deque[float] = deque(maxlen=FREE_FAILURES + 1)

    def failed(self) -> float:
        """Note one; the seconds its answer must wait: none for the first two within the window."""
        now = time.monotonic()
        self._failures.append(now)
        recent = sum(1 for when in self._failures if now - when < WINDOW_S)
        return PAUSE_S if recent > FREE_FAILURES else 0.0

    async def pause(self) -> None:
        """Note a failure and wait as long as it takes."""
        delay = self.failed()
        if delay:
            await asyncio.sleep(delay)
