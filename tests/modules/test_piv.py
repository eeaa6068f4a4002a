"""OpenSC with a PIV card: its PIN counter, the key that wants the PIN each time, the key that wants none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.user import key_by_grip, make_stubs, sign_and_verify
from tests.harness.gnupg import GnupgHome
from tests.modules.beds.bed import Bed
from tests.modules.checks import DIGEST, assert_signature, sign
from tests.modules.daemon import TokenDaemon
from tests.modules.libgcrypt import keygrip

BAD_PIN, PIN_BLOCKED = 87, 130
PKSIGN = "PKSIGN --hash=sha256"
pytestmark = pytest.mark.parametrize("bed_name", ["opensc"], indirect=True, scope="session")


@pytest.fixture
def card(start: Callable[[Bed], TokenDaemon], own_bed: Bed) -> TokenDaemon:
    """A daemon on a card of its own."""
    daemon = start(own_bed)
    daemon.ok("SERIALNO")
    return daemon


def tries_left(daemon: TokenDaemon) -> int:
    """What the card itself counts."""
    assert daemon.bed.tries_left is not None
    return daemon.bed.tries_left()


def test_the_last_try_is_announced_and_a_blocked_pin_is_not_sent(card: TokenDaemon) -> None:
    key = card.bed.keys["9A"]

    refused = [card.use(PKSIGN, key, DIGEST, pin) for pin in ("000000", "000001")]
    assert [reply.code for reply in refused] == [BAD_PIN, BAD_PIN]
    assert tries_left(card) == 1
    last = card.use(PKSIGN, key, DIGEST, None)
    assert "LAST" in last.inquiries[0].upper()
    assert tries_left(card) == 1
    card.use(PKSIGN, key, DIGEST, "000002")

    assert tries_left(card) == 0
    blocked = card.use(PKSIGN, key, DIGEST, card.bed.pin)
    assert blocked.code == PIN_BLOCKED
    assert blocked.inquiries == []


def test_the_right_pin_restores_the_counter(card: TokenDaemon) -> None:
    key = card.bed.keys["9A"]
    card.use(PKSIGN, key, DIGEST, "000000")

    sign(card, key, card.bed.pin)

    assert tries_left(card) == 3


def test_the_signature_key_asks_each_time_and_says_so(card: TokenDaemon) -> None:
    key = card.bed.keys["9C"]
    sign(card, key, card.bed.pin)

    for _ in range(2):
        reply = card.use(PKSIGN, key, DIGEST, card.bed.pin)
        assert_signature(key.public, reply.data)
        assert len(reply.inquiries) == 1
        assert "each use" in reply.inquiries[0].replace("%20", " ").replace("+", " ")


def test_the_first_use_of_the_signature_key_asks_once(card: TokenDaemon) -> None:
    """The PIN typed for the login serves the first signature, too."""
    reply = card.use(PKSIGN, card.bed.keys["9C"], DIGEST, card.bed.pin)

    assert_signature(card.bed.keys["9C"].public, reply.data)
    assert len(reply.inquiries) == 1


def test_a_wrong_pin_for_one_signature_costs_one_try(card: TokenDaemon) -> None:
    key = card.bed.keys["9C"]
    sign(card, key, card.bed.pin)

    assert card.use(PKSIGN, key, DIGEST, "000000").code == BAD_PIN

    assert tries_left(card) == 2
    sign(card, key, card.bed.pin)
    assert tries_left(card) == 3


def test_cancelling_one_signature_leaves_the_card_usable(card: TokenDaemon) -> None:
    key = card.bed.keys["9C"]
    sign(card, key, card.bed.pin)

    assert not card.use(PKSIGN, key, DIGEST, None).ok

    assert tries_left(card) == 3
    sign(card, key, card.bed.pin)
    sign(card, card.bed.keys["9A"], None)


def test_gpg_asks_for_each_signature_of_the_signature_key(home: GnupgHome, bed: Bed) -> None:
    make_stubs(home)
    fingerprint = key_by_grip(home, "ECDSA", keygrip(bed.keys["9C"].public))
    home.pinentry.forget_prompts()

    sign_and_verify(home, fingerprint)
    sign_and_verify(home, fingerprint)

    assert [prompt.kind for prompt in home.pinentry.prompts] == ["pin", "pin"]


def test_the_card_authentication_key_needs_no_pin(card: TokenDaemon) -> None:
    """9E; OpenSC logs in for no key, the card decides. Where scd asks, the card would not have."""
    reply = card.use(PKSIGN, card.bed.keys["9E"], DIGEST, None)

    assert reply.ok, f"{reply.text}\n{card.said()}"
    assert reply.inquiries == []
