"""A token that goes in mid-session and comes back: a folder moved away, a server killed, a card pulled."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.harness.assuan_client import Reply
from tests.modules.beds.bed import Bed, Presence
from tests.modules.checks import DIGEST, sign
from tests.modules.conftest import REMOVABLE
from tests.modules.daemon import TokenDaemon

PATIENCE_S = 20


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


def until(daemon: TokenDaemon, ask: Callable[[], Reply], *, ok: bool) -> None:
    """Ask again until it is answered so; readers need their time to see a card, and scd slows failures down itself."""
    deadline = time.monotonic() + PATIENCE_S
    while ask().ok != ok:
        said = f"not {'possible' if ok else 'refused'} within {PATIENCE_S} s"
        assert time.monotonic() < deadline, f"{said}\n{daemon.said()}"
