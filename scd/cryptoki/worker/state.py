"""How a worker is doing, for statistics."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class WorkerState(Enum):
    """What a worker is doing."""

    NOT_STARTED = "not started"
    LOADING = "loading"
    READY = "ready"
    BUSY = "busy"
    ENDED = "ended"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """For statistics. `pid` is None without a process; `restarts` counts the starts after the first."""

    name: str
    pid: int | None
    state: WorkerState
    restarts: int
    last_error: str | None
    requests: int
