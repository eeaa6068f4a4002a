"""Public keys: normalised, checked, and written as READKEY sends them."""

from __future__ import annotations

import dataclasses

import pytest

from scd.gcrypt.pubkey import EccPublicKey, RsaPublicKey
from tests.unit.gcrypt.recorded import PIV_9A, PIV_9A_KEYGRIP, PIV_9A_SEXP
from tests.unit.gcrypt.vectors import ECC_VECTORS, VECTORS, Vector

P256_Q = b"\x04" + bytes(64)


def test_rsa_sexp_is_the_one_scdaemon_sends() -> None:
    assert PIV_9A.sexp() == PIV_9A_SEXP
    assert PIV_9A.keygrip == PIV_9A_KEYGRIP


@pytest.mark.parametrize("vector", ECC_VECTORS, ids=lambda vector: vector.name)
def test_point_in_the_sexp_is_the_one_gpg_keeps(vector: Vector) -> None:
    """OpenPGP has the 40 in front of 25519 keys; gpg copies q from READKEY as it is."""
    q = vector.q_openpgp

    assert vector.key.sexp().endswith(b"(1:q%d:%s)))" % (len(q), q))


@pytest.mark.parametrize(
    ("curve", "q", "expected"),
    [
        ("NIST P-256", P256_Q, b"(10:public-key(3:ecc(5:curve10:NIST P-256)(1:q65:" + P256_Q + b")))"),
        (
            "Ed25519",
            bytes(32),
            b"(10:public-key(3:ecc(5:curve7:Ed25519)(5:flags5:eddsa)(1:q33:\x40" + bytes(32) + b")))",
        ),
        (
            "Curve25519",
            bytes(32),
            b"(10:public-key(3:ecc(5:curve10:Curve25519)(5:flags9:djb-tweak)(1:q33:\x40" + bytes(32) + b")))",
        ),
        ("Ed448", bytes(57), b"(10:public-key(3:ecc(5:curve5:Ed448)(1:q57:" + bytes(57) + b")))"),
        ("X448", bytes(56), b"(10:public-key(3:ecc(5:curve4:X448)(1:q56:" + bytes(56) + b")))"),
    ],
)
def test_ecc_sexp(curve: str, q: bytes, expected: bytes) -> None:
    assert EccPublicKey(curve, q).sexp() == expected


@pytest.mark.parametrize(
    ("first", "flagged"), [(0x00, False), (0x02, True), (0x03, True), (0x04, False), (0x40, False)]
)
def test_ed448_has_the_flag_only_where_libgcrypt_needs_it(first: int, flagged: bool) -> None:
    key = EccPublicKey("Ed448", bytes((first,)) + bytes(56))

    assert (b"(5:flags5:eddsa)" in key.sexp()) is flagged


def test_short_rsa_numbers_are_signed_numbers() -> None:
    assert RsaPublicKey(b"\x7f", b"\x03").sexp() == b"(10:public-key(3:rsa(1:n1:\x7f)(1:e1:\x03)))"
    assert RsaPublicKey(b"\x80", b"\x81").sexp() == b"(10:public-key(3:rsa(1:n2:\x00\x80)(1:e2:\x00\x81)))"


def test_leading_zeros_make_no_other_key() -> None:
    padded = RsaPublicKey(b"\0\0" + PIV_9A.n, b"\0" + PIV_9A.e)

    assert padded == PIV_9A
    assert hash(padded) == hash(PIV_9A)
    assert (padded.n, padded.e) == (PIV_9A.n, PIV_9A.e)


@pytest.mark.parametrize(("n", "e"), [(b"", b"\3"), (b"\0\0", b"\3"), (b"\5", b""), (b"\5", b"\0")])
def test_zero_is_no_rsa_number(n: bytes, e: bytes) -> None:
    with pytest.raises(ValueError, match="= 0"):
        RsaPublicKey(n, e)


@pytest.mark.parametrize(
    ("curve", "q", "complaint"),
    [
        ("NIST P-192", bytes(49), "unknown curve 'NIST P-192'"),
        ("nistp256", P256_Q, "unknown curve"),
        ("NIST P-256", P256_Q[:-1], "65 octets, not 64"),
        ("NIST P-256", b"\x06" + bytes(64), "begins with 04, not 06"),
        ("Ed25519", b"\x40" + bytes(32), "32 octets, not 33"),
        ("X448", b"", "56 octets, not 0"),
    ],
)
def test_wrong_point_is_refused(curve: str, q: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        EccPublicKey(curve, q)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_algorithm_is_the_short_name_gpg_prints(vector: Vector) -> None:
    assert vector.key.algorithm == vector.name.split("-")[0].replace("rsa", "rsa2048")


def test_bits() -> None:
    bits = {vector.key.algorithm: vector.key.bits for vector in VECTORS}

    assert bits == {
        "rsa2048": 2048,
        "nistp256": 256,
        "nistp384": 384,
        "nistp521": 521,
        "secp256k1": 256,
        "brainpoolP256r1": 256,
        "brainpoolP384r1": 384,
        "brainpoolP512r1": 512,
        "ed25519": 255,
        "cv25519": 255,
        "ed448": 448,
        "cv448": 448,
    }


def test_bits_of_a_modulus_with_free_top_bits() -> None:
    assert RsaPublicKey(b"\x01" + bytes(127) + b"\x01", b"\3").algorithm == "rsa1025"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_key_survives_its_fields(vector: Vector) -> None:
    """Frames between processes carry the fields and nothing else; the kept keygrip is none."""
    key = vector.key
    grip = key.keygrip
    fields = {field.name: getattr(key, field.name) for field in dataclasses.fields(key)}

    again = type(key)(**fields)

    assert (again, hash(again), again.keygrip) == (key, hash(key), grip)


def test_keygrip_is_computed_once() -> None:
    assert PIV_9A.keygrip is PIV_9A.keygrip


@pytest.mark.parametrize("key", [PIV_9A, EccPublicKey("Ed25519", bytes(32))])
def test_key_cannot_be_changed(key: RsaPublicKey | EccPublicKey) -> None:
    name = dataclasses.fields(key)[0].name

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(key, name, b"\1")
