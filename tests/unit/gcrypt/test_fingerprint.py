"""Fingerprints as gpg has them."""

from __future__ import annotations

import pytest

from scd.gcrypt.fingerprint import algorithm_number, fingerprint, kdf_parameters, key_material
from scd.gcrypt.pubkey import EccPublicKey, RsaPublicKey
from tests.unit.gcrypt.openpgp import KEYS, VERSION_5, OpenpgpKey

ECDH = 18
P384 = [key for key in KEYS if key.public.bits == 384 and key.algorithm == ECDH]


def by_name(name: str) -> OpenpgpKey:
    return next(key for key in KEYS if key.name == name)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_keygrip_of_the_key_is_gpgs(key: OpenpgpKey) -> None:
    """The vectors are read as they are meant."""
    assert key.public.keygrip == key.keygrip


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_fingerprint_is_gpgs(key: OpenpgpKey) -> None:
    encryption = key.algorithm == ECDH
    assert algorithm_number(key.public, encryption=encryption) == key.algorithm
    assert fingerprint(key.public, key.created, encryption=encryption, kdf=key.kdf) == key.fingerprint


@pytest.mark.parametrize(
    "key", [key for key in KEYS if key.kdf is not None and key not in P384], ids=lambda key: key.name
)
def test_key_derivation_is_chosen_as_gpg_chooses(key: OpenpgpKey) -> None:
    assert fingerprint(key.public, key.created, encryption=True) == key.fingerprint


@pytest.mark.parametrize("key", P384, ids=lambda key: key.name)
def test_384_bits_derive_as_gpg_2_4_chooses(key: OpenpgpKey) -> None:
    """2.2 has AES-192 there, 2.4 AES-256 (g10/ecdh.c)."""
    assert key.kdf == bytes.fromhex("03010908")
    assert isinstance(key.public, EccPublicKey)
    assert kdf_parameters(key.public.curve_info) == bytes.fromhex("03010909")
    assert fingerprint(key.public, key.created, encryption=True) != key.fingerprint


@pytest.mark.parametrize("name", ["ed25519-22", "cv25519-18", "rsa2048-1"])
@pytest.mark.parametrize("encryption", [True, False])
def test_a_key_with_one_algorithm_has_it_whatever_it_is_wanted_for(name: str, encryption: bool) -> None:
    key = by_name(name)
    assert fingerprint(key.public, key.created, encryption=encryption) == key.fingerprint


def test_material_is_what_follows_the_algorithm() -> None:
    """RFC 6637 §9, by hand: OID of P-256, an MPI of 515 bits, KDF with SHA-256 and AES-128."""
    public = by_name("nistp256-18").public
    assert isinstance(public, EccPublicKey)
    signing = bytes.fromhex("082A8648CE3D0301070203") + public.q
    assert key_material(public, encryption=False) == signing
    assert key_material(public, encryption=True) == signing + bytes.fromhex("03010807")


@pytest.mark.parametrize("key", VERSION_5, ids=lambda key: key.name)
def test_version_5_fingerprint_is_gpgs(key: OpenpgpKey) -> None:
    """Two keys that gpg 2.4.7 made; Ed448 and X448 have no others."""
    assert key.public.keygrip == key.keygrip
    assert fingerprint(key.public, key.created, encryption=key.algorithm == ECDH) == key.fingerprint


def test_zero_octets_of_a_version_5_point_count() -> None:
    """g10/keyid.c, do_hash_public_key: the length in bits is that of all octets when the first is zero."""
    public = EccPublicKey("Ed448", b"\0\1" + bytes(55))
    assert key_material(public, encryption=False) == bytes.fromhex("032B657101C8") + public.q


@pytest.mark.parametrize("created", [-1, 1 << 32])
def test_times_outside_of_a_packets_reach_are_refused(created: int) -> None:
    with pytest.raises(ValueError, match=str(created)):
        fingerprint(by_name("rsa2048-1").public, created, encryption=False)


def test_numbers_too_long_for_openpgp_are_refused() -> None:
    with pytest.raises(ValueError, match="65536 bits"):
        fingerprint(RsaPublicKey(b"\x80" + bytes(8191), b"\3"), 1, encryption=False)
