"""A token that goes in mid-session and comes back: a folder moved away, a server killed, a card pulled."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.harness.assuan_client import AssuanClient, Reply
from tests.modules.beds.bed import Bed, Presence
from tests.modules.checks import DIGEST, sign
from tests.modules.conftest import REMOVABLE
from tests.modules.daemon import TokenDaemon

PATIENCE_S = 20
CARD_REMOVED = 110


@pytest.fixture
def presence(own_bed: Bed) -> Presence:
    """How the token goes and comes."""
    assert own_bed.presence is not None
    return own_bed.presence


@pytest.mark.parametrize("bed_name", REMOVABLE, indirect=True, scope="session")
def test_a_token_taken_away_is_missed_and_found_again(
    start: Callable[[Bed], TokenDaemon], own_bed: Bed, presence: Presence
) -> None:
    daemon = start(own_bed)
    key = next(key for key in own_bed.keys.values() if key.signs)
    serial = daemon.ok("SERIALNO").values("SERIALNO")
    sign(daemon, key, own_bed.pin)

    presence.take_away()
    until(daemon, lambda: daemon.ask("SERIALNO"), ok=False)
    assert not daemon.use("PKSIGN --hash=sha256", key, DIGEST, own_bed.pin).ok
    presence.put_back()
    until(daemon, lambda: daemon.ask("SERIALNO"), ok=True)

    assert daemon.ok("SERIALNO").values("SERIALNO") == serial
    sign(daemon, key, own_bed.pin)


@pytest.mark.parametrize("bed_name", REMOVABLE, indirect=True, scope="session")
def test_a_token_back_before_it_was_missed_is_used_with_a_new_login(
    start: Callable[[Bed], TokenDaemon], own_bed: Bed, presence: Presence
) -> None:
    daemon = start(own_bed)
    key = next(key for key in own_bed.keys.values() if key.signs)
    daemon.ok("SERIALNO")
    sign(daemon, key, own_bed.pin)

    presence.take_away()
    presence.put_back()

    until(daemon, lambda: daemon.use("PKSIGN --hash=sha256", key, DIGEST, own_bed.pin), ok=True)
    sign(daemon, key, own_bed.pin)


@pytest.mark.parametrize("bed_name", REMOVABLE, indirect=True, scope="session")
def test_a_watcher_is_told_and_who_used_the_card_learns_that_it_is_another_session(
    start: Callable[[Bed], TokenDaemon], own_bed: Bed, presence: Presence
) -> None:
    daemon = start(own_bed)
    key = next(key for key in own_bed.keys.values() if key.signs)
    daemon.ok("SERIALNO")
    sign(daemon, key, own_bed.pin)
    with daemon.running.connect() as watcher:
        watcher.send_raw(b"DEVINFO --watch\n")
        lines_until(watcher, "S DEVINFO_END")

        presence.take_away()
        assert lines_until(watcher, "S DEVINFO_END")[0] == "S DEVINFO_STATUS removal"
        assert daemon.ask("GETATTR KEY-ATTR").code == CARD_REMOVED

        presence.put_back()
        assert lines_until(watcher, "S DEVINFO_END")[0] == "S DEVINFO_STATUS new"
        assert daemon.ok("SERIALNO").values("SERIALNO")
        assert not daemon.use("PKSIGN --hash=sha256", key, DIGEST, None).ok  # the PIN is wanted again
        sign(daemon, key, own_bed.pin)


def lines_until(client: AssuanClient, wanted: str) -> list[str]:
    """The lines up to and with this one."""
    lines: list[str] = []
    while not lines or lines[-1] != wanted:
        lines.append(client.read_line().decode())
    return lines


@pytest.fixture
def signals() -> Iterator[Callable[[], bool]]:
    """Waits for SIGUSR2 to this process, which stands in for gpg-agent; false when none came in time."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    yield lambda: signal.sigtimedwait({signal.SIGUSR2}, PATIENCE_S) is not None
    while signal.sigtimedwait({signal.SIGUSR2}, 0) is not None:
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@pytest.mark.parametrize("bed_name", REMOVABLE, indirect=True, scope="session")
def test_gpg_agent_is_signalled_without_any_command(
    signals: Callable[[], bool], start: Callable[[Bed], TokenDaemon], own_bed: Bed, presence: Presence
) -> None:
    daemon = start(own_bed)
    daemon.ok("SERIALNO")
    daemon.ok(f"OPTION event-signal={int(signal.SIGUSR2)}")

    presence.take_away()
    assert signals(), daemon.said()
    presence.put_back()
    assert signals(), daemon.said()


def until(daemon: TokenDaemon, ask: Callable[[], Reply], *, ok: bool) -> None:
    """Ask again until it is answered so; readers need their time to see a card, and scd slows failures down itself."""
    deadline = time.monotonic() + PATIENCE_S
    while ask().ok != ok:
        said = f"not {'possible' if ok else 'refused'} within {PATIENCE_S} s"
        assert time.monotonic() < deadline, f"{said}\n{daemon.said()}"
