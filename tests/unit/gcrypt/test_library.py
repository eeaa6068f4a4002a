"""What cryptography cannot compute with is said, and never taken for a wrong key."""

from __future__ import annotations

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from scd.gcrypt import library
from scd.gcrypt.curves import CURVES
from scd.gcrypt.library import CannotCompute, ecc_key, rsa_key
from scd.gcrypt.proof import Probe, verifies
from scd.gcrypt.pubkey import EccPublicKey, RsaPublicKey

ODD = b"\xff" * 24
X25519 = EccPublicKey("Curve25519", b"\x09" + bytes(31))
P521 = EccPublicKey("NIST P-521", b"\x04" + CURVES["NIST P-521"].g[1:])


def test_an_even_exponent_is_no_rsa_key() -> None:
    with pytest.raises(CannotCompute, match="no arithmetic for this key of rsa2048"):
        rsa_key(RsaPublicKey(b"\xff" * 256, b"\x02"))


def test_a_point_beside_the_curve_is_no_key() -> None:
    with pytest.raises(CannotCompute, match="no arithmetic for this key on NIST P-256"):
        ecc_key(EccPublicKey("NIST P-256", b"\x04" + bytes(63) + b"\x01"))


def test_a_curve_that_this_openssl_lacks_is_named() -> None:
    with pytest.raises(CannotCompute, match="no arithmetic for keys on Ed448"), library._supported(CURVES["Ed448"]):
        raise UnsupportedAlgorithm("not in this build")


def test_a_key_that_cannot_sign_has_no_signatures() -> None:
    assert not verifies(X25519, b"data", bytes(64))


def test_a_hash_longer_than_any_cannot_be_verified() -> None:
    with pytest.raises(CannotCompute, match="no hash of 65 octets"):
        verifies(P521, bytes(65), bytes(132))


def test_a_key_too_small_for_the_probe_cannot_be_probed() -> None:
    with pytest.raises(CannotCompute, match="nothing can be encrypted to this key of rsa192"):
        Probe(RsaPublicKey(ODD, b"\x01\x00\x01"))


def test_a_public_key_of_which_only_zeros_come_is_nobodys() -> None:
    assert not Probe(EccPublicKey("Curve25519", b"\x09" + bytes(31))).shows(
        EccPublicKey("Curve25519", bytes(32)), b"\0"
    )
