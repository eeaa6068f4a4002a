"""Which of the two points with one X is the shared one."""

from __future__ import annotations

import pytest

from scd.gcrypt.curves import CURVES
from scd.gcrypt.pubkey import EccPublicKey
from scd.service.using import libcrypto
from scd.service.using.sharedpoint import either_point, second_peer, true_point
from scd.token.errors import InvalidData, TokenFailure

P256 = CURVES["NIST P-256"]
TWICE_G = libcrypto.add(P256, P256.g, P256.g)
MINUS_G = P256.g[:33] + (int.from_bytes(P256.p, "big") - int.from_bytes(P256.g[33:], "big")).to_bytes(32, "big")


def test_twice_the_generator_is_nist_s() -> None:
    """The first coordinates in NIST's mathematical routines, k = 2."""
    assert TWICE_G[1:33].hex().upper() == "7CF27B188D034F7E8A52380304B51AC3C08969E277F21B35A60B48FC47669978"


def test_a_point_and_its_negative_make_infinity() -> None:
    assert libcrypto.add(P256, P256.g, MINUS_G) == b"\0"


@pytest.mark.parametrize("point", [MINUS_G, P256.g[:-1] + b"\0", b"", P256.g[:-1]], ids=["-G", "off", "none", "short"])
def test_what_cannot_be_a_peer_is_refused(point: bytes) -> None:
    with pytest.raises(InvalidData):
        second_peer(P256, point)


def test_two_answers_of_different_private_keys_are_refused() -> None:
    public = EccPublicKey("NIST P-256", TWICE_G)
    with pytest.raises(TokenFailure, match="private key"):
        true_point(public, P256.g[1:33], TWICE_G[1:33])


def test_an_x_of_no_point_is_the_token_s_failure() -> None:
    with pytest.raises(TokenFailure, match="no point"):
        either_point(P256, b"\xff" * 32)


def test_libcrypto_refuses_what_is_no_point() -> None:
    with pytest.raises(ValueError, match="not a point"):
        libcrypto.add(P256, P256.g, P256.g[:-1] + b"\0")
