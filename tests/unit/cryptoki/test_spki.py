"""Certificates and public keys in DER: those of the fixtures, odd ones, and broken ones."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from scd.cryptoki.finding.certificates import certificate
from scd.cryptoki.finding.spki import public_key
from tests.fakes.keys import FOLDER, private_key, public_of
from tests.fakes.keys import certificate as expected

CERTIFIED = sorted(path.name.removesuffix(".crt.pem") for path in FOLDER.glob("*.crt.pem"))
SERVED = sorted(
    name
    for path in FOLDER.glob("*.key.pem")
    if (name := path.name.removesuffix(".key.pem")) not in ("awkward-dsa", "awkward-unknown-curve")
)
DAY = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
EXPLICIT_P256 = bytes.fromhex(
    "3081F7020101302C06072A8648CE3D0101022100FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF"
    "305B0420FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC04205AC635D8AA3A93E7B3EBBD557698"
    "86BC651D06B0CC53B0F63BCE3C3E27D2604B031500C49D360886E704936A6678E1139D26B7819F7E900441046B17D1F2E12C4247"
    "F8BCE6E563A440F277037D812DEB33A0F4A13945D898C2964FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB64068"
    "37BF51F5022100FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551020101"
)


def spki(key: object) -> bytes:
    return key.public_key().public_bytes(  # type: ignore[attr-defined, no-any-return]  # every kind of key has it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def der_length(content: bytes) -> bytes:
    return bytes((len(content),)) if len(content) < 128 else b"\x82" + len(content).to_bytes(2, "big")


def sequence(*parts: bytes) -> bytes:
    content = b"".join(parts)
    return b"\x30" + der_length(content) + content


NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made")])


def made(
    name: x509.Name = NAME,
    *extensions: x509.ExtensionType,
    public: object = None,
    pss: bool = False,
    since: datetime.datetime = DAY,
) -> bytes:
    """A certificate signed by the CA of the fixtures."""
    issuer = private_key("ca")
    assert isinstance(issuer, rsa.RSAPrivateKey)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
        .not_valid_before(since).not_valid_after(since + datetime.timedelta(days=1))
        .public_key(public or private_key("work-p256").public_key())  # type: ignore[arg-type]  # any public key
    )  # fmt: skip
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    rsa_padding = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if pss else None
    return builder.sign(issuer, hashes.SHA256(), rsa_padding=rsa_padding).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("name", CERTIFIED)
def test_every_certificate_of_the_fixtures_is_read_as_cryptography_reads_it(name: str) -> None:
    wanted = expected(name, b"\1", "label")
    found = certificate(wanted.der, b"\1", "label")
    assert set(found.key_usage or ()) == set(wanted.key_usage or ())
    assert (found.key_usage is None) == (wanted.key_usage is None)
    assert found.public == wanted.public
    assert (found.subject, found.not_before, found.is_ca) == (wanted.subject, wanted.not_before, wanted.is_ca)
    assert (found.der, found.cka_id, found.label) == (wanted.der, b"\1", "label")
    parsed = x509.load_der_x509_certificate(wanted.der)
    assert found.issuer == parsed.issuer.rfc4514_string()
    assert found.not_after == int(parsed.not_valid_after_utc.timestamp())


@pytest.mark.parametrize("name", SERVED)
def test_every_public_key_of_the_fixtures_is_read(name: str) -> None:
    assert public_key(spki(private_key(name))) == public_of(private_key(name))


@pytest.mark.parametrize("name", ["x25519", "x448"])
def test_montgomery_keys_are_read(name: str) -> None:
    assert public_key(spki(private_key(name))) == public_of(private_key(name))


def test_an_rsa_pss_key_is_an_rsa_key() -> None:
    plain = private_key("work-rsa2048")
    assert isinstance(plain, rsa.RSAPrivateKey)
    bits = plain.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    pss = bytes.fromhex("06092A864886F70D01010A")
    bit_string = b"\x03" + der_length(b"\0" + bits) + b"\0" + bits
    assert public_key(sequence(sequence(pss), bit_string)) == public_of(plain)


def test_a_certificate_signed_with_pss_is_read() -> None:
    assert certificate(made(pss=True), b"", "").public == public_of(private_key("work-p256"))


def test_explicit_parameters_of_a_known_curve_are_that_curve() -> None:
    wanted = public_of(private_key("work-p256"))
    ec_public_key = bytes.fromhex("06072A8648CE3D0201")
    bit_string = b"\x03" + der_length(bytes(66)) + b"\0" + wanted.q  # type: ignore[union-attr]  # P-256
    assert public_key(sequence(sequence(ec_public_key, EXPLICIT_P256), bit_string)) == wanted


def test_kinds_that_are_not_served_are_no_key_and_no_error() -> None:
    pem = (FOLDER / "awkward-dsa.key.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, dsa.DSAPrivateKey)
    assert public_key(spki(key)) is None
    assert certificate(made(public=key.public_key()), b"", "").public is None
    unknown_curve = ec.derive_private_key(7, ec.SECP224R1())
    assert public_key(spki(unknown_curve)) is None
    assert certificate(made(public=unknown_curve.public_key()), b"", "").public is None


def test_a_certificate_without_extensions_says_nothing_of_usage() -> None:
    found = certificate(made(), b"", "")
    assert found.key_usage is None
    assert not found.is_ca


def test_usage_and_ca_are_found_behind_other_extensions() -> None:
    usage = x509.KeyUsage(True, False, False, False, True, False, False, False, False)
    others = x509.SubjectAlternativeName([x509.RFC822Name("a@example.org")])
    found = certificate(made(x509.Name([]), others, usage, x509.BasicConstraints(ca=True, path_length=3)), b"", "")
    assert found.key_usage == ("digital_signature", "key_agreement")
    assert found.is_ca
    assert found.subject == ""


@pytest.mark.parametrize(
    ("extensions", "personal"),
    [
        ([], None),
        ([x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])], True),
        ([x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])], True),
        ([x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])], False),
        ([x509.KeyUsage(False, False, False, False, False, True, True, False, False)], False),
        ([x509.KeyUsage(True, False, False, False, False, True, True, False, False)], None),
        ([x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.41482.3.7"), b"\4\0")], False),
    ],
    ids=["silent", "mail", "login", "servers", "an issuer's", "signs, too", "attestation"],
)
def test_whether_it_is_for_mail_and_logins(extensions: list[x509.ExtensionType], personal: bool | None) -> None:
    assert certificate(made(NAME, *extensions), b"", "").is_personal is personal


@pytest.mark.parametrize("year", [1950, 1969, 1970, 2049, 2050, 9998])
def test_the_date_is_seconds_since_1970(year: int) -> None:
    since = datetime.datetime(year, 6, 1, tzinfo=datetime.UTC)
    assert certificate(made(since=since), b"", "").not_before == int(since.timestamp())


ATTRIBUTES: Sequence[ObjectIdentifier] = (
    NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.LOCALITY_NAME,
    NameOID.STATE_OR_PROVINCE_NAME, NameOID.STREET_ADDRESS, NameOID.USER_ID,
)  # fmt: skip
PRINTABLE = st.text(st.characters(min_codepoint=32, codec="utf-8"), min_size=1, max_size=20)


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(ATTRIBUTES), PRINTABLE), min_size=1, max_size=2, unique_by=lambda a: a[0]),
        max_size=4,
    )
)
def test_names_are_written_by_rfc_4514(rdns: list[list[tuple[ObjectIdentifier, str]]]) -> None:
    name = x509.Name(
        [x509.RelativeDistinguishedName([x509.NameAttribute(*attribute) for attribute in rdn]) for rdn in rdns]
    )
    der = made(name)
    written = certificate(der, b"", "").subject
    assert written == x509.load_der_x509_certificate(der).subject.rfc4514_string()


def test_a_name_stays_on_its_line() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "two\nlines\0")])
    assert certificate(made(name), b"", "").subject == r"CN=two\0Alines\00"


def test_an_attribute_without_short_name_is_shown_by_its_number() -> None:
    name = x509.Name([x509.NameAttribute(ObjectIdentifier("1.3.6.1.4.1.99999.1"), "x")])
    assert certificate(made(name), b"", "").subject == "1.3.6.1.4.1.99999.1=x"


def only_value_error(read: Callable[[], object]) -> None:
    """Anything else it raises fails the test."""
    with contextlib.suppress(ValueError):
        read()


DER = {name: expected(name).der for name in ("work-rsa2048", "work-p256", "work-ed25519")}
SPKI = {name: spki(private_key(name)) for name in ("work-rsa2048", "work-p256", "work-ed25519", "x448")}


@pytest.mark.parametrize("name", DER)
def test_a_certificate_cut_off_anywhere_is_a_value_error(name: str) -> None:
    for length in range(len(DER[name])):
        with pytest.raises(ValueError, match="not a certificate"):
            certificate(DER[name][:length], b"", "")


@pytest.mark.parametrize("name", SPKI)
def test_a_public_key_cut_off_anywhere_is_a_value_error(name: str) -> None:
    for length in range(len(SPKI[name])):
        with pytest.raises(ValueError, match="not a SubjectPublicKeyInfo"):
            public_key(SPKI[name][:length])


@pytest.mark.parametrize("trailing", [b"\0", b"\x30\x00", bytes(100)])
def test_what_follows_a_public_key_is_an_error(trailing: bytes) -> None:
    with pytest.raises(ValueError, match="not a SubjectPublicKeyInfo"):
        public_key(SPKI["work-p256"] + trailing)


def test_every_flipped_bit_is_a_value_error_or_another_certificate() -> None:
    der = DER["work-p256"]
    for place in range(len(der)):
        for bit in (0x01, 0x20, 0x80):
            broken = der[:place] + bytes((der[place] ^ bit,)) + der[place + 1 :]
            only_value_error(lambda broken=broken: certificate(broken, b"", ""))  # type: ignore[misc]


@pytest.mark.parametrize("name", SPKI)
def test_every_flipped_bit_is_a_value_error_or_another_key(name: str) -> None:
    der = SPKI[name]
    for place in range(len(der)):
        for bit in range(8):
            broken = der[:place] + bytes((der[place] ^ 1 << bit,)) + der[place + 1 :]
            only_value_error(lambda broken=broken: public_key(broken))  # type: ignore[misc]


@given(st.sampled_from(sorted(DER)), st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=6))
def test_overwritten_octets_are_a_value_error_or_another_certificate(name: str, changes: list[tuple[int, int]]) -> None:
    der = bytearray(DER[name])
    for place, octet in changes:
        der[place % len(der)] = octet
    only_value_error(lambda: certificate(bytes(der), b"", ""))


@given(st.binary(max_size=100))
def test_garbage_is_a_value_error(garbage: bytes) -> None:
    only_value_error(lambda: certificate(garbage, b"", ""))
    only_value_error(lambda: public_key(garbage))


def test_ber_nested_a_thousand_deep_is_a_value_error() -> None:
    deep = b""
    for _ in range(3000):
        deep = b"\x30" + der_length(deep) + deep if len(deep) < 60000 else deep
    only_value_error(lambda: certificate(deep, b"", ""))
