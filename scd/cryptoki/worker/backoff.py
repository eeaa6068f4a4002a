"""When a worker that ended may be started again."""

from __future__ import annotations

DELAYS_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
HEALTHY_S = 60.0


class BackOff:
    """Each failure in a row waits longer than the last, up to 30 s; a minute of health forgives all.

    Times are seconds of one monotonic clock, handed in by the caller.
    """

    __slots__ = ("_failures", "_not_before", "_ready_since")

    def __init__(self) -> None:
        self._failures = 0
        self._not_before = 0.0
        self._ready_since: float | None = None

    def ready(self, now: float) -> None:
        """The module is loaded."""
        self._ready_since = now

    def failed(self, now: float) -> None:
        """The worker ended, or did not come up."""
        if self._ready_since is not None and now - self._ready_since >= HEALTHY_S:
            self._failures = 0
        self._ready_since = None
        self._not_before = now + DELAYS_S[min(self._failures, len(DELAYS_S) - 1)]
        self._failures += 1

    def wait_s(self, now: float) -> float:
        """Seconds until the next start is allowed, 0 for now."""
        return max(0.0, self._not_before - now)
