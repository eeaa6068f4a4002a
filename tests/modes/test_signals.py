"""Signals, as scdaemon takes them (reference 1.4), and those that must do nothing."""

from __future__ import annotations

import fcntl
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.harness import processes
from tests.harness.assuan_client import AssuanClient, NoAnswer
from tests.harness.tokens import Minted
from tests.modes.stage import DEADLINE_S, Running, Stage, eventually


def test_sigterm_waits_for_the_clients(stage: Stage) -> None:
    """The second one, too; no further client comes in meanwhile."""
    daemon = stage.start("--multi-server")
    pipe = daemon.ready()
    with daemon.connected() as client:
        for times in (1, 2):
            daemon.signal(signal.SIGTERM)
            stage.wait_for_log("SIGTERM received: 2 clients", times)
        assert stage.folders() == []

        assert pipe.transact("NOP").ok
        assert client.transact("NOP").ok
        daemon.hang_up()
        assert client.transact("NOP").ok

    assert daemon.end() == 0


def test_the_third_sigterm_does_not_wait(stage: Stage) -> None:
    daemon = stage.start("--multi-server")
    daemon.ready()
    with daemon.connected() as client:
        for times in (1, 2, 3):
            daemon.signal(signal.SIGTERM)
            stage.wait_for_log("SIGTERM received", times)

        assert daemon.end() == 0
        with pytest.raises(NoAnswer):
            client.read_line()


def test_sigint_does_not_wait(stage: Stage) -> None:
    daemon = stage.start("--multi-server")
    daemon.ready()
    with daemon.connected():
        daemon.signal(signal.SIGINT)

        assert daemon.end() == 0


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGPIPE, signal.SIGCONT, signal.SIGCHLD])
def test_some_signals_do_nothing(stage: Stage, number: int) -> None:
    daemon = stage.start("--multi-server")
    client = daemon.greeted()
    daemon.signal(number)
    assert client.transact("NOP").ok
    daemon.signal(number)

    assert client.transact("GETINFO version").ok
    daemon.hang_up()
    assert daemon.end() == 0


def test_sigusr1_writes_statistics(token_stage: Stage) -> None:
    """Also for those who asked for a quiet log; each worker tells how it is."""
    (token_stage.home / "scd.conf").write_text(f"quiet\nlog-file {token_stage.log}\n{token_stage.config}")
    daemon = token_stage.start("--multi-server")
    client = daemon.ready()
    assert client.transact("SERIALNO").ok
    assert client.transact("NOSUCH").code == 275

    daemon.signal(signal.SIGUSR1)

    token_stage.wait_for_log("last_error=")
    overall, worker = token_stage.logged.splitlines()[-2:]
    assert overall.endswith("] statistics: connections=1 errors=1 NOP=1 SERIALNO=1")
    assert f"] statistics: module=hsm worker={daemon.workers()[0]} state='ready' requests=" in worker
    assert worker.endswith("restarts=0 last_error=-")
    daemon.hang_up()
    assert daemon.end() == 0


@pytest.mark.parametrize("ending", ["SIGINT", "third SIGTERM", "KILLSCD"])
def test_the_end_does_not_wait_for_a_module(busy: Running, ending: str) -> None:
    """A worker is in the middle of an operation that never ends: it has its grace, when the daemon is gone."""
    workers = processes.open_handles(busy.workers())
    if ending == "SIGINT":
        busy.signal(signal.SIGINT)
    elif ending == "KILLSCD":
        with busy.connected() as client:
            assert client.transact("KILLSCD").ok
    else:
        for times in (1, 2, 3):
            busy.signal(signal.SIGTERM)
            busy.stage.wait_for_log("SIGTERM received", times)

    assert busy.end(2.5) == 0
    assert busy.stage.folders() == []
    assert processes.wait_for_end(workers, DEADLINE_S) == []


def test_other_clients_work_on_beside_a_busy_module(busy: Running) -> None:
    with busy.connected() as client:
        assert client.transact("GETINFO version").data == b"99.0"
    busy.signal(signal.SIGINT)
    assert busy.end() == 0


@pytest.fixture
def busy(token_stage: Stage, own_work: Minted) -> Iterator[Running]:
    """A daemon whose worker waits inside the module: the token's lock is ours."""
    token_stage.env |= own_work.env
    daemon = token_stage.start("--multi-server")
    client = daemon.ready()
    assert client.transact("SERIALNO").ok
    with locked(own_work):
        client.send_raw(b"LEARN --force\n")
        yield eventually_busy(daemon, client)


def eventually_busy(daemon: Running, client: AssuanClient) -> Running:
    """Once its worker is at work, and stays so."""

    def at_work() -> bool:
        daemon.signal(signal.SIGUSR1)
        return "state='busy'" in daemon.stage.logged

    eventually(at_work, "a busy worker")
    return daemon


@contextmanager
def locked(tokens: Minted) -> Iterator[None]:
    """Hold the lock that SoftHSM takes before it looks whether objects have changed (File::lock, fcntl)."""
    (generation,) = tokens.folder.glob("tokens/*/generation")
    with generation.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield
