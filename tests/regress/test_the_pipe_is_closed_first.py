"""gpg-agent's end waits for the end of the daemon's pipe while its own sockets are still there.

The pipe stayed open until the workers had ended, 20 ms or more: after `gpgconf --kill all` the next gpg with GnuPG 2.4
talked to an agent that was going ("Broken pipe", "End of file"; 15 times of 15).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.user import MESSAGE, is_gnupg_22, key_by_grip, make_stubs
from tests.harness.assuan_client import AssuanClient, NoAnswer
from tests.harness.gnupg import GnupgHome
from tests.modes.stage import Running, Stage, eventually, is_running, reaping_orphans, softhsm
from tests.regress.tokens import PIN, PlainTokens, new_key, public_of

ROUNDS = 5
MakeHome = Callable[..., GnupgHome]


@pytest.fixture
def tokens(tmp_path: Path) -> PlainTokens:
    made = PlainTokens(tmp_path / "softhsm")
    made.init("card")
    return made


@pytest.fixture
def daemon(tokens: PlainTokens) -> Iterator[Running]:
    """One whose only worker does not listen, so that winding up takes three seconds."""
    with reaping_orphans():
        stage = Stage(softhsm(tokens))
        stage.env |= tokens.env
        running = stage.start("--multi-server")
        yield running
        stage.close()


def stopped_worker(daemon: Running, client: AssuanClient) -> int:
    assert client.transact("SERIALNO").ok
    (worker,) = eventually(daemon.workers, "a worker")
    os.kill(worker, signal.SIGSTOP)
    return int(worker)


def see_the_end(client: AssuanClient, worker: int) -> None:
    """The pipe is closed, and the worker still there."""
    with pytest.raises(NoAnswer, match="connection closed"):
        client.read_line()
    assert is_running(worker)


def test_after_killscd_the_pipe_is_closed_at_once(daemon: Running) -> None:
    client = daemon.ready()
    worker = stopped_worker(daemon, client)
    assert client.transact("KILLSCD").ok
    see_the_end(client, worker)
    assert daemon.end() == 0


def test_after_the_end_of_input_the_pipe_is_closed_at_once(daemon: Running) -> None:
    client = daemon.ready()
    worker = stopped_worker(daemon, client)
    assert daemon.process.stdin is not None
    daemon.process.stdin.close()
    see_the_end(client, worker)
    assert daemon.end() == 0


def test_after_killscd_of_another_client_it_is_closed_as_well(daemon: Running) -> None:
    client = daemon.ready()
    worker = stopped_worker(daemon, client)
    with daemon.connected() as other:
        assert other.transact("KILLSCD").ok
    see_the_end(client, worker)
    assert daemon.end() == 0


@pytest.mark.parametrize("what", ["all", "gpg-agent"])
def test_rounds_of_kill_and_sign(gnupg_home: MakeHome, tokens: PlainTokens, tmp_path: Path, what: str) -> None:
    if what == "all" and is_gnupg_22():
        pytest.skip("the fault was GnuPG 2.4's")
    key = new_key("rsa", tmp_path)
    tokens.load("card", key, "01")
    home = gnupg_home(tokens)
    home.pinentry.for_text("card", PIN)
    make_stubs(home)
    fingerprint = key_by_grip(home, "RSA", public_of(key).keygrip.hex().upper())
    for _ in range(ROUNDS):
        home.run("gpgconf", "--kill", what)
        assert home.gpg("-s", "-u", fingerprint, input=MESSAGE).stdout
