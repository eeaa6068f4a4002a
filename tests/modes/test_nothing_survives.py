"""No worker outlives the daemon, none is left as a zombie. Every stage sees to that; here it is the subject."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from tests.harness import processes
from tests.harness.tokens import Minted
from tests.modes.stage import DEADLINE_S, Running, Stage, eventually, is_running, softhsm


@pytest.fixture
def three(token_stage: Stage, work: Minted) -> Running:
    """A daemon with three workers that have loaded the module."""
    token_stage.configure(softhsm(work, workers=3))
    daemon = token_stage.start("--multi-server")
    client = daemon.ready()
    assert client.transact("SERIALNO").ok
    eventually(lambda: len(daemon.workers()) == 3, "three workers")
    return daemon


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGINT])
def test_workers_go_with_the_daemon(three: Running, number: int) -> None:
    handles = processes.open_handles(three.workers())

    three.signal(number)
    three.end()

    assert processes.wait_for_end(handles, DEADLINE_S) == []


@pytest.mark.parametrize("when", ["loading", "starting"])
def test_workers_in_a_module_go_with_the_daemon(token_stage: Stage, when: str) -> None:
    """The loader waits for somebody to write into a FIFO; it never comes back to the worker's own code.

    Starting: the daemon is gone before the worker has asked to be told of that.
    """
    library = token_stage.root / "fifo.so"
    os.mkfifo(library)
    token_stage.configure(f"providers stuck\nprovider-stuck-library {library}\n")
    daemon = token_stage.start("--multi-server")
    handles = processes.open_handles(eventually(lambda: _executed(daemon), "a worker"))
    (worker,) = handles
    if when == "starting":
        os.kill(worker, signal.SIGSTOP)
        daemon.ready()  # by then it has told the worker which module to load
    else:
        kept_waiting = eventually(lambda: _reader(library), "the worker in the loader")

    daemon.signal(signal.SIGKILL)
    daemon.end()
    os.kill(worker, signal.SIGCONT)

    assert processes.wait_for_end(handles, DEADLINE_S) == []
    if when == "loading":
        os.close(kept_waiting)


def test_a_worker_that_dies_is_reaped(three: Running) -> None:
    for worker in three.workers():
        os.kill(worker, signal.SIGKILL)

    eventually(lambda: not any(map(_is_zombie, three.workers())), "no zombies")
    three.hang_up()
    assert three.end() == 0


def test_all_workers_are_reaped_before_an_ordinary_end(three: Running) -> None:
    workers = three.workers()

    three.hang_up()
    assert three.end() == 0

    assert not any(map(is_running, workers))
    assert not any(os.path.exists(f"/proc/{worker}") for worker in workers)


def _is_zombie(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}") and not is_running(pid)


def _executed(daemon: Running) -> list[int]:
    """The workers that no longer are a copy of the daemon, which waits for that (vfork(2))."""
    return [pid for pid in daemon.workers() if "scd-worker:" in processes.command_line(pid)]


def _reader(fifo: Path) -> int | None:
    """A descriptor that keeps the FIFO's reader waiting, once there is one (fifo(7))."""
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return None
