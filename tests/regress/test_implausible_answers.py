"""Numbers of a module are not believed: a search without end took 1.7 GB in 19 s, and a count of 2^40 crashed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.assuan_client import AssuanClient
from tests.regress.faults import FaultyTokens
from tests.regress.tokens import ANSWERS, daemon, new_key, public_of

ALWAYS = 1_000_000


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return new_key("rsa", tmp_path)


@pytest.fixture
def tokens(tmp_path: Path, key: Path) -> FaultyTokens:
    made = FaultyTokens(tmp_path / "softhsm")
    made.init("card")
    made.load("card", key, "01")
    return made


def signs(client: AssuanClient, key: Path) -> bool:
    client.transact("SETDATA " + "AB" * 32)
    return client.transact(f"PKSIGN --hash=sha256 {public_of(key).keygrip.hex()}", ANSWERS).ok


@pytest.mark.parametrize("fault", ["findcount", "findsame", "findendless", "slots", "lengths"])
def test_a_number_that_cannot_be_is_an_error_and_the_next_listing_is_right(
    tokens: FaultyTokens, tmp_path: Path, key: Path, fault: str
) -> None:
    tokens.fault(fault, ALWAYS)
    with daemon(tokens, tmp_path) as client:
        assert client.transact("LEARN --force").values("KEYPAIRINFO") == []
        tokens.fault(fault, 0)
        assert len(client.transact("LEARN --force").values("KEYPAIRINFO")) == 1
        assert signs(client, key)
    log = (tmp_path / "scd.log").read_text()
    assert "there is room for" in log or "again and again" in log or "than there can be" in log or "no end of" in log
    assert "op=spawn" not in log  # the worker lived


@pytest.mark.parametrize("fault", ["findcount", "findsame", "findendless", "slots"])
def test_one_such_number_costs_nothing_that_was_known(
    tokens: FaultyTokens, tmp_path: Path, key: Path, fault: str
) -> None:
    with daemon(tokens, tmp_path) as client:
        assert signs(client, key)
        tokens.fault(fault, 1)
        client.transact("LEARN --force")
        tokens.fault(fault, 0)
        assert client.transact(f"KEYINFO {public_of(key).keygrip.hex()}").ok
        assert signs(client, key)


@pytest.mark.parametrize("fault", ["mechanismcount", "mechanisms"])
def test_a_list_of_mechanisms_that_cannot_be_is_no_list(
    tokens: FaultyTokens, tmp_path: Path, key: Path, fault: str
) -> None:
    tokens.fault(fault, ALWAYS)
    with daemon(tokens, tmp_path) as client:
        assert signs(client, key)


def test_a_wrong_list_of_mechanisms_costs_one_signature(tokens: FaultyTokens, tmp_path: Path, key: Path) -> None:
    tokens.fault("onemechanism", 1)
    with daemon(tokens, tmp_path) as client:
        assert not signs(client, key)
        assert signs(client, key)


def test_a_signature_longer_than_its_room_is_none(tokens: FaultyTokens, tmp_path: Path, key: Path) -> None:
    with daemon(tokens, tmp_path) as client:
        tokens.fault("signlength", 1)
        assert not signs(client, key)
        assert signs(client, key)


def test_lengths_of_pins_that_are_unavailable_are_no_limits(tokens: FaultyTokens, tmp_path: Path, key: Path) -> None:
    tokens.fault("pinlengths", ALWAYS)
    with daemon(tokens, tmp_path) as client:
        assert signs(client, key)
        new = {"NEEDPIN": ANSWERS["NEEDPIN"]}
        assert client.transact("PASSWD 1", new).ok


def test_texts_of_a_token_that_are_no_texts_are_shown_somehow(tokens: FaultyTokens, tmp_path: Path, key: Path) -> None:
    tokens.fault("texts", ALWAYS)
    with daemon(tokens, tmp_path) as client:
        assert client.transact("LEARN --force").ok
        assert signs(client, key)
