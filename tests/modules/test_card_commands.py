"""GENKEY, WRITECERT, PASSWD and RANDOM on every module, as gpg-agent sends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from tests.harness.assuan_client import Reply, pin_reply
from tests.modules.beds.bed import Bed, BedKey, Can
from tests.modules.beds.tools import certify
from tests.modules.checks import decrypt, sign
from tests.modules.daemon import TokenDaemon
from tests.modules.libgcrypt import keygrip

BAD_PIN, UNSUPPORTED_ALGORITHM, UNSUPPORTED_OPERATION = 87, 84, 124
EEXIST = 32803
CANNOT = (UNSUPPORTED_ALGORITHM, UNSUPPORTED_OPERATION)
NEW = "246813"


class InTurn(Mapping[str, bytes | None]):
    """Answers to NEEDPIN one after the other, then none."""

    def __init__(self, *pins: str) -> None:
        self._pins = list(pins)

    def __getitem__(self, keyword: str) -> bytes | None:
        return pin_reply(self._pins.pop(0)) if keyword == "NEEDPIN" and self._pins else None

    def __iter__(self) -> Iterator[str]:
        return iter(("NEEDPIN",))

    def __len__(self) -> int:
        return 1


@pytest.fixture
def card(start: Callable[[Bed], TokenDaemon], written_bed: Bed) -> TokenDaemon:
    """A daemon on a bed that is written to; nobody is logged in."""
    daemon = start(written_bed)
    daemon.ok("SERIALNO")
    return daemon


def typed(card: TokenDaemon, command: str, *pins: str) -> Reply:
    """The person types these PINs in turn."""
    return card.client.transact(command, InTurn(*pins))


def bare(bed: Bed) -> BedKey:
    """A key without a certificate, if there is one."""
    keys = list(bed.keys.values())
    return next((key for key in keys if key.certificate is None), keys[0])


def test_a_certificate_is_written_beside_its_key_and_taken_away(card: TokenDaemon, written_bed: Bed) -> None:
    key = bare(written_bed)
    der = certify(key.public, "Written")
    answers = {"CERTDATA": der, "NEEDPIN": pin_reply(written_bed.pin)}
    before = card.listed()

    written = card.client.transact(f"WRITECERT {keygrip(key.public)}", answers)

    if Can.WRITE_CERTIFICATE not in written_bed.can:
        assert written.code in CANNOT, f"{written.text}\n{card.said()}"
        assert card.listed() == before
        return
    assert written.ok, f"{written.text}\n{card.said()}"
    assert card.ok(f"READCERT {keygrip(key.public)}").data == der
    assert card.ask(f"WRITECERT --clear {keygrip(key.public)}", written_bed.pin).ok
    assert not card.ask(f"READCERT {keygrip(key.public)}").ok
    assert card.listed() == before


def test_the_pin_is_changed_and_changed_back(card: TokenDaemon, written_bed: Bed) -> None:
    key = next(key for key in written_bed.keys.values() if key.signs and key.asks == "once")

    changed = typed(card, "PASSWD 1", written_bed.pin, NEW)

    assert changed.ok, f"{changed.text}\n{card.said()}"
    card.ok("PASSWD --clear")
    assert card.use("PKSIGN --hash=sha256", key, b"\x5a" * 32, written_bed.pin).code == BAD_PIN
    sign(card, key, NEW)
    assert typed(card, "PASSWD 1", NEW, written_bed.pin).ok
    card.ok("PASSWD --clear")
    sign(card, key, written_bed.pin)


def test_the_officers_pin_sets_a_new_one(card: TokenDaemon, written_bed: Bed) -> None:
    key = next(key for key in written_bed.keys.values() if key.signs and key.asks == "once")

    reset = typed(card, "PASSWD --reset 1", written_bed.so_pin or "11111111", NEW)

    if Can.RESET_PIN not in written_bed.can:
        assert reset.code in CANNOT, f"{reset.text}\n{card.said()}"
    else:
        assert reset.ok, f"{reset.text}\n{card.said()}"
        assert typed(card, "PASSWD 1", NEW, written_bed.pin).ok
    sign(card, key, written_bed.pin)


def test_random_numbers(card: TokenDaemon, written_bed: Bed) -> None:
    reply = card.ask("RANDOM 32")

    if Can.RANDOM in written_bed.can:
        assert len(reply.data) == 32
    else:
        assert reply.code in CANNOT


def test_keys_are_made_for_their_places_and_an_occupied_one_is_refused(card: TokenDaemon, written_bed: Bed) -> None:
    before = card.listed()
    made = card.ask("GENKEY --force --algo=rsa2048 OPENPGP.1", written_bed.pin)
    if Can.GENERATE not in written_bed.can:
        assert made.code in CANNOT, f"{made.text}\n{card.said()}"
        assert card.listed() == before
        return
    assert made.ok, f"{made.text}\n{card.said()}"
    assert int(made.values("KEY-CREATED-AT")[0]) > 1_700_000_000
    assert card.ask("GENKEY --algo=rsa2048 OPENPGP.1", written_bed.pin).code == EEXIST
    other = card.ask("GENKEY --force --algo=rsa2048 OPENPGP.2", written_bed.pin)
    assert other.ok

    after = card.listed()

    assert set(before) < set(after)
    assert {after[grip][0] for grip in set(after) - set(before)} == {"OPENPGP.1", "OPENPGP.2"}
    sign(card, _of(card, "OPENPGP.1"), written_bed.pin)
    decrypt(card, _of(card, "OPENPGP.2"), written_bed.pin)


def _of(card: TokenDaemon, place: str) -> BedKey:
    """The key in a place, by what READKEY tells of it."""
    (grip,) = (grip for grip, (keyref, *_) in card.listed().items() if keyref == place)
    public = load_ssh_public_key(card.ok(f"READKEY --format=ssh {grip}").data)
    assert isinstance(public, rsa.RSAPublicKey)
    assert keygrip(public) == grip
    return BedKey(place, public)
