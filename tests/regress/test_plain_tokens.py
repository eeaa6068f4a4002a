"""Keys as pkcs11-tool and openssl make them are listed and sign."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.regress.tokens import ANSWERS, PlainTokens, daemon, new_key, public_of, self_signed


@pytest.mark.parametrize("kind", ["rsa:2048", "EC:prime256v1", "EC:edwards25519"])
def test_a_generated_key_is_listed(tmp_path: Path, kind: str) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    tokens.generate("card", kind, "--id", "01")
    with daemon(tokens, tmp_path) as client:
        assert len(client.transact("LEARN --force").values("KEYPAIRINFO")) == 1


@pytest.mark.parametrize("kind", ["rsa", "prime256v1", "ed25519"])
def test_a_key_of_openssl_with_its_certificate_signs(tmp_path: Path, kind: str) -> None:
    tokens, key = PlainTokens(tmp_path / "softhsm"), new_key(kind, tmp_path)
    tokens.init("card")
    tokens.load("card", key, "01")
    tokens.write("card", "cert", self_signed(key), "--id", "01")
    with daemon(tokens, tmp_path) as client:
        assert client.transact("LEARN --force").ok
        assert client.transact("SETDATA " + "AB" * 32).ok
        signed = client.transact(f"PKSIGN --hash=sha256 {public_of(key).keygrip.hex().upper()}", ANSWERS)
        assert signed.ok
        assert signed.data
