"""Ed448 and X448: gpg has them in version 5 keys only, whose fingerprints have 64 hex digits."""

from __future__ import annotations

from pathlib import Path

import pytest

from scd.gcrypt.fingerprint import fingerprint
from scd.gcrypt.pubkey import EccPublicKey
from scd.gcrypt.sexp import parse
from tests.regress.tokens import ANSWERS, PlainTokens, daemon

CREATED, WRITTEN = 1795325806, "20261122T053646"


@pytest.mark.parametrize(("place", "algorithm", "curve"), [(1, "ed448", "Ed448"), (2, "cv448", "X448")])
def test_a_key_on_a_448_curve_has_its_fingerprint_and_time(
    tmp_path: Path, place: int, algorithm: str, curve: str
) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    with daemon(tokens, tmp_path) as client:
        made = client.transact(f"GENKEY --timestamp={WRITTEN} --algo={algorithm} {place}", ANSWERS)
        assert made.ok, made.text
        point = octets_of(client.transact(f"READKEY OPENPGP.{place}").data)
        expected = fingerprint(EccPublicKey(curve, point), CREATED, encryption=place == 2).hex().upper()
        assert len(expected) == 64
        assert made.values("KEY-FPR") == [expected]
        assert client.transact("GETATTR KEY-FPR").values("KEY-FPR") == [f"{place} {expected}"]
        assert client.transact("GETATTR KEY-TIME").values("KEY-TIME") == [f"{place} {CREATED}"]
        assert client.transact(f"SETATTR KEY-FPR-{place} {expected[::-1]}").ok
        assert client.transact("LEARN --force").values("KEY-FPR") == [f"{place} {expected[::-1]}"]


def octets_of(key: bytes) -> bytes:
    """The point of `(public-key (ecc (curve …) (q …)))`."""
    match parse(key):
        case (b"public-key", (b"ecc", _, (b"q", bytes(point)))):
            return point
        case other:
            raise AssertionError(other)
