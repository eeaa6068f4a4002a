"""Private keys out of WRITEKEY's S-expression: those of a real agent, and everything that is wrong with others."""

from __future__ import annotations

import copy

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519

from scd.gcrypt import sexp
from scd.gcrypt.curves import CURVES
from scd.gcrypt.mpi import signed, unsigned
from scd.gcrypt.privkey import EccPrivateKey, RsaPrivateKey, parse_private_key
from tests.unit.gcrypt.keytocard import CREATED_AT, KEYTOCARD

RAW = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
BARE: dict[str, type[ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey]]
BARE = {
    "Ed25519": ed25519.Ed25519PrivateKey,
    "Ed448": ed448.Ed448PrivateKey,
    "Curve25519": x25519.X25519PrivateKey,
    "X448": x448.X448PrivateKey,
}
WEIERSTRASS: dict[str, ec.EllipticCurve] = {
    "NIST P-256": ec.SECP256R1(), "NIST P-384": ec.SECP384R1(), "NIST P-521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(), "brainpoolP256r1": ec.BrainpoolP256R1(), "brainpoolP384r1": ec.BrainpoolP384R1(),
    "brainpoolP512r1": ec.BrainpoolP512R1(),
}  # fmt: skip


def expression(algorithm: bytes, *parts: sexp.Sexp, rest: tuple[sexp.Sexp, ...] = ()) -> bytes:
    return sexp.build((b"private-key", (algorithm, *parts), *rest))


def ecc(curve: bytes, q: bytes, d: bytes, *parts: sexp.Sexp) -> bytes:
    return expression(b"ecc", (b"curve", curve), *parts, (b"q", q), (b"d", d))


def octets(number: int) -> bytes:
    return signed(number.to_bytes(600, "big"))


@pytest.mark.parametrize("name", KEYTOCARD)
def test_the_agents_own_keys(name: str) -> None:
    grip, data = KEYTOCARD[name]
    private, created_at = parse_private_key(data)
    assert private.public.keygrip.hex().upper() == grip
    assert private.public.algorithm == name.removesuffix("-ecdh")
    assert created_at == CREATED_AT


@pytest.mark.parametrize("name", KEYTOCARD)
def test_the_private_half_is_what_cryptography_computes_with(name: str) -> None:
    private, _ = parse_private_key(KEYTOCARD[name][1])
    if isinstance(private, RsaPrivateKey):
        n, e, d, p, q, u = (
            int.from_bytes(one, "big") for one in (private.n, private.e, private.d, private.p, private.q, private.u)
        )
        public = rsa.RSAPublicNumbers(e, n)
        rsa.RSAPrivateNumbers(q, p, d, d % (q - 1), d % (p - 1), u, public).private_key()
    elif private.curve in BARE:
        key = BARE[private.curve].from_private_bytes(private.d)
        assert key.public_key().public_bytes(*RAW) == private.q
    else:
        made = ec.derive_private_key(int.from_bytes(private.d, "big"), WEIERSTRASS[private.curve])
        assert len(private.d) == len(CURVES[private.curve].n)
        point = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        assert made.public_key().public_bytes(*point) == private.q


@pytest.mark.parametrize("curve", BARE)
def test_a_secret_that_begins_with_zeros_comes_without_them(curve: str) -> None:
    """OpenPGP writes it as a number. Curve25519's is one, big endian; the others' are octets."""
    secret = b"\0\0" + bytes(range(2, CURVES[curve].q_bytes))
    if curve == "Curve25519":
        secret = secret[::-1]
    q = BARE[curve].from_private_bytes(secret).public_key().public_bytes(*RAW)
    sent = unsigned(secret[::-1] if curve == "Curve25519" else secret)
    private, created_at = parse_private_key(ecc(curve.encode(), q, sent))
    assert private == EccPrivateKey(curve, q, secret)
    assert created_at is None


@pytest.mark.parametrize("curve", WEIERSTRASS)
def test_a_small_number_is_padded_to_the_orders_length(curve: str) -> None:
    key = ec.derive_private_key(0x1234567, WEIERSTRASS[curve])
    q = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    private, _ = parse_private_key(ecc(curve.encode(), q, b"\1\x23\x45\x67"))
    assert isinstance(private, EccPrivateKey)
    assert private.d == b"\1\x23\x45\x67".rjust(len(CURVES[curve].n), b"\0")


ED_SEED = bytes(range(0x80, 0xA0))
ED_Q = ed25519.Ed25519PrivateKey.from_private_bytes(ED_SEED).public_key().public_bytes(*RAW)


@pytest.mark.parametrize(
    "data",
    [
        ecc(b"Ed25519", b"\x40" + ED_Q, ED_SEED, (b"flags", b"eddsa")),
        ecc(b"Ed25519", ED_Q, ED_SEED),
        ecc(b"Ed25519", ED_Q, b"\0" + ED_SEED),
        ecc(b"ed25519", ED_Q, ED_SEED),
        ecc(b"1.3.6.1.4.1.11591.15.1", ED_Q, ED_SEED),
        ecc(b"oid.1.3.101.112", ED_Q, ED_SEED),
        expression(b"eddsa", (b"d", ED_SEED), (b"q", ED_Q), (b"curve", b"Ed25519"), (b"flags", b"param", b"eddsa")),
        expression(b"ecc", (b"curve", b"Ed25519"), (b"q", ED_Q), (b"d", ED_SEED), rest=((b"comment", b"mine"),)),
    ],
    ids=["agent", "bare q", "signed d", "short name", "gpg's OID", "OID", "other order", "comment"],
)  # fmt: skip
def test_the_forms_of_one_key(data: bytes) -> None:
    assert parse_private_key(data) == (EccPrivateKey("Ed25519", ED_Q, ED_SEED), None)


def test_ecdh_params_and_time_behind_the_key_are_told_apart() -> None:
    rest = ((b"ecdh-params", b"\3\1\x08\7"), (b"created-at", b"0000000017"))
    data = expression(b"ecc", (b"curve", b"Ed25519"), (b"q", ED_Q), (b"d", ED_SEED), rest=rest)
    assert parse_private_key(data)[1] == 17


P, Q = 0xFFFFFFFFFFFFFFC5, 0xFFFFFFFFFFFFFFAD  # primes
NUMBERS = {"n": P * Q, "e": 65537, "d": pow(65537, -1, (P - 1) * (Q - 1)), "p": P, "q": Q, "u": pow(P, -1, Q)}


def rsa_expression(**changes: int | None) -> bytes:
    numbers = {name: number for name, number in (NUMBERS | changes).items() if number is not None}
    return expression(b"rsa", *((name.encode(), octets(number)) for name, number in numbers.items()))


def test_an_rsa_key_of_numbers() -> None:
    private, _ = parse_private_key(rsa_expression())
    assert isinstance(private, RsaPrivateKey)
    assert int.from_bytes(private.d, "big") == NUMBERS["d"]


@pytest.mark.parametrize(
    "changes",
    [
        {"n": P * Q + 2}, {"d": NUMBERS["d"] + 2}, {"e": 3}, {"u": 1}, {"p": None}, {"u": None}, {"e": 1, "d": 1},
        {"p": Q, "q": P}, {"p": 1, "q": P * Q}, {"p": P + 2}, {"d": None},
    ],
    ids=str,
)  # fmt: skip
def test_rsa_numbers_that_do_not_belong_together(changes: dict[str, int | None]) -> None:
    with pytest.raises(ValueError, match="private key"):
        parse_private_key(rsa_expression(**changes))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"()", b"(private-key)", sexp.build((b"private-key",)), sexp.build((b"private-key", b"rsa")),
        sexp.build((b"private-key", ())), sexp.build((b"public-key", (b"rsa", (b"n", b"\1")))),
        sexp.build((b"protected-private-key", (b"ecc", (b"curve", b"Ed25519")))),
        expression(b"dsa", (b"p", b"\7"), (b"q", b"\3"), (b"g", b"\2"), (b"y", b"\2"), (b"x", b"\1")),
        ecc(b"Ed25519", ED_Q[:-1] + bytes((ED_Q[-1] ^ 1,)), ED_SEED),
        ecc(b"Ed25519", ED_Q, ED_SEED + b"\1"),
        ecc(b"Ed25519", ED_Q[:-1], ED_SEED),
        ecc(b"Ed25519", ED_Q, ED_SEED, b"odd"),
        ecc(b"Ed25519", ED_Q, ED_SEED, (b"d", ED_SEED)),
        ecc(b"NIST P-192", ED_Q, ED_SEED),
        ecc(b"\xff", ED_Q, ED_SEED),
        ecc(b"NIST P-256", b"\4" + CURVES["NIST P-256"].g[1:], CURVES["NIST P-256"].n),
        ecc(b"NIST P-256", CURVES["NIST P-256"].g, b"\0"),
        ecc(b"NIST P-256", CURVES["NIST P-256"].g, b"\2"),
        expression(b"ecc", (b"q", ED_Q), (b"d", ED_SEED)),
        expression(b"ecc", (b"curve", b"Ed25519"), (b"d", ED_SEED)),
        expression(b"ecc", (b"curve", b"Ed25519"), (b"q", ED_Q)),
        KEYTOCARD["ed25519"][1][:-1],
        KEYTOCARD["ed25519"][1].replace(b"10:1600000000", b"10:16000000x0"),
        KEYTOCARD["ed25519"][1].replace(b"10:1600000000", b"20:00000000001600000000"),
    ],
)  # fmt: skip
def test_what_is_no_private_key_of_ours(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the wording is for people
        parse_private_key(data)


@pytest.mark.parametrize("name", ["rsa1024", "nistp521", "ed25519"])
def test_a_key_shows_and_pickles_nothing(name: str) -> None:
    private, _ = parse_private_key(KEYTOCARD[name][1])
    secrets = (private.d,) if isinstance(private, EccPrivateKey) else (private.d, private.p, private.q, private.u)
    shown = f"{private} {private!r} {(private,)}".lower()
    assert "privatekey(" in shown
    assert not any(secret.hex() in shown or str(secret).lower() in shown for secret in secrets)
    with pytest.raises(TypeError):
        copy.copy(private)


def test_a_wrong_key_does_not_show_in_the_error() -> None:
    with pytest.raises(ValueError, match="does not belong") as error:
        EccPrivateKey("Ed25519", bytes(32), ED_SEED)
    assert ED_SEED.hex() not in str(error.value).lower()


@pytest.mark.parametrize(("curve", "d"), [("nonsense", ED_SEED), ("Ed25519", ED_SEED[:-1]), ("NIST P-256", bytes(32))])
def test_a_key_is_right_or_is_none(curve: str, d: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the wording is for people
        EccPrivateKey(curve, ED_Q, d)
