"""What the workers are doing: for statistics, and for an end that does not wait for them."""

from __future__ import annotations

from collections.abc import Iterator

from scd.cryptoki.worker.client import WorkerModule
from scd.cryptoki.worker.pool import PooledModule
from scd.cryptoki.worker.state import WorkerState
from scd.service.operations import Service

_AT_WORK = (WorkerState.BUSY, WorkerState.LOADING)


def worker_states(service: Service) -> Iterator[str]:
    """One line for each worker."""
    for health in (worker.health() for worker in _workers(service)):
        yield (
            f"module={health.name} worker={health.pid or '-'} state='{health.state.value}' requests={health.requests} "
            f"restarts={health.restarts} last_error={health.last_error or '-'}"
        )


def abandon_busy_workers(service: Service) -> None:
    """Wait for no worker that a module keeps from listening to us; the others end when they are told to."""
    for worker in _workers(service):
        if worker.health().state in _AT_WORK:
            worker.abandon()


def _workers(service: Service) -> Iterator[WorkerModule]:
    for entry in service.catalogue.registry.modules:
        workers = entry.module.workers if isinstance(entry.module, PooledModule) else (entry.module,)
        yield from (worker for worker in workers if isinstance(worker, WorkerModule))
