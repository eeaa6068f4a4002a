"""What keys are listed and what they compute, for every implementation of the port."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, utils

from scd.token.errors import InvalidData, KeyNotFound, WrongKeyUsage
from scd.token.port import KeyAddress
from tests.contract.subject import Subject
from tests.fakes.keys import private_key, public_of

WORK = ("rsa2048", "p256", "p384", "ed25519", "rsa2048-bare", "p256-ecdh", "ed25519-bare")
RSA = ("work-rsa2048", "work-rsa2048-bare", "backup-rsa2048", "backup-rsa1024", "backup-rsa3072", "backup-rsa4096")
ECDSA = ("work-p256", "work-p384", "backup-p521", "backup-bp256", "backup-bp384", "backup-bp512", "backup-secp256k1")
EDDSA = ("work-ed25519", "work-ed25519-bare", "backup-ed448")
ECDH = ("work-p384", "work-p256-ecdh", "backup-p521", "backup-bp256", "backup-bp384", "backup-bp512")
HASHES: dict[int, hashes.HashAlgorithm] = {
    20: hashes.SHA1(),
    32: hashes.SHA256(),
    48: hashes.SHA384(),
    64: hashes.SHA512(),
}
SHA256_INFO = bytes.fromhex("3031300D060960864801650304020105000420")


def at(shared: Subject, key_file: str) -> KeyAddress:
    """The key on the token its file is named after."""
    return shared.address(key_file.partition("-")[0], key_file)


def test_all_keys_are_listed_once_with_grip_label_and_id(shared: Subject) -> None:
    keys = {key.label: key for key in shared.objects("work").keys}
    assert set(keys) == set(WORK)
    assert len(shared.objects("work").keys) == len(WORK)
    assert keys["p256"].keygrip.hex().upper() == "CAE0D94BD7EBECFBE0F1F6FF84F561043FA95887"
    assert keys["p256"].cka_id == b"\2"
    assert all(key.private_seen and not key.always_authenticate for key in keys.values())


def test_usage_is_what_the_token_says(shared: Subject) -> None:
    keys = {key.label: key for key in shared.objects("work").keys}
    assert [label for label in WORK if keys[label].can_sign] == [label for label in WORK if label != "p256-ecdh"]
    assert {label for label in WORK if keys[label].can_decrypt} == {"rsa2048", "rsa2048-bare", "p384", "p256-ecdh"}


def test_certificates_go_with_their_keys_and_the_others_stand_alone(shared: Subject) -> None:
    found = shared.objects("work")
    assert {key.label for key in found.keys if key.certificate} == {"rsa2048", "p256", "p384", "ed25519"}
    (ca,) = found.certificates
    assert ca.is_ca
    assert ca.cka_id == b"\x08"
    (rsa_key,) = (key for key in found.keys if key.label == "rsa2048")
    assert rsa_key.certificate is not None
    assert "Alice Work RSA" in rsa_key.certificate.subject
    assert rsa_key.certificate.not_before == 1704067200
    assert not rsa_key.certificate.is_ca


def test_an_odd_object_is_skipped_with_its_reason_and_spoils_nothing(shared: Subject) -> None:
    found = shared.objects("awkward")
    assert found.skipped
    assert all(one.what and one.reason for one in found.skipped)
    assert "good" in {key.label for key in found.keys}
    assert shared.sign(at(shared, "awkward-good"), bytes(32))


@pytest.mark.parametrize("key_file", RSA)
def test_rsa_signatures(shared: Subject, key_file: str) -> None:
    key = private_key(key_file)
    assert isinstance(key, rsa.RSAPrivateKey)
    digest = bytes(range(32))
    signature = shared.sign(at(shared, key_file), SHA256_INFO + digest)
    assert len(signature) == key.key_size // 8
    key.public_key().verify(signature, digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


def test_rsa_pads_whatever_block_it_gets(shared: Subject) -> None:
    """TLS client authentication of old signs 36 octets of MD5 and SHA-1 without DigestInfo."""
    key = private_key("work-rsa2048")
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = shared.sign(at(shared, "work-rsa2048"), b"x" * 36)
    numbers = key.public_key().public_numbers()
    opened = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n).to_bytes(256, "big")
    assert opened == b"\0\1" + b"\xff" * (256 - 3 - 36) + b"\0" + b"x" * 36


@pytest.mark.parametrize("length", HASHES)
@pytest.mark.parametrize("key_file", ECDSA)
def test_ecdsa_signatures(shared: Subject, key_file: str, length: int) -> None:
    key = private_key(key_file)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    digest = bytes(range(length))
    signature = shared.sign(at(shared, key_file), digest)
    half = (key.key_size + 7) // 8
    assert len(signature) == 2 * half
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    key.public_key().verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(utils.Prehashed(HASHES[length])))


@pytest.mark.parametrize("length", [0, 1, 64, 10_000])
@pytest.mark.parametrize("key_file", EDDSA)
def test_eddsa_signatures(shared: Subject, key_file: str, length: int) -> None:
    key = private_key(key_file)
    assert isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    message = bytes(length)
    key.public_key().verify(shared.sign(at(shared, key_file), message), message)


@pytest.mark.parametrize("key_file", RSA)
def test_rsa_decryption(shared: Subject, key_file: str) -> None:
    key = private_key(key_file)
    assert isinstance(key, rsa.RSAPrivateKey)
    ciphertext = key.public_key().encrypt(b"a session key", padding.PKCS1v15())
    assert shared.decrypt(at(shared, key_file), ciphertext) == b"a session key"


@pytest.mark.parametrize("key_file", ECDH)
def test_ecdh(shared: Subject, key_file: str) -> None:
    key = private_key(key_file)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    peer = ec.derive_private_key(0x1234567, key.curve)
    point = peer.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    assert shared.decrypt(at(shared, key_file), point) == peer.exchange(ec.ECDH(), key.public_key())


def test_one_cka_id_on_two_tokens_is_two_keys(shared: Subject) -> None:
    assert at(shared, "work-rsa2048").cka_id == at(shared, "backup-rsa2048").cka_id
    signatures = {shared.sign(at(shared, name), SHA256_INFO + bytes(32)) for name in ("work-rsa2048", "backup-rsa2048")}
    assert len(signatures) == 2


@pytest.mark.parametrize("stranger", ["backup-rsa2048", "backup-p521", "x25519"])
def test_a_key_the_token_does_not_have_is_not_replaced_by_another(shared: Subject, stranger: str) -> None:
    address = KeyAddress(shared.token("work"), b"\1", public_of(private_key(stranger)))
    with pytest.raises(KeyNotFound):
        shared.sign(address, bytes(32))
    with pytest.raises(KeyNotFound):
        shared.decrypt(address, bytes(256))


@pytest.mark.parametrize("data", [b"", b"short", bytes(255), bytes(257)], ids=len)
def test_a_ciphertext_of_a_wrong_length_is_invalid(shared: Subject, data: bytes) -> None:
    with pytest.raises(InvalidData):
        shared.decrypt(at(shared, "work-rsa2048"), data)


def test_a_block_that_does_not_fit_is_invalid(shared: Subject) -> None:
    with pytest.raises(InvalidData):
        shared.sign(at(shared, "work-rsa2048"), bytes(246))


@pytest.mark.parametrize(
    "point",
    [b"", b"\4" + bytes(64), b"\4" * 97, bytes(97), b"\4" + bytes(95) + b"\1"],
    ids=["empty", "of P-256", "off the curve", "no point", "off the curve, small"],
)
def test_a_point_that_is_none_is_invalid(shared: Subject, point: bytes) -> None:
    with pytest.raises(InvalidData):
        shared.decrypt(at(shared, "work-p384"), point)


def test_a_key_that_cannot_do_it_is_used_wrongly(shared: Subject) -> None:
    with pytest.raises(WrongKeyUsage):
        shared.decrypt(at(shared, "work-ed25519"), bytes(32))
    with pytest.raises(WrongKeyUsage):
        shared.sign(at(shared, "work-p256-ecdh"), bytes(32))
