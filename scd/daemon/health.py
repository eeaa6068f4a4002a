"""What the workers are doing: for statistics, and for an end that does not wait for them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from scd.cryptoki.worker.client import WorkerModule
from scd.cryptoki.worker.pool import PooledModule
from scd.cryptoki.worker.state import WorkerHealth, WorkerState
from scd.service.operations import Service

_AT_WORK = (WorkerState.BUSY, WorkerState.LOADING)


def worker_states(service: Service) -> Iterator[str]:
    """One line for each worker."""
    for health in _healths(service):
        yield (
            f"module={health.name} worker={health.pid or '-'} state='{health.state.value}' requests={health.requests} "
            f"restarts={health.restarts} last_error={health.last_error or '-'}"
        )


def end_busy_workers(service: Service) -> None:
    """Kill the workers that a module keeps from listening to us; the others end when they are told to."""
    for health in _healths(service):
        if health.pid is not None and health.state in _AT_WORK:
            with contextlib.suppress(ProcessLookupError):
                os.kill(health.pid, signal.SIGKILL)  # ours as long as it is alive or not yet reaped


def _healths(service: Service) -> Iterator[WorkerHealth]:
    for entry in service.catalogue.registry.modules:
        workers = entry.module.workers if isinstance(entry.module, PooledModule) else (entry.module,)
        for worker in workers:
            if isinstance(worker, WorkerModule):
                yield worker.health()
