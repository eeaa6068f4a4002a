"""A new key for a place whose old one the token does not destroy: no pile of keys, and no lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.regress.lasting import write_lasting
from tests.regress.tokens import ANSWERS, PlainTokens, daemon, new_key, public_of
from tests.unit.gcrypt.keytocard import KEYTOCARD

EC = "--algo=nistp256"


@pytest.fixture
def tokens(tmp_path: Path) -> PlainTokens:
    """A lasting key that is written down as having been put into place 1."""
    made, key, record = PlainTokens(tmp_path / "softhsm"), new_key("rsa", tmp_path), tmp_path / "record"
    made.init("card")
    write_lasting(made, "card", key, "01")
    record.write_text(public_of(key).keygrip.hex().upper(), encoding="ascii")
    made.write("card", "data", record, "--label", "OPENPGP.1", "--application-label", "scd")
    return made


@pytest.mark.parametrize("line", [f"GENKEY --force {EC} OPENPGP.1", "WRITEKEY --force OPENPGP.1"])
def test_the_new_key_goes_again(tokens: PlainTokens, tmp_path: Path, line: str) -> None:
    answers = ANSWERS | {"KEYDATA": KEYTOCARD["nistp256"][1]}
    with daemon(tokens, tmp_path) as client:
        before = client.transact("LEARN --force").values("KEYPAIRINFO")
        assert len(before) == 1
        for _ in range(2):
            refused = client.transact(line, answers)
            assert not refused.ok
            assert "the old key stays in its place, and the new one was taken off again" in refused.text
            assert client.transact("LEARN --force").values("KEYPAIRINFO") == before
