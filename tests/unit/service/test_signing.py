"""The data forms of the protocol reference, sections 5.1 to 5.4, for each key type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scd.gcrypt.curves import CURVES
from scd.gcrypt.digestinfo import HASH_LENGTHS, PREFIXES
from scd.gcrypt.pubkey import PublicKey
from scd.service.using.signing import decrypted_form, to_be_decrypted, to_be_signed
from scd.token.errors import InvalidData
from tests.fakes.keys import private_key, public_of

RSA = public_of(private_key("work-rsa2048"))
P256 = public_of(private_key("work-p256"))
P521 = public_of(private_key("backup-p521"))
ED25519 = public_of(private_key("work-ed25519"))
ED448 = public_of(private_key("backup-ed448"))
X25519 = public_of(private_key("x25519"))
X448 = public_of(private_key("x448"))
HASHES = sorted(PREFIXES)


def digest(name: str) -> bytes:
    return bytes(range(1, HASH_LENGTHS[name] + 1))


def info(name: str) -> bytes:
    return PREFIXES[name] + digest(name)


class TestRsa:
    @pytest.mark.parametrize("name", HASHES)
    @pytest.mark.parametrize("authenticate", [True, False])
    def test_a_digestinfo_is_signed_as_it_is(self, name: str, authenticate: bool) -> None:
        for told in (name, None):
            assert to_be_signed(RSA, info(name), told, authenticate=authenticate) == info(name)

    @pytest.mark.parametrize("name", HASHES)
    def test_gpgsms_bare_hash_gets_its_digestinfo(self, name: str) -> None:
        assert to_be_signed(RSA, digest(name), name, authenticate=False) == info(name)

    def test_without_a_name_twenty_octets_are_sha1(self) -> None:
        assert to_be_signed(RSA, digest("sha1"), None, authenticate=False) == info("sha1")

    @pytest.mark.parametrize("name", [None, "tls-md5sha1", "none"])
    def test_tlss_36_octets_are_signed_as_they_are(self, name: str | None) -> None:
        assert to_be_signed(RSA, b"t" * 36, name, authenticate=True) == b"t" * 36

    @pytest.mark.parametrize(
        ("data", "name"),
        [(bytes(32), None), (b"", None), (bytes(20), "sha256"), (bytes(36), "sha256"), (bytes(32), "sha3"),
         (PREFIXES["sha256"] + bytes(31), None)],
    )  # fmt: skip
    def test_what_fits_no_hash_is_refused(self, data: bytes, name: str | None) -> None:
        with pytest.raises(InvalidData):
            to_be_signed(RSA, data, name, authenticate=False)


class TestEcdsa:
    @pytest.mark.parametrize("name", HASHES)
    @pytest.mark.parametrize("public", [P256, P521], ids=["P-256", "P-521"])
    def test_the_hash_alone_is_signed(self, public: PublicKey, name: str) -> None:
        assert to_be_signed(public, info(name), name, authenticate=False) == digest(name)
        assert to_be_signed(public, digest(name), name, authenticate=True) == digest(name)

    @pytest.mark.parametrize("length", [0, 1, 33, 65, 200])
    def test_what_is_no_hash_is_refused(self, length: int) -> None:
        with pytest.raises(InvalidData):
            to_be_signed(P256, bytes(length), None, authenticate=False)


class TestEddsa:
    @pytest.mark.parametrize("public", [ED25519, ED448], ids=["Ed25519", "Ed448"])
    @pytest.mark.parametrize("name", HASHES)
    def test_gpgs_hash_is_the_message(self, public: PublicKey, name: str) -> None:
        assert to_be_signed(public, info(name), name, authenticate=False) == digest(name)

    @given(st.binary(max_size=300))
    def test_sshs_message_follows_a_sha1_prefix(self, message: bytes) -> None:
        data = PREFIXES["sha1"] + message
        assert to_be_signed(ED25519, data, None, authenticate=True) == message
        assert to_be_signed(ED448, data, None, authenticate=True) == message

    def test_sshs_form_is_known_without_pkauth_too(self) -> None:
        data = PREFIXES["sha1"] + bytes(100)
        assert to_be_signed(ED25519, data, None, authenticate=False) == bytes(100)

    def test_an_ssh_message_that_looks_like_a_digestinfo_stays_whole(self) -> None:
        data = PREFIXES["sha1"] + info("sha256")
        assert to_be_signed(ED25519, data, None, authenticate=True) == info("sha256")

    def test_a_bare_message_is_signed_as_it_is(self) -> None:
        assert to_be_signed(ED25519, b"bare", None, authenticate=False) == b"bare"


class TestRsaDecryption:
    def test_an_mpi_with_a_zero_in_front_loses_it(self) -> None:
        assert to_be_decrypted(RSA, b"\0" + b"\xff" * 256) == b"\xff" * 256

    def test_a_short_mpi_is_filled_up(self) -> None:
        assert to_be_decrypted(RSA, b"\1" * 254) == b"\0\0" + b"\1" * 254

    @pytest.mark.parametrize("data", [b"", bytes(256), b"\1" * 257])
    def test_what_is_no_ciphertext_is_refused(self, data: bytes) -> None:
        with pytest.raises(InvalidData):
            to_be_decrypted(RSA, data)

    def test_the_plaintext_goes_out_bare(self) -> None:
        assert decrypted_form(RSA, b"session key") == b"session key"


class TestEcdh:
    @pytest.mark.parametrize("data", [b"\x40" + bytes(range(32)), bytes(range(32))], ids=["2.2 and 2.4", "2.5"])
    def test_x25519_comes_with_and_without_its_prefix(self, data: bytes) -> None:
        assert to_be_decrypted(X25519, data) == bytes(range(32))

    def test_a_bare_x25519_point_may_begin_with_40(self) -> None:
        assert to_be_decrypted(X25519, b"\x40" * 32) == b"\x40" * 32

    def test_x448_and_weierstrass_points_stay_as_they_are(self) -> None:
        assert to_be_decrypted(X448, bytes(56)) == bytes(56)
        assert to_be_decrypted(P256, b"\4" + bytes(64)) == b"\4" + bytes(64)

    def test_answers_have_the_forms_that_all_of_gnupg_and_sequoia_take(self) -> None:
        for key, curve in ((P256, CURVES["NIST P-256"]), (P521, CURVES["NIST P-521"])):
            length = 1 + curve.field_bytes
            assert decrypted_form(key, curve.g[1:length])[:length] == curve.g[:length]
        assert decrypted_form(X25519, bytes(32)) == b"\x40" + bytes(32)
        assert decrypted_form(X448, bytes(56)) == bytes(56)
