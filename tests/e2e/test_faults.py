"""The real daemon when its worker is stopped, killed or without room in the middle of a change."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness import processes
from tests.harness.assuan_client import AssuanClient, Reply, RunningScd, pin_reply, run_scd
from tests.harness.gnupg import scd_config
from tests.harness.tokens import Minted
from tests.unit.gcrypt.keytocard import KEYTOCARD

CARD, TIMEOUT = 108, 62
CHANGES = ("GENKEY --algo=nistp256 OPENPGP.1", "WRITEKEY OPENPGP.1", "SETATTR DISP-NAME Alice")

Start = Callable[..., RunningScd]


@pytest.fixture
def start(blank: Minted, tmp_path: Path) -> Iterator[Start]:
    """A starter of a daemon on a token of the test's own, with further lines of configuration."""
    with ExitStack() as stack:

        def run(*lines: str) -> RunningScd:
            home = tmp_path / "home"
            home.mkdir(mode=0o700)
            config = scd_config(blank, home / "scd.log") + "".join(f"{line}\n" for line in lines)
            (home / "scd.conf").write_text(config, encoding="utf-8")
            arguments = ["--multi-server", "--homedir", str(home)]
            running = stack.enter_context(run_scd(arguments, blank.env, stderr=tmp_path / "stderr"))
            ask(running.client, blank, "SERIALNO")
            return running

        yield run


def ask(client: AssuanClient, tokens: Minted, command: str) -> Reply:
    """The person knows the PIN, the agent has a key to send."""
    answers = {"NEEDPIN": pin_reply(tokens.tokens["empty"].pin), "KEYDATA": KEYTOCARD["nistp256"][1]}
    return client.transact(command, answers)


def keys(client: AssuanClient) -> list[str]:
    return client.transact("LEARN --force").values("KEYPAIRINFO")


@pytest.mark.parametrize("change", CHANGES)
def test_without_room_nothing_is_changed_and_with_room_it_works(start: Start, blank: Minted, change: str) -> None:
    running = start()
    ask(running.client, blank, "CHECKPIN " + running.client.transact("SERIALNO").values("SERIALNO")[0])
    workers = processes.descendants(running.process.pid)
    for pid in workers:
        limit(pid, 0)

    refused = ask(running.client, blank, change)

    assert refused.code == CARD, refused.text
    assert keys(running.client) == []
    for pid in workers:
        limit(pid, resource.RLIM_INFINITY)
    assert ask(running.client, blank, change).ok
    assert len(keys(running.client)) == (0 if change.startswith("SETATTR") else 1)


def limit(pid: int, octets: int) -> None:
    """What the process may write into one file."""
    hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (octets, hard))


def test_a_worker_that_does_not_answer_is_ended_and_replaced(start: Start, blank: Minted) -> None:
    running = start("provider-softhsm-timeout 2", "provider-softhsm-workers 1")
    serial = running.client.transact("SERIALNO").values("SERIALNO")[0]
    ask(running.client, blank, f"CHECKPIN {serial}")
    (worker,) = processes.descendants(running.process.pid)
    handle = processes.open_handles([worker])
    os.kill(worker, signal.SIGSTOP)

    # Whether its card is still there is asked first; when that is what is not answered, the next worker does the rest.
    assert ask(running.client, blank, "SETATTR DISP-NAME Alice").code in (0, TIMEOUT)

    assert not processes.wait_for_end(handle, 10)
    assert ask(running.client, blank, "SETATTR DISP-NAME Alice").ok
    assert running.client.transact("GETATTR DISP-NAME").values("DISP-NAME") == ["Alice"]
