"""SoftHSM 2.6.1 reads its token folder once: what other programs do there later is noticed all the same."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.harness.assuan_client import AssuanClient, pin_reply
from tests.regress.tokens import ANSWERS, PIN, PlainTokens, daemon

NEW_PIN = "1234567"
BAD_PIN = 87


def change_pin(tokens: PlainTokens, label: str, new: str) -> None:
    """pkcs11-tool --change-pin, by another process."""
    command = ["pkcs11-tool", "--module", str(tokens.module), "--token-label", label, "--login", "--pin", PIN]
    done = subprocess.run([*command, "--change-pin", "--new-pin", new], env=os.environ | tokens.env, check=False)
    assert done.returncode == 0


def cards(client: AssuanClient) -> int:
    assert client.transact("SERIALNO").ok
    return len(client.transact("GETINFO card_list").values("SERIALNO"))


def test_a_new_token_is_noticed(tmp_path: Path) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("first")
    with daemon(tokens, tmp_path) as client:
        assert cards(client) == 1
        tokens.init("second")
        assert cards(client) == 2


def test_a_new_token_waits_for_the_end_of_a_login_and_the_log_says_so(tmp_path: Path) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("first")
    with daemon(tokens, tmp_path) as client:
        assert client.transact("CHECKPIN", ANSWERS).ok
        tokens.init("second")
        assert cards(client) == 1
        assert "gpgconf --reload scdaemon" in (tmp_path / "scd.log").read_text(encoding="utf-8")
        assert client.transact("RESET").ok
        assert cards(client) == 2


def test_a_pin_that_another_program_changed_is_the_one_that_counts(tmp_path: Path) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    with daemon(tokens, tmp_path) as client:
        assert client.transact("CHECKPIN", ANSWERS).ok
        assert client.transact("RESET").ok
        change_pin(tokens, "card", NEW_PIN)
        assert client.transact("CHECKPIN", {"NEEDPIN": pin_reply(PIN)}).code == BAD_PIN
        assert client.transact("CHECKPIN", {"NEEDPIN": pin_reply(NEW_PIN)}).ok
