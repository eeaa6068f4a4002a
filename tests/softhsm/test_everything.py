"""All that the declared tokens hold: each key is listed once, by its keygrip, and does what it says it can."""

from __future__ import annotations

from typing import assert_never

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, utils, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scd.gcrypt.digestinfo import PREFIXES
from scd.token.model import KeyPair
from scd.token.port import KeyAddress
from tests.fakes.keys import FOLDER, PrivateKey, private_key, public_of
from tests.harness.tokens import STANDARD, Minted
from tests.softhsm.loaded import Loaded

BY_PUBLIC = {
    public_of(private_key(name)): private_key(name)
    for path in FOLDER.glob("*.key.pem")
    if (name := path.name.removesuffix(".key.pem")) not in ("awkward-dsa", "awkward-unknown-curve")
}


@pytest.mark.parametrize("label", STANDARD)
def test_the_keys_are_the_declared_ones(everything: Loaded, minted: Minted, label: str) -> None:
    declared = {entry.keygrip: entry.cka_id for entry in minted.tokens[label].keys.values() if entry.usable}
    found = everything.objects(label).keys
    assert {key.keygrip.hex().upper(): key.cka_id for key in found} == declared
    assert len(found) == len(declared)
    assert all(key.private_seen for key in found)


@pytest.mark.parametrize("label", STANDARD)
def test_every_key_does_what_it_says_it_can(everything: Loaded, label: str) -> None:
    token, pin = everything.id(label), everything.pin(label)
    for key in everything.objects(label).keys:
        address = KeyAddress(token, key.cka_id, key.public)
        private, context = BY_PUBLIC[key.public], pin if key.always_authenticate else None
        assert key.can_sign or key.can_decrypt, key.label
        if key.can_sign:
            for data in _to_sign(private):
                _verify(private, everything.sign(address, data, context), data)
        if key.can_decrypt:
            question, answer = _to_decrypt(private)
            assert everything.decrypt(address, question, context) == answer, key.label


def _to_sign(key: PrivateKey) -> list[bytes]:
    """A DigestInfo, a hash or a message: see `SignRequest`."""
    if isinstance(key, rsa.RSAPrivateKey):
        return [PREFIXES["sha256"] + bytes(range(32)), b"t" * 36]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return [bytes(range(length)) for length in (20, 32, 48, 64)]
    return [b"", b"message", bytes(5000)]


def _verify(key: PrivateKey, signature: bytes, data: bytes) -> None:
    match key:
        case rsa.RSAPrivateKey():
            assert len(signature) == (key.key_size + 7) // 8
            numbers = key.public_key().public_numbers()
            opened = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n).to_bytes(len(signature), "big")
            assert opened == b"\0\1" + b"\xff" * (len(signature) - len(data) - 3) + b"\0" + data
        case ec.EllipticCurvePrivateKey():
            half = (key.key_size + 7) // 8
            assert len(signature) == 2 * half
            r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
            hashed: dict[int, hashes.HashAlgorithm] = {
                20: hashes.SHA1(), 32: hashes.SHA256(), 48: hashes.SHA384(), 64: hashes.SHA512(),
            }  # fmt: skip
            scheme = ec.ECDSA(utils.Prehashed(hashed[len(data)]))
            key.public_key().verify(utils.encode_dss_signature(r, s), data, scheme)
        case ed25519.Ed25519PrivateKey() | ed448.Ed448PrivateKey():
            key.public_key().verify(signature, data)
        case x25519.X25519PrivateKey() | x448.X448PrivateKey():
            pytest.fail("such a key signs nothing")
        case _:
            assert_never(key)


def _to_decrypt(key: PrivateKey) -> tuple[bytes, bytes]:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.public_key().encrypt(b"session key", padding.PKCS1v15()), b"session key"
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    peer = ec.derive_private_key(0x1234567, key.curve)
    point = peer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return point, peer.exchange(ec.ECDH(), key.public_key())


@pytest.mark.parametrize("name", ["p521", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1", "secp256k1"])
def test_a_point_that_reads_as_an_octet_string_derives(everything: Loaded, name: str) -> None:
    """One point in 256; on P-521 there is none, but the coordinate may begin with a zero."""
    address = everything.address("backup", name)
    key = BY_PUBLIC[address.public]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    second = 0 if name == "p521" else 2 * ((key.key_size + 7) // 8) - 1
    for number in range(2, 5000):
        peer = ec.derive_private_key(number, key.curve)
        point = peer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        if point[1] == second:
            assert everything.decrypt(address, point) == peer.exchange(ec.ECDH(), key.public_key())
            return
    pytest.fail("no such point among five thousand")


def awkward(everything: Loaded) -> dict[str, KeyPair]:
    return {key.cka_id.hex(): key for key in everything.objects("awkward").keys if key.cka_id != b"\x12"}


def test_every_odd_object_has_its_reason(everything: Loaded) -> None:
    found = {(one.what, one.reason) for one in everything.objects("awkward").skipped}
    no_half = "no NIST P-256 public key or certificate has its CKA_ID, and the key itself does not show one"
    assert {(what, reason) for what, reason in found if "certificate id 11" not in what} == {
        ('private key id 10 "dsa"', "key type CKK_DSA is not supported"),
        ('public key id 10 "dsa"', "key type CKK_DSA is not supported"),
        ('private key id 1C "unknown-curve"', "the curve with CKA_EC_PARAMS 06052b8104007f is not supported"),
        ('public key id 1C "unknown-curve"', "the curve with CKA_EC_PARAMS 06052b8104007f is not supported"),
        ('private key id 1D "garbage-point"', no_half),
        ('public key id 1D "garbage-point"', "not a point of NIST P-256: 3 octets, 04 in front"),
        ('public key id 15 "public-only"', "the token has no private key for it"),
    }
    (broken,) = (reason for what, reason in found if what == 'certificate id 11 "broken-der"')
    assert broken.startswith("not a certificate: ")


def test_certificates_go_by_public_key_where_the_cka_id_leads_astray(everything: Loaded) -> None:
    keys = awkward(everything)
    assert {number for number, key in keys.items() if key.certificate} == {"17", "1f"}
    (stranger,) = everything.objects("awkward").certificates
    assert (stranger.cka_id, stranger.subject) == (b"\x16", "CN=Mallory Stranger,O=scd tests")


def test_labels_are_shown_as_far_as_they_can_be(everything: Loaded, minted: Minted) -> None:
    keys = awkward(everything)
    assert keys["13"].label == "Schl\ufffdssel \ufffd\ufffd\ufffd"
    assert keys["14"].label == minted.tokens["awkward"].objects["long-label"].label.decode()


def test_usage_is_the_tokens(everything: Loaded) -> None:
    not_signing = awkward(everything)["19"]
    assert (not_signing.can_sign, not_signing.can_decrypt) == (False, True)


def test_the_ca_stands_alone_and_is_one(everything: Loaded) -> None:
    (ca,) = everything.objects("work").certificates
    assert (ca.is_ca, ca.cka_id) == (True, b"\x08")


def test_only_one_token_is_of_the_always_kind(everything: Loaded) -> None:
    always = {label for label in STANDARD for key in everything.objects(label).keys if key.always_authenticate}
    assert always == {"always"}
