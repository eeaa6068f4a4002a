"""CKA_EC_POINT in the forms that modules have."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from scd.gcrypt import der
from scd.gcrypt.curves import CURVES, Curve, Family, ec_point
from scd.gcrypt.pubkey import EccPublicKey
from tests.unit.gcrypt.vectors import ECC_VECTORS, Vector

OF_CRYPTOGRAPHY: dict[str, ec.EllipticCurve] = {
    "NIST P-256": ec.SECP256R1(),
    "NIST P-384": ec.SECP384R1(),
    "NIST P-521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(),
    "brainpoolP384r1": ec.BrainpoolP384R1(),
    "brainpoolP512r1": ec.BrainpoolP512R1(),
}
WEIERSTRASS = [curve for curve in CURVES.values() if curve.family is Family.WEIERSTRASS]
EACH_VECTOR = pytest.mark.parametrize("vector", ECC_VECTORS, ids=lambda vector: vector.name)
EACH_WEIERSTRASS = pytest.mark.parametrize("curve", WEIERSTRASS, ids=lambda curve: curve.name)


def key_of(vector: Vector) -> EccPublicKey:
    assert isinstance(vector.key, EccPublicKey)
    return vector.key


@EACH_VECTOR
def test_point_is_found_in_every_wrapping(vector: Vector) -> None:
    """Bare and in an OCTET STRING; with the 40 where OpenPGP has it; in a BIT STRING."""
    key = key_of(vector)
    bare = {key.q, vector.q_openpgp}
    wrapped = {der.encode_octet_string(point) for point in bare}
    bits = {der.encode(der.BIT_STRING, b"\0" + point) for point in bare}

    assert {ec_point(key.curve_info, raw) for raw in bare | wrapped | bits} == {key.q}


def test_every_weierstrass_curve_is_compared() -> None:
    assert set(OF_CRYPTOGRAPHY) == {curve.name for curve in WEIERSTRASS}


@EACH_WEIERSTRASS
def test_compressed_point_is_decompressed_as_cryptography_does(curve: Curve) -> None:
    for number in range(2, 8):
        public = ec.derive_private_key(number, OF_CRYPTOGRAPHY[curve.name]).public_key()
        compressed = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        expected = ec.EllipticCurvePublicKey.from_encoded_point(OF_CRYPTOGRAPHY[curve.name], compressed)

        for raw in (compressed, der.encode_octet_string(compressed)):
            assert ec_point(curve, raw) == expected.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@EACH_WEIERSTRASS
@pytest.mark.parametrize("first", [2, 3])
def test_compressed_point_without_solution_is_refused(curve: Curve, first: int) -> None:
    """The same x that cryptography refuses; about every second one is none."""
    refused = 0
    for x in range(20):
        point = bytes((first,)) + x.to_bytes(curve.field_bytes, "big")
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(OF_CRYPTOGRAPHY[curve.name], point)
        except ValueError:
            refused += 1
            with pytest.raises(ValueError, match="not on"):
                ec_point(curve, point)
        else:
            assert ec_point(curve, point)[: len(point)] == b"\x04" + point[1:]
    assert refused


@EACH_WEIERSTRASS
def test_point_off_the_curve_is_refused(curve: Curve) -> None:
    for index in (1, curve.field_bytes, curve.q_bytes - 1):
        damaged = bytearray(curve.g)
        damaged[index] ^= 1
        with pytest.raises(ValueError, match="not on"):
            ec_point(curve, bytes(damaged))


@EACH_WEIERSTRASS
def test_coordinate_beyond_the_prime_is_refused(curve: Curve) -> None:
    """p + x solves the equation too, but is another encoding of the same point, with another keygrip."""
    p, size = int.from_bytes(curve.p, "big"), curve.field_bytes
    small = next(x for x in range(1, 50) if _lies_on(curve, x))
    point = ec_point(curve, b"\x02" + small.to_bytes(size, "big"))
    beyond = b"\x04" + (small + p).to_bytes(size, "big") + point[1 + size :]

    with pytest.raises(ValueError, match="not on"):
        ec_point(curve, beyond)


def _lies_on(curve: Curve, x: int) -> bool:
    try:
        return bool(ec_point(curve, b"\x02" + x.to_bytes(curve.field_bytes, "big")))
    except ValueError:
        return False


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("NIST P-256", b""),
        ("NIST P-256", b"\x00"),
        ("NIST P-256", CURVES["NIST P-256"].g[1:]),
        ("NIST P-256", b"\x06" + CURVES["NIST P-256"].g[1:]),
        ("NIST P-256", b"\x04" + CURVES["NIST P-256"].g[1:33]),
        ("NIST P-256", der.encode_octet_string(b"")),
        ("NIST P-256", der.encode_octet_string(CURVES["NIST P-256"].g) + b"\0"),
        ("NIST P-256", der.encode(der.BIT_STRING, b"\1" + CURVES["NIST P-256"].g)),
        ("NIST P-256", der.encode(der.SEQUENCE, CURVES["NIST P-256"].g)),
        ("NIST P-256", CURVES["NIST P-384"].g),
        ("Ed25519", bytes(31)),
        ("Ed25519", b"\x41" + bytes(32)),
        ("Ed25519", der.encode_octet_string(bytes(31))),
        ("Ed448", bytes(56)),
        ("X448", b"\x40" + bytes(56)),
    ],
)
def test_anything_else_is_refused(name: str, raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"DER|not a|BIT STRING"):
        ec_point(CURVES[name], raw)


def test_bare_point_that_looks_like_der_is_taken_as_it_is() -> None:
    """32 octets of an Ed25519 key that happen to be a whole OCTET STRING."""
    key = b"\x04\x1e" + bytes(30)

    assert ec_point(CURVES["Ed25519"], key) == key


@given(st.sampled_from(list(CURVES.values())), st.binary(max_size=140))
def test_garbage_is_a_key_or_refused(curve: Curve, raw: bytes) -> None:
    try:
        q = ec_point(curve, raw)
    except ValueError:
        return
    assert EccPublicKey(curve.name, q).q == q
