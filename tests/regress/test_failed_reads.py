"""A key vanished until RESET after one failed read: with stock SoftHSM and another program that renames labels, LEARN
stayed at 2 of 3 keys in 3 of 25 rounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.regress.faults import FaultyTokens
from tests.regress.tokens import daemon, new_key, self_signed

ALWAYS = 1_000_000


@pytest.fixture
def tokens(tmp_path: Path) -> FaultyTokens:
    made = FaultyTokens(tmp_path / "softhsm")
    made.init("card")
    made.generate("card", "rsa:2048", "--id", "01")
    made.generate("card", "EC:prime256v1", "--id", "02")
    key = new_key("prime256v1", tmp_path)
    made.load("card", key, "03")
    made.write("card", "cert", self_signed(key), "--id", "03")
    return made


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_read_that_fails_now_and_then_costs_nothing(tokens: FaultyTokens, tmp_path: Path, times: int) -> None:
    with daemon(tokens, tmp_path) as client:
        tokens.fault("attributes", times)
        client.transact("LEARN --force")
        tokens.fault("attributes", 0)
        assert len(client.transact("LEARN --force").values("KEYPAIRINFO")) == 3


def test_what_could_not_be_read_is_read_again_at_the_next_listing(tokens: FaultyTokens, tmp_path: Path) -> None:
    tokens.fault("attributes", ALWAYS)
    with daemon(tokens, tmp_path) as client:
        assert client.transact("LEARN --force").values("KEYPAIRINFO") == []
        assert "CKR_GENERAL_ERROR" in (tmp_path / "scd.log").read_text()
        tokens.fault("attributes", 0)
        assert len(client.transact("LEARN --force").values("KEYPAIRINFO")) == 3
