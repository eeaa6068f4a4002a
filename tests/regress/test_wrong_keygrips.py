"""openpgp-sign with what is no keygrip of a token: said at --gpgconf-test and in the log, with what would be right."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.harness.gnupg import scd_command
from tests.regress.tokens import PlainTokens, daemon, new_key, public_of, self_signed


@pytest.fixture
def tokens(tmp_path: Path) -> PlainTokens:
    """An RSA key with its certificate."""
    made, key = PlainTokens(tmp_path / "softhsm"), new_key("rsa", tmp_path)
    made.init("card")
    made.load("card", key, "01")
    made.write("card", "cert", self_signed(key), "--id", "01")
    return made


def said(tokens: PlainTokens, folder: Path, keygrip: str) -> str:
    """The warning in the log, which is that of --gpgconf-test."""
    with daemon(tokens, folder, f"openpgp-sign {keygrip}\n") as client:
        assert client.transact("LEARN --force").ok
        assert client.transact("KEYINFO --list").ok
    env = os.environ | tokens.env | {"GNUPGHOME": str(folder)}
    tested = subprocess.run([*scd_command(), "--gpgconf-test"], env=env, capture_output=True, text=True, check=True)
    warnings = [line.removeprefix("scd: ") for line in tested.stderr.splitlines() if "openpgp-" in line]
    logged = (folder / "scd.log").read_text()
    assert all(warning in logged for warning in warnings)
    assert len(warnings) == logged.count("openpgp-sign ") <= 1
    return "".join(warnings)


def test_an_unknown_keygrip(tokens: PlainTokens, tmp_path: Path) -> None:
    right = public_of(tmp_path / "key.der").keygrip.hex().upper()
    text = said(tokens, tmp_path, "AB" * 20)
    assert "no token that is present shows a key with this keygrip" in text
    assert f'keys for it are {right} (rsa2048 on "card")' in text


def test_a_fingerprint(tokens: PlainTokens, tmp_path: Path) -> None:
    right = public_of(tmp_path / "key.der").keygrip.hex().upper()
    print_ = hashlib.sha1((tmp_path / "key.crt").read_bytes()).hexdigest()
    assert f"is a fingerprint, and a keygrip belongs there; the key's is {right}" in said(tokens, tmp_path, print_)


def test_a_right_one(tokens: PlainTokens, tmp_path: Path) -> None:
    assert said(tokens, tmp_path, public_of(tmp_path / "key.der").keygrip.hex()) == ""


def test_kinds_of_keys_and_the_version_are_told(tokens: PlainTokens, tmp_path: Path) -> None:
    with daemon(tokens, tmp_path) as client:
        kinds = client.transact("GETATTR KEY-ATTR-INFO").values("KEY-ATTR-INFO")
        assert {"OPENPGP.1 rsa4096", "OPENPGP.1 ed25519", "OPENPGP.2 nistp256", "OPENPGP.3 nistp521"} <= set(kinds)
        assert not {"OPENPGP.2 ed25519", "OPENPGP.1 cv25519"} & set(kinds)
        assert client.transact("LEARN --force").values("APPVERSION") == ["304"]
        assert client.transact("GETATTR APPVERSION").values("APPVERSION") == ["304"]
