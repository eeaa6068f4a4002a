"""`verbose` twice did not say what the daemon works with: which configuration, which tokens and keys, and why these."""

from __future__ import annotations

import re
from pathlib import Path

from tests.regress.test_no_such_device import PYTHONS
from tests.regress.tokens import ANSWERS, PIN, PlainTokens, daemon, new_key, public_of, self_signed


def logged(tokens: PlainTokens, home: Path, config: str) -> str:
    """The log after a few commands; everything in it is said once."""
    with daemon(tokens, home, config) as client:
        for _ in range(2):
            assert client.transact("LEARN --force").ok
        assert client.transact("CHECKPIN OPENPGP.1", ANSWERS).ok
    log = (home / "scd.log").read_text(encoding="utf-8")
    assert PIN not in log
    assert not PYTHONS.search(log)
    return log


def test_configuration_token_keys_and_places_are_told_with_their_reasons(tmp_path: Path) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    keys = [new_key(kind, tmp_path, kind) for kind in ("rsa", "prime256v1")]
    for number, key in enumerate(keys, 1):
        tokens.load("card", key, f"0{number}")
    tokens.write("card", "cert", self_signed(keys[0]), "--id", "01")
    rsa, p256 = (public_of(key).keygrip.hex().upper() for key in keys)
    log = logged(tokens, tmp_path, f"verbose\nopenpgp-auth {p256}\n")
    config = tmp_path / "scd.conf"
    assert log.count(f"configuration read: {config}") == 1
    assert f"module=softhsm why={config}:" in log
    assert 'token "card" of module softhsm: manufacturer "SoftHSM project"' in log
    assert re.search(rf"key {rsa} rsa2048 as P11\.[0-9A-F]+: CKA_ID 01, label \"rsa\"; signs: yes", log)
    assert 'certificate "CN=Alice" (no key usage)' in log
    assert re.search(rf"key {p256} nistp256 as P11\.[0-9A-F]+: CKA_ID 02", log)
    assert log.count("place 1 (Signature key): ") == 1
    assert f"place 3 (Authentication key): {p256}, named by openpgp-auth" in log


def test_a_place_without_a_key_says_why(tmp_path: Path) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    tokens.load("card", new_key("ed25519", tmp_path), "01")
    log = logged(tokens, tmp_path, f"verbose\nopenpgp-encr {'AB' * 20}\n")
    assert f"place 2 (Encryption key): empty: this card has no key {'AB' * 20}, which openpgp-encr names" in log
