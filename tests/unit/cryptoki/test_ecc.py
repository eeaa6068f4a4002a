"""ECDSA, EdDSA and ECDH on tokens that disagree about forms."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, utils, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import assume, given
from hypothesis import strategies as st
from pkcs11 import Mechanism as M

from scd.cryptoki.keytypes.ec import raw_signature
from scd.token.errors import InvalidData, TokenFailure, UnsupportedAlgorithm, WrongKeyUsage
from tests.fakes.keys import private_key
from tests.unit.cryptoki.in_memory import Bench, peer_of, token_with

ECDSA = ("work-p256", "work-p384", "backup-p521", "backup-bp256", "backup-bp512", "backup-secp256k1")
ECDH = (*ECDSA, "x25519", "x448")
EDDSA = ("work-ed25519", "backup-ed448")


def verify_ecdsa(name: str, signature: bytes, digest: bytes) -> None:
    key = private_key(name)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    half = (key.key_size + 7) // 8
    assert len(signature) == 2 * half
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    hashed = utils.Prehashed({32: hashes.SHA256(), 64: hashes.SHA512()}[len(digest)])
    key.public_key().verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(hashed))


@pytest.mark.parametrize("der", [False, True], ids=["raw", "DER"])
@pytest.mark.parametrize("name", ECDSA)
def test_signatures_come_back_raw_in_either_case(name: str, der: bool) -> None:
    verify_ecdsa(name, Bench(token_with(name, der_signatures=der)).sign(name, bytes(range(32))), bytes(range(32)))


def test_a_longer_hash_is_cut_to_the_order() -> None:
    """FIPS 186-5 §6.4.1; the token takes no more than the order's length."""
    bench = Bench(token_with("work-p256"))
    verify_ecdsa("work-p256", bench.sign("work-p256", bytes(range(64))), bytes(range(64)))


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_der_signatures_are_padded_in_both_halves(r: int, s: int) -> None:
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    encoded = utils.encode_dss_signature(r, s)
    assume(len(encoded) != len(raw))  # it takes six zero octets in r and s: once in 2^48, and then it does not verify
    assert raw_signature(encoded, 32) == raw
    assert raw_signature(raw, 32) == raw


@given(st.binary(max_size=80).filter(lambda octets: len(octets) != 64))
def test_anything_else_is_no_signature(octets: bytes) -> None:
    try:
        r, s = utils.decode_dss_signature(octets)
        fits = max(r, s) < 2**256 and min(r, s) >= 0
    except ValueError:
        fits = False
    if not fits:
        with pytest.raises(TokenFailure):
            raw_signature(octets, 32)


def test_a_half_that_is_too_long_is_no_signature() -> None:
    with pytest.raises(TokenFailure, match="instead of 64"):
        raw_signature(utils.encode_dss_signature(2**256, 1), 32)
    with pytest.raises(TokenFailure):
        raw_signature(bytes.fromhex("30060201FF020101"), 32)  # r = -1


@pytest.mark.parametrize(("wanted", "attempts"), [(None, 1), (False, 1), (True, 2)])
@pytest.mark.parametrize("name", EDDSA)
def test_eddsa_parameters_are_left_out_and_then_tried(name: str, wanted: bool | None, attempts: int) -> None:
    bench = Bench(token_with(name, eddsa_params=wanted))
    key = private_key(name)
    assert isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    key.public_key().verify(bench.sign(name, b"message"), b"message")
    assert bench.native.count("C_SignInit") == attempts
    key.public_key().verify(bench.sign(name, b"again"), b"again")
    assert bench.native.count("C_SignInit") == attempts + 1


@pytest.mark.parametrize("name", ECDH)
@pytest.mark.parametrize("form", ["bare", "wrapped"])
@pytest.mark.parametrize("needs_length", [True, False, None])
def test_ecdh_whatever_form_the_token_wants(name: str, form: str, needs_length: bool | None) -> None:
    bench = Bench(token_with(name, point_forms=frozenset({form}), needs_length=needs_length))
    point, secret = peer_of(name)
    assert bench.decrypt(name, point) == secret
    before = bench.native.count("C_DeriveKey")
    assert bench.decrypt(name, point) == secret
    assert bench.native.count("C_DeriveKey") == before + 1  # the form that worked is remembered


def test_ecdh_by_cofactor_only() -> None:
    bench = Bench(token_with("work-p256", ways=frozenset({("Derive", M.ECDH1_COFACTOR_DERIVE)})))
    point, secret = peer_of("work-p256")
    assert bench.decrypt("work-p256", point) == secret


def test_a_token_without_ecdh_is_a_clear_error() -> None:
    bench = Bench(token_with("work-p256", ways=frozenset({("Sign", M.ECDSA)})))
    with pytest.raises(UnsupportedAlgorithm, match="cannot derive with nothing it offers"):
        bench.decrypt("work-p256", peer_of("work-p256")[0])


def test_a_refused_derivation_names_every_form_that_was_tried() -> None:
    bench = Bench(token_with("work-p256", point_forms=frozenset()))
    with pytest.raises(UnsupportedAlgorithm) as refusal:
        bench.decrypt("work-p256", peer_of("work-p256")[0])
    for word in ("CKM_ECDH1_DERIVE bare point, length given", "CKM_ECDH1_COFACTOR_DERIVE OCTET STRING, without length"):
        assert word in str(refusal.value)


@pytest.mark.parametrize("forms", [("bare", "wrapped"), ("wrapped",), ("bare",)], ids=" ".join)
def test_a_bare_point_that_reads_as_an_octet_string(forms: tuple[str, ...]) -> None:
    """One point in 256; SoftHSM 2.6.1 unwraps it."""
    name = "backup-bp512"
    key = private_key(name)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    peers = (ec.derive_private_key(number, key.curve) for number in range(2, 5000))
    points = ((one.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), one) for one in peers)
    point, peer = next((point, one) for point, one in points if point[1] == len(point) - 2)
    bench = Bench(token_with(name, unwraps_greedily="wrapped" in forms, point_forms=frozenset(forms)))
    usual, secret = peer_of(name)
    for _ in range(2):  # what worked for the one is not to be held against the other
        assert bench.decrypt(name, point) == peer.exchange(ec.ECDH(), key.public_key())
        assert bench.decrypt(name, usual) == secret


def test_a_shared_secret_without_its_leading_zeros_is_filled_up() -> None:
    key = private_key("work-p256")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    peers = (ec.derive_private_key(number, key.curve) for number in range(2, 5000))
    peer = next(peer for peer in peers if peer.exchange(ec.ECDH(), key.public_key())[0] == 0)
    point = peer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    secret = Bench(token_with("work-p256", drops_zeros=True)).decrypt("work-p256", point)
    assert secret == peer.exchange(ec.ECDH(), key.public_key())


def test_a_shared_u_without_its_leading_zeros_is_no_secret() -> None:
    """Little endian: nobody can tell where they were."""
    key = private_key("x25519")
    assert isinstance(key, x25519.X25519PrivateKey)
    peers = (x25519.X25519PrivateKey.from_private_bytes(number.to_bytes(32, "little")) for number in range(8, 40000, 8))
    peer = next(peer for peer in peers if peer.exchange(key.public_key())[0] == 0)
    with pytest.raises(TokenFailure, match="a shared secret of 31 octets"):
        Bench(token_with("x25519", drops_zeros=True)).decrypt("x25519", peer.public_key().public_bytes_raw())


def test_a_derived_secret_that_is_not_shown_is_no_secret() -> None:
    bench = Bench(token_with("work-p256", shows_secrets=False))
    with pytest.raises(UnsupportedAlgorithm, match="CKR_ATTRIBUTE_SENSITIVE"):
        bench.decrypt("work-p256", peer_of("work-p256")[0])
    assert not any(session.objects for session in bench.native.sessions.values())


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("work-p256", b""), ("work-p256", bytes(65)), ("work-p256", b"\4" + bytes(64)), ("work-p256", b"\4" * 97),
        ("x25519", bytes(31)), ("x25519", bytes(34)), ("x448", bytes(57)), ("backup-p521", b"\4" + b"\xff" * 132),
    ],
)  # fmt: skip
def test_what_is_no_point_of_the_curve_never_reaches_the_token(name: str, point: bytes) -> None:
    bench = Bench(token_with(name))
    with pytest.raises(InvalidData):
        bench.decrypt(name, point)
    assert "C_DeriveKey" not in bench.native.calls_


def test_a_compressed_point_is_as_good() -> None:
    bench = Bench(token_with("work-p256"))
    point, secret = peer_of("work-p256")
    assert bench.decrypt("work-p256", bytes((2 + point[-1] % 2,)) + point[1:33]) == secret


@pytest.mark.parametrize("name", EDDSA)
def test_a_signing_curve_does_not_decrypt(name: str) -> None:
    with pytest.raises(WrongKeyUsage):
        Bench(token_with(name)).decrypt(name, bytes(32))


@pytest.mark.parametrize("name", ["x25519", "x448"])
def test_a_decryption_curve_does_not_sign(name: str) -> None:
    with pytest.raises(WrongKeyUsage):
        Bench(token_with(name)).sign(name, bytes(32))
