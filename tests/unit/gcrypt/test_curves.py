"""The table of curves, and CKA_EC_PARAMS."""

from __future__ import annotations

import pytest
from asn1crypto import keys as asn1keys
from hypothesis import given
from hypothesis import strategies as st

from scd.gcrypt import der
from scd.gcrypt.curves import CURVES, Curve, Family, algorithm_by_name, curve_by_ec_params, curve_by_oid, ec_params
from scd.gcrypt.explicit import match_explicit
from tests.unit.gcrypt.vectors import EXPLICIT, Explicit

OPENSSL_NAMES = {"prime256v1": "NIST P-256", "secp384r1": "NIST P-384", "secp521r1": "NIST P-521"}
P256 = next(entry.der for entry in EXPLICIT if entry.curve == "prime256v1" and entry.form == "uncompressed")
ALL = pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: curve.name)


@ALL
def test_curve_is_found_by_what_ec_params_writes(curve: Curve) -> None:
    assert curve_by_ec_params(ec_params(curve)) is curve


@ALL
def test_curve_is_found_by_each_of_its_identifiers_and_names(curve: Curve) -> None:
    oids = [curve_by_oid(oid) for oid in (curve.oid, *curve.other_oids)]
    names = [curve_by_ec_params(der.encode(der.PRINTABLE_STRING, name.encode())) for name in curve.aliases]

    assert oids + names == [curve] * (len(oids) + len(names))
    assert {curve.name.lower(), curve.algorithm.lower()} <= set(curve.aliases)


@ALL
def test_lengths_agree_with_each_other(curve: Curve) -> None:
    width = curve.field_bytes
    prime = int.from_bytes(curve.p, "big")
    extra = {"Ed448": 1}.get(curve.name, 0)

    assert (prime.bit_length(), width) == (curve.bits, len(curve.p))
    assert len(curve.g) == 1 + 2 * width
    assert curve.q_bytes == (1 + 2 * width if curve.family is Family.WEIERSTRASS else width + extra)
    assert not any(value.startswith(b"\0") for value in (curve.p, curve.a, curve.b, curve.n))


@ALL
def test_generator_is_on_the_curve(curve: Curve) -> None:
    """The equation of each family, written out; see `curvedata` for what a and b are."""
    p, a, b = (int.from_bytes(value, "big") for value in (curve.p, curve.a, curve.b))
    x = int.from_bytes(curve.g[1 : 1 + curve.field_bytes], "big")
    y = int.from_bytes(curve.g[1 + curve.field_bytes :], "big")
    sign = -1 if curve.name == "Ed25519" else 1
    montgomery = 4 * a + 2
    left, right = {
        Family.WEIERSTRASS: (y * y, x**3 + a * x + b),
        Family.EDWARDS: (sign * x * x + y * y, 1 + _edwards_d(curve, b) * x * x * y * y),
        Family.MONTGOMERY: (b * y * y, x**3 + montgomery * x * x + x),
    }[curve.family]

    assert (left - right) % p == 0


def _edwards_d(curve: Curve, b: int) -> int:
    """d from what libgcrypt stores: -d for Ed25519, d for Ed448."""
    return -b if curve.name == "Ed25519" else b


@pytest.mark.parametrize(
    ("params_hex", "name"),
    [
        ("06082A8648CE3D030107", "NIST P-256"),
        ("06052B81040022", "NIST P-384"),
        ("06052B81040023", "NIST P-521"),
        ("06052B8104000A", "secp256k1"),
        ("06092B2403030208010107", "brainpoolP256r1"),
        ("06092B240303020801010B", "brainpoolP384r1"),
        ("06092B240303020801010D", "brainpoolP512r1"),
        ("06032B6570", "Ed25519"),
        ("06092B06010401DA470F01", "Ed25519"),
        ("130C656477617264733235353139", "Ed25519"),
        ("06032B656E", "Curve25519"),
        ("060A2B060104019755010501", "Curve25519"),
        ("130A63757276653235353139", "Curve25519"),
        ("06032B6571", "Ed448"),
        ("130A65647761726473343438", "Ed448"),
        ("06032B656F", "X448"),
        ("13086375727665343438", "X448"),
        ("1309536563503235367231", "NIST P-256"),
    ],
)
def test_encodings_seen_on_tokens(params_hex: str, name: str) -> None:
    assert curve_by_ec_params(bytes.fromhex(params_hex)) is CURVES[name]


@pytest.mark.parametrize(
    "params",
    [
        der.encode_oid("1.3.132.0.33"),
        der.encode(der.PRINTABLE_STRING, b"nosuchcurve"),
        der.encode(der.PRINTABLE_STRING, b"\xff\x00"),
        b"\x05\x00",
        der.encode_octet_string(b"edwards25519"),
    ],
    ids=["secp224r1", "unknown name", "binary name", "implicitCurve", "other type"],
)
def test_other_curve_is_none(params: bytes) -> None:
    assert curve_by_ec_params(params) is None


@pytest.mark.parametrize("params", [b"", b"\x06", b"\x06\x01\x2a\x00", b"\x06\x00", b"\x30\x03\x02\x01"])
def test_broken_params_are_refused(params: bytes) -> None:
    with pytest.raises(ValueError, match=r"DER|OBJECT"):
        curve_by_ec_params(params)


@pytest.mark.parametrize(
    "entry",
    [entry for entry in EXPLICIT if entry.curve not in ("sect163k1", "secp224r1")],
    ids=lambda entry: f"{entry.curve}-{entry.form}",
)
def test_explicit_parameters_are_recognised(entry: Explicit) -> None:
    assert curve_by_ec_params(entry.der) is CURVES[OPENSSL_NAMES.get(entry.curve, entry.curve)]


@pytest.mark.parametrize("name", ["sect163k1", "secp224r1"])
def test_explicit_parameters_of_another_curve_are_none(name: str) -> None:
    (entry,) = [entry for entry in EXPLICIT if entry.curve == name]

    assert curve_by_ec_params(entry.der) is None


def changed(**fields: object) -> bytes:
    """openssl's explicit P-256 with some fields set to other values."""
    params = asn1keys.SpecifiedECDomain.load(P256)
    for name, value in fields.items():
        params[name] = value
    encoded: bytes = params.dump(force=True)
    return encoded


GENERATOR = CURVES["NIST P-256"].g
OFF_CURVE = GENERATOR[:-1] + bytes((GENERATOR[-1] ^ 1,))
MIRRORED = b"\x02" + GENERATOR[1:33]
ORDER = int.from_bytes(CURVES["NIST P-256"].n, "big")


def test_changing_nothing_changes_nothing() -> None:
    assert curve_by_ec_params(changed()) is CURVES["NIST P-256"]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_of_explicit_parameters_is_read(version: int) -> None:
    assert curve_by_ec_params(changed(version=version)) is CURVES["NIST P-256"]


@pytest.mark.parametrize(
    "params",
    [
        changed(base=OFF_CURVE),
        changed(base=MIRRORED),
        changed(base=b""),
        changed(order=ORDER + 2),
        changed(curve={"a": b"\1", "b": CURVES["NIST P-256"].b}),
        changed(curve={"a": CURVES["NIST P-256"].a, "b": b"\1"}),
        changed(field_id={"field_type": "prime_field", "parameters": 2**255 - 19}),
    ],
    ids=["generator off the curve", "other generator", "no generator", "order", "a", "b", "prime"],
)
def test_nearly_a_known_curve_is_none(params: bytes) -> None:
    """A curve with a generator of somebody's own choice is not the known one (CVE-2020-0601)."""
    assert curve_by_ec_params(params) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        der.encode(der.INTEGER, b"\1"),
        der.read_only(P256, der.SEQUENCE)[3:],
        der.encode(der.INTEGER, b"\4") + der.read_only(P256, der.SEQUENCE)[3:],
    ],
    ids=["empty", "version only", "without version", "version 4"],
)
def test_explicit_parameters_of_another_shape_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="ECParameters"):
        curve_by_ec_params(der.encode(der.SEQUENCE, content))


def test_prime_field_without_prime_is_refused() -> None:
    parts = der.children(der.read_only(P256, der.SEQUENCE))
    field = der.encode(der.SEQUENCE, der.encode_oid("1.2.840.10045.1.1"))
    content = b"".join([der.encode(der.INTEGER, b"\1"), field, *(der.encode(e.tag, e.content) for e in parts[2:])])

    with pytest.raises(ValueError, match="ECParameters"):
        curve_by_ec_params(der.encode(der.SEQUENCE, content))


def test_cut_off_parameters_are_refused() -> None:
    for end in range(len(P256)):
        with pytest.raises(ValueError, match="DER"):
            curve_by_ec_params(P256[:end])


@given(st.binary(max_size=60))
def test_garbage_params_name_a_curve_or_none_or_are_refused(params: bytes) -> None:
    try:
        found = curve_by_ec_params(params)
    except ValueError:
        return
    assert found is None or found is CURVES[found.name]


@given(st.integers(0, len(P256) - 1), st.integers(1, 255))
def test_one_wrong_octet_never_raises_anything_but_value_error(index: int, difference: int) -> None:
    damaged = bytearray(P256)
    damaged[index] ^= difference
    try:
        found = match_explicit(der.read_only(bytes(damaged), der.SEQUENCE), CURVES.values())
    except ValueError:
        return
    assert found in (None, CURVES["NIST P-256"])


@pytest.mark.parametrize(
    ("written", "algorithm"),
    [
        ("rsa3072", "rsa3072"), ("RSA2048", "rsa2048"), ("NIST P-256", "nistp256"), ("Ed25519", "ed25519"),
        ("BRAINPOOLP384R1", "brainpoolP384r1"), ("rsa", None), ("rsa2048x", None), ("rsa123456", None),
        ("rsa\N{SUPERSCRIPT TWO}", None), ("rot13", None), ("", None),
    ],
)  # fmt: skip
def test_algorithms_have_one_short_name(written: str, algorithm: str | None) -> None:
    assert algorithm_by_name(written) == algorithm
