"""With `debug ipc` the octets behind a 0x0B, 0x1C, 0x85 or U+2028 in a data line were logged in clear.

The trace split what went out by `str.splitlines`, which ends a line there, and only the first piece began with `D `.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from tests.regress.tokens import ANSWERS, PlainTokens, daemon, new_key, public_of

LINE_ENDS = ["\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\r", "\n", "\r\n"]


@pytest.mark.parametrize("debug", ["debug ipc", "debug-all"])
def test_what_was_decrypted_is_not_in_the_log(tmp_path: Path, debug: str) -> None:
    tokens, key = PlainTokens(tmp_path / "softhsm"), new_key("rsa", tmp_path)
    tokens.init("card")
    tokens.load("card", key, "01")
    private = load_der_private_key(key.read_bytes(), None)
    assert isinstance(private, RSAPrivateKey)
    plain = "session-key".join(LINE_ENDS).encode() + b"\xff\x85session-key"
    with daemon(tokens, tmp_path, f"verbose\nverbose\n{debug}\n") as client:
        assert client.transact("LEARN --force").ok
        assert client.transact("SETDATA " + private.public_key().encrypt(plain, PKCS1v15()).hex()).ok
        opened = client.transact(f"PKDECRYPT {public_of(key).keygrip.hex().upper()}", ANSWERS)
    assert plain in opened.data
    told = (tmp_path / "scd.log").read_text() + (tmp_path / "stderr").read_text()
    assert "-> D [" in told
    assert "session-key" not in told
