"""One odd field discarded a certificate and, before login, its key with it. Such certificates are on people's cards."""

from __future__ import annotations

from pathlib import Path

import pytest

from scd.cryptoki.finding.certificates import certificate
from tests.regress.tokens import ANSWERS, PlainTokens, daemon, new_key, public_of, self_signed

CLASS, TOKEN, PRIVATE, VALUE, TYPE, SUBJECT, CKA_ID = 0x000, 0x001, 0x002, 0x011, 0x080, 0x101, 0x102
NUMBER_1, NUMBER_0 = b"\1" + bytes(7), bytes(8)
NAME = "/CN=Alice/serialNumber=12345/emailAddress=alice@example.org"
RSA = bytes.fromhex("300D 06092A864886F70D010101 0500 03")
EA_RSA = bytes.fromhex("300D 0604 55080101 0405 0000000000 03")  # 2.5.8.1.1, as long as the usual one

# What is replaced by what in a certificate of openssl, and the subject that is shown then.
ODD = {
    "a malformed keyUsage": (b"\x03\x02\x07\x80", b"\x04\x02\x07\x80", "CN=Alice"),
    "a serial number as UTF8String": (b"\x13\x0512345", b"\x0c\x0512345", "serialNumber=12345"),
    "X.509's own RSA": (RSA, EA_RSA, "CN=Alice"),
    "Latin-1 in a UTF8String": (b"\x0c\x05Alice", b"\x0c\x05Al\xefce", "CN=Alïce"),
    "UTF-8 in an IA5String": (b"alice@", "älic@".encode(), "emailAddress=älic@example.org"),
    "a BMPString of odd length": (b"\x0c\x05Alice", b"\x1e\x05\0A\0lX", "CN=Al"),
    "a name that is a number": (b"\x0c\x05Alice", b"\x02\x05Alice", "CN=#0205416c696365"),
    "times that are no times": (b"\x17\x0d", b"\x13\x0d", "CN=Alice"),
    "a version that is none": (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x04\x01\x02", "CN=Alice"),
    "basicConstraints that are none": (b"\x04\x05\x30\x03\x01\x01\xff", b"\x04\x05\x31\x03\x01\x01\xff", "CN=Alice"),
}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = new_key("rsa", tmp_path_factory.mktemp("key"))
    self_signed(made, "-addext", "keyUsage=critical,digitalSignature", name=NAME)
    return made


def put(tokens: PlainTokens, key: Path, der: bytes) -> None:
    """The private key and the certificate, as tools put them; the tools themselves refuse odd ones."""
    tokens.init("card")
    tokens.write("card", "privkey", key, "--id", "01")
    common = {TOKEN: b"\1", PRIVATE: b"\0", SUBJECT: b"\x30\0", CKA_ID: b"\1"}
    tokens.create_odd("card", {CLASS: NUMBER_1, TYPE: NUMBER_0, VALUE: der} | common)


@pytest.mark.parametrize("name", ODD)
def test_the_key_is_there_before_login_and_its_name_as_far_as_it_can_be_read(
    key: Path, tmp_path: Path, name: str
) -> None:
    old, new, subject = ODD[name]
    der = key.with_suffix(".crt").read_bytes()
    odd = der.replace(old, new)
    assert odd != der
    tokens = PlainTokens(tmp_path / "softhsm")
    put(tokens, key, odd)
    grip = public_of(key).keygrip.hex().upper()
    with daemon(tokens, tmp_path) as client:
        learned = client.transact("LEARN --force")
        assert [line[:40] for line in learned.values("KEYPAIRINFO")] == [grip]
        assert client.transact(f"READCERT {grip}").data == odd
        friendly = learned.values("KEY-FRIEDNLY")
        assert any(subject in one for one in friendly), friendly
        assert client.transact("SETDATA " + "AB" * 32).ok
        assert client.transact(f"PKSIGN --hash=sha256 {grip}", ANSWERS).ok


def test_octets_behind_a_certificate_are_not_handed_on(key: Path, tmp_path: Path) -> None:
    """Cards pad their files."""
    der = key.with_suffix(".crt").read_bytes()
    tokens = PlainTokens(tmp_path / "softhsm")
    put(tokens, key, der + bytes(200))
    with daemon(tokens, tmp_path) as client:
        grip = public_of(key).keygrip.hex().upper()
        assert client.transact(f"READCERT {grip}").data == der


def test_writecert_is_strict_about_the_key_and_nothing_else(key: Path, tmp_path: Path) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    tokens.load("card", key, "01")
    old, new, _ = ODD["a malformed keyUsage"]
    odd = key.with_suffix(".crt").read_bytes().replace(old, new)
    stranger = self_signed(new_key("rsa", tmp_path)).read_bytes()
    with daemon(tokens, tmp_path) as client:
        grip = public_of(key).keygrip.hex().upper()
        assert not client.transact(f"WRITECERT {grip}", ANSWERS | {"CERTDATA": stranger}).ok
        assert client.transact(f"WRITECERT {grip}", ANSWERS | {"CERTDATA": odd + b"\0"}).ok
        assert client.transact(f"READCERT {grip}").data == odd


def test_a_broken_key_in_a_certificate_is_none_and_costs_nothing_else(key: Path) -> None:
    der = key.with_suffix(".crt").read_bytes()
    found = certificate(der.replace(RSA, RSA[:-2] + b"\1\3"), b"\1", "label")
    assert found.subject.startswith("emailAddress=")
    assert found.key_usage == ("digital_signature",)


def test_of_several_certificates_the_one_for_mail_is_the_key_s_before_an_attestation(key: Path, tmp_path: Path) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    tokens.load("card", key, "01")
    mine = ("-addext", "extendedKeyUsage=emailProtection")
    attestation = ("-addext", "1.3.6.1.4.1.41482.3.3=DER:04:03:05:04:03")
    server = ("-addext", "extendedKeyUsage=serverAuth")
    made = []
    for options, cka_id in ((attestation, "01"), (mine, "02"), (server, "01")):
        made.append(self_signed(key, *options).read_bytes())
        tokens.write("card", "cert", key.with_suffix(".crt"), "--id", cka_id)
    with daemon(tokens, tmp_path) as client:
        learned = client.transact("LEARN --force")
        assert [line[:3] for line in learned.values("CERTINFO")] == ["101", "102", "102"]
        assert client.transact(f"READCERT {public_of(key).keygrip.hex()}").data == made[1]
