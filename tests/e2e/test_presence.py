"""Tokens that come and go under a running gpg-agent: it is signalled, watchers are told, and nobody sent a command."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeHome, TokensOf
from tests.harness.assuan_client import AssuanClient, connect, run_scd
from tests.harness.drawer import Drawer
from tests.harness.gnupg import GnupgHome, scd_config

PATIENCE_S = 30


@pytest.fixture
def drawer(tokens_of: TokensOf, tmp_path: Path) -> Drawer:
    return Drawer(tokens_of("work", "backup").copy(tmp_path / "softhsm"))


@pytest.fixture
def home(gnupg_home: MakeHome, drawer: Drawer) -> GnupgHome:
    """The agent runs and has started the daemon, which has listed both tokens."""
    made: GnupgHome = gnupg_home(drawer.tokens)
    made.connect_agent("SCD SERIALNO")
    return made


def card_events(home: GnupgHome) -> int:
    """What the agent has counted; asking for it does not disturb the daemon."""
    line = next(line for line in home.connect_agent("GETEVENTCOUNTER").splitlines() if "EVENTCOUNTER" in line)
    return int(line.split()[-1])


def counted(home: GnupgHome, more_than: int) -> int:
    """Ask the agent until it has counted more."""
    deadline = time.monotonic() + PATIENCE_S
    while (count := card_events(home)) <= more_than:
        assert time.monotonic() < deadline, f"no card event within {PATIENCE_S} s"
    return count


def test_the_agent_counts_a_removal(home: GnupgHome, drawer: Drawer) -> None:
    before = card_events(home)

    drawer.take_away("backup")

    assert counted(home, before) == before + 1
    assert len(home.connect_agent("SCD GETINFO card_list").splitlines()) == 2


@pytest.fixture
def signals() -> Iterator[Callable[[], bool]]:
    """Waits for SIGUSR2 to this process, which stands in for the agent; false when none came in time."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    yield lambda: signal.sigtimedwait({signal.SIGUSR2}, PATIENCE_S) is not None
    while signal.sigtimedwait({signal.SIGUSR2}, 0) is not None:
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def test_whoever_started_the_daemon_is_signalled_of_removal_and_insertion(
    signals: Callable[[], bool], drawer: Drawer, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "scd.conf").write_text(scd_config(drawer.tokens))
    arguments = ["--multi-server", "--homedir", str(tmp_path / "home")]
    with run_scd(arguments, drawer.tokens.env, stderr=tmp_path / "stderr") as scd:
        scd.client.transact("SERIALNO")
        assert scd.client.transact(f"OPTION event-signal={int(signal.SIGUSR2)}").ok
        drawer.take_away("backup")
        assert signals()
        drawer.put_back("backup")
        assert signals()


def until(client: AssuanClient, wanted: str) -> list[str]:
    """The lines up to and with this one."""
    lines: list[str] = []
    while not lines or lines[-1] != wanted:
        lines.append(client.read_line().decode())
    return lines


def test_a_watcher_on_the_socket_is_told(home: GnupgHome, drawer: Drawer) -> None:
    answer = home.connect_agent("SCD GETINFO socket_name").splitlines()[0]
    with connect(Path(answer.removeprefix("D "))) as client:
        client.send_raw(b"DEVINFO --watch\n")
        assert sum(line.startswith("S DEVICE ") for line in until(client, "S DEVINFO_END")) == 2
        drawer.take_away("backup")
        told = until(client, "S DEVINFO_END")
        assert told[0] == "S DEVINFO_STATUS removal"
        assert sum(line.startswith("S DEVICE ") for line in told) == 1
        drawer.put_back("backup")
        assert until(client, "S DEVINFO_END")[0] == "S DEVINFO_STATUS new"
        client.send_raw(b"NOP\n")
        assert client.read_reply().ok
