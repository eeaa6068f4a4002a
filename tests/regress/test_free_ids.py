"""A new key does not come under the CKA_ID of somebody else's certificate, which would then be taken for its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.regress.tokens import ANSWERS, PlainTokens, daemon, new_key, self_signed


@pytest.mark.parametrize("ids", [("01",), ("01", "02"), ("02",)], ids=str)
def test_generate_leaves_the_ids_of_certificates_alone(tmp_path: Path, ids: tuple[str, ...]) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    for cka_id in ids:
        tokens.write("card", "cert", self_signed(new_key("prime256v1", tmp_path)), "--id", cka_id)
    with daemon(tokens, tmp_path) as client:
        assert client.transact("SETATTR KEY-ATTR --force 1 19 nistp256", ANSWERS).ok
        assert client.transact("GENKEY OPENPGP.1", ANSWERS).ok
    lines = [line.split() for line in tokens.tool("card", "--list-objects", "--type", "privkey").splitlines()]
    (made,) = [line[1] for line in lines if line[:1] == ["ID:"]]
    assert made == next(f"{n:02x}" for n in range(1, 9) if f"{n:02x}" not in ids)
