"""Keygrips against those of GnuPG and libgcrypt."""

from __future__ import annotations

import pytest

from scd.gcrypt.curves import CURVES
from scd.gcrypt.keygrip import ecc_keygrip, rsa_keygrip
from scd.gcrypt.pubkey import EccPublicKey, RsaPublicKey
from tests.unit.gcrypt.vectors import VECTORS, Vector

# Computed by libgcrypt 1.10.1, gcry_pk_get_keygrip. The last one has no solution on the curve.
X448_QUIRK = [
    (
        "0238B4E652E44DA7F2370D9E260E27136550A4A3A6D07F5C0C332F8B"
        "1224083FD22B902F8911E81818F8C99D5D5D9831957504D90E5DE2E8",
        "48D9284E59E753C4623F2F505B6F727B650C0B3D",
    ),
    (
        "03F54EE781CC75F636D85099095AA300165A67036F9B540D6B8F0BE2"
        "1124179C3DD9F73817CE6E118D264AAD6CB6DD210FAF94ACD392C190",
        "63B6A1182CED79D2E653CC9627EEBBAD446E3C43",
    ),
    (
        "03B0D7EC0B3E97818ECB96C4DBADBE172296D5234A42B24C6BA4E6ED"
        "24EC636A8AC0A1271E5866279238AAF84E58056D8F2FA8EDD0BA97AE",
        "7B4DCB99DA8563F3A2C8C71DEB44BC4A222DA267",
    ),
]
# The same libgcrypt, with (flags eddsa) for the first two and without flags for the third.
ED448_FIRST_OCTETS = [
    (
        "028B15442EE2DB611A91BFE39469733A9247D58FA3C55018300372555F"
        "D235F11829FB388C22E44CB637F01210C3707A90B405420FB169779E",
        "2FB3E8FC3444A675486456F585376923FD942BD6",
    ),
    (
        "03DFB5B9342405157F54B12EAE62D11E887EB0766D1877F8C6EFF26B50"
        "10AF3177D161E79587A766EC30E4037458A9905CAD87BD4C77E2983F",
        "1F4EDD35261FD747BC83AC872D04B804490256C2",
    ),
    (
        "4027745CCB9A31052E944CF1B220EAA2C7FB1B7D3E3F73F414AF6E0D93"
        "5520DD4C2147738606F2BF7EC70209E0CD05EE5720EDBCBA3ACCE672",
        "575F50BABF9682C764265B32BAA0B067A765D538",
    ),
]


def test_all_vectors_are_there() -> None:
    curves = {vector.key.curve for vector in VECTORS if isinstance(vector.key, EccPublicKey)}

    assert len(VECTORS) == 37
    assert curves == set(CURVES)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_keygrip_is_the_one_gpg_computed(vector: Vector) -> None:
    assert vector.key.keygrip == vector.keygrip
    assert len(vector.key.keygrip) == 20


@pytest.mark.parametrize(("q_hex", "grip_hex"), X448_QUIRK)
def test_x448_key_that_looks_compressed_is_uncompressed_as_libgcrypt_does(q_hex: str, grip_hex: str) -> None:
    assert ecc_keygrip(CURVES["X448"], bytes.fromhex(q_hex)).hex().upper() == grip_hex


@pytest.mark.parametrize(("q_hex", "grip_hex"), ED448_FIRST_OCTETS)
def test_ed448_keys_are_hashed_as_they_are(q_hex: str, grip_hex: str) -> None:
    assert ecc_keygrip(CURVES["Ed448"], bytes.fromhex(q_hex)).hex().upper() == grip_hex


def test_leading_zeros_of_a_modulus_do_not_count() -> None:
    rsa = next(vector for vector in VECTORS if isinstance(vector.key, RsaPublicKey))
    assert isinstance(rsa.key, RsaPublicKey)

    assert rsa_keygrip(b"\0\0" + rsa.key.n) == rsa.keygrip


def test_modulus_without_top_bit_gets_no_zero_in_front() -> None:
    """SHA-1 of the one octet 7F, by sha1sum."""
    assert rsa_keygrip(b"\x7f").hex() == "23833462f55515a900e016db2eb943fb474c19f6"
