"""Every module through the real daemon, command by command."""

from __future__ import annotations

from collections.abc import Callable

from tests.modules.beds.bed import Bed, BedKey
from tests.modules.checks import DIGEST, assert_signature, authenticate, decrypt, sign
from tests.modules.daemon import TokenDaemon
from tests.modules.libgcrypt import keygrip, keygrip_of_sexp

BAD_PIN = 87
PLACES = ("OPENPGP.1", "OPENPGP.2", "OPENPGP.3")

StartDaemon = Callable[[Bed], TokenDaemon]


def test_serialno_names_one_card(daemon: TokenDaemon) -> None:
    serials = daemon.ok("SERIALNO").values("SERIALNO")

    assert len(serials) == 1
    assert bytes.fromhex(serials[0])


def test_learn_shows_every_key_by_its_right_keygrip(daemon: TokenDaemon, bed: Bed) -> None:
    daemon.ok("SERIALNO")

    assert set(daemon.listed()) == {keygrip(key.public) for key in bed.keys.values()}
    assert daemon.ok("LEARN --force").inquiries == []


def test_a_key_that_cannot_decrypt_is_not_offered_for_encryption(daemon: TokenDaemon, bed: Bed) -> None:
    """gpg would encrypt to it, and nobody could read the letter."""
    daemon.ok("SERIALNO")
    offered = {line.split()[0] for line in daemon.ok("KEYINFO --list=encr").values("KEYINFO")}

    assert not offered & {keygrip(key.public) for key in bed.keys.values() if not key.decrypts}


def test_keyrefs_are_places_or_tell_the_cka_id(daemon: TokenDaemon, bed: Bed) -> None:
    daemon.ok("SERIALNO")
    keyrefs = {grip: keyref for grip, (keyref, *_) in daemon.listed().items()}

    assert len(set(keyrefs.values())) == len(keyrefs)
    for key in bed.keys.values():
        keyref = keyrefs[keygrip(key.public)]
        assert keyref in PLACES or keyref.endswith(key.cka_id.hex().upper())
        assert keygrip_of_sexp(daemon.ok(f"READKEY {keyref}").data) == keygrip(key.public)


def test_public_keys_are_read(daemon: TokenDaemon, bed: Bed) -> None:
    daemon.ok("SERIALNO")

    for key in bed.keys.values():
        read = daemon.ok(f"READKEY {keygrip(key.public)}").data
        assert keygrip_of_sexp(read) == keygrip(key.public)


def test_certificates_are_read(daemon: TokenDaemon, bed: Bed) -> None:
    daemon.ok("SERIALNO")

    for grip, (keyref, *_) in daemon.listed().items():
        key = next(key for key in bed.keys.values() if keygrip(key.public) == grip)
        if key.certificate is None:
            assert not daemon.ask(f"READCERT {keyref}").ok
        else:
            assert daemon.ok(f"READCERT {keyref}").data == key.certificate


def test_every_signing_key_signs(daemon: TokenDaemon, bed: Bed) -> None:
    daemon.ok("SERIALNO")

    for key in _that(bed, "signs"):
        sign(daemon, key, bed.pin)


def test_every_signing_key_authenticates(daemon: TokenDaemon, bed: Bed) -> None:
    daemon.ok("SERIALNO")

    for key in _that(bed, "signs"):
        authenticate(daemon, key, bed.pin)


def test_every_decrypting_key_decrypts(daemon: TokenDaemon, bed: Bed) -> None:
    daemon.ok("SERIALNO")

    for key in _that(bed, "decrypts"):
        decrypt(daemon, key, bed.pin)


def test_the_pin_is_asked_for_as_often_as_the_key_wants_it(daemon: TokenDaemon, bed: Bed) -> None:
    daemon.ok("SERIALNO")
    for key in _that(bed, "signs"):
        sign(daemon, key, bed.pin)

    for key in _that(bed, "signs"):
        reply = daemon.use("PKSIGN --hash=sha256", key, DIGEST, bed.pin)
        assert len(reply.inquiries) == (key.asks == "each"), f"{key.name}: {reply.inquiries}"
        assert_signature(key.public, reply.data)


def test_a_wrong_pin_is_refused_and_the_right_one_taken_afterwards(daemon: TokenDaemon, bed: Bed) -> None:
    daemon.ok("SERIALNO")
    key = _that(bed, "signs")[0]

    wrong = daemon.use("PKSIGN --hash=sha256", key, DIGEST, bed.wrong_pin)

    assert wrong.code == BAD_PIN, f"{wrong.text}\n{daemon.said()}"
    if bed.tries_left is not None:
        assert bed.tries_left() == 2, "the same wrong PIN is sent once only"
    sign(daemon, key, bed.pin)


def test_cancelling_the_pin_leaves_the_token_usable(daemon: TokenDaemon, bed: Bed) -> None:
    daemon.ok("SERIALNO")
    key = _that(bed, "signs")[0]

    assert not daemon.use("PKSIGN --hash=sha256", key, DIGEST, None).ok

    sign(daemon, key, bed.pin)


def test_a_second_daemon_finds_the_same(start: StartDaemon, bed: Bed) -> None:
    first = start(bed)
    serial, listed = first.ok("SERIALNO").values("SERIALNO"), first.listed()
    sign(first, _that(bed, "signs")[0], bed.pin)
    first.client.transact("BYE")

    second = start(bed)

    assert second.ok("SERIALNO").values("SERIALNO") == serial
    assert second.listed() == listed
    sign(second, _that(bed, "signs")[0], bed.pin)


def test_two_daemons_share_the_token(start: StartDaemon, bed: Bed) -> None:
    key = _that(bed, "signs")[0]
    daemons = [start(bed), start(bed)]

    for _ in range(2):
        for daemon in daemons:
            daemon.ok("SERIALNO")
            sign(daemon, key, bed.pin)


def test_checkpin_logs_in(daemon: TokenDaemon, bed: Bed) -> None:
    serial = daemon.ok("SERIALNO").values("SERIALNO")[0]

    assert daemon.ok(f"CHECKPIN {serial}", bed.pin).inquiries

    key = next(key for key in _that(bed, "signs") if key.asks == "once")
    sign(daemon, key, None)


def test_no_pin_is_in_the_log(daemon: TokenDaemon, bed: Bed) -> None:
    daemon.ok("SERIALNO")
    sign(daemon, _that(bed, "signs")[0], bed.pin)

    for path in (daemon.log, daemon.running.stderr):
        assert bed.pin not in path.read_text(errors="replace")


def _that(bed: Bed, does: str) -> list[BedKey]:
    return [key for key in bed.keys.values() if getattr(key, does)]
