"""From attributes to keys: where a public half may come from, what is left out, and what is read again."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, KeyType, ObjectClass

from scd.cryptoki.calls.native import ulong
from scd.cryptoki.calls.numbers import Attribute as Numbers
from scd.cryptoki.finding.discover import text
from scd.gcrypt.pubkey import RsaPublicKey
from scd.token.model import KeyPair, TokenObjects
from tests.fakes.keys import certificate, private_key, public_of
from tests.unit.cryptoki.in_memory import Bench, token_with
from tests.unit.cryptoki.memory_token import FALSE, TRUE, MemoryToken

RSA, P256 = "work-rsa2048", "work-p256"


def spki(name: str) -> bytes:
    return private_key(name).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def private_only(name: str, **attributes: bytes | None) -> MemoryToken:
    token = token_with()
    token.add_key(private_key(name), b"\1", "key", **attributes)
    del token.objects[min(token.objects)]
    return token


def listed(token: MemoryToken) -> TokenObjects:
    return Bench(token).objects()


def only(found: TokenObjects) -> KeyPair:
    (key,) = found.keys
    return key


def reason(found: TokenObjects) -> str:
    (one,) = found.skipped
    return f"{one.what}: {one.reason}"


class TestPublicHalf:
    def test_rsa_private_keys_show_it(self) -> None:
        assert only(listed(private_only(RSA))).public == public_of(private_key(RSA))

    def test_ec_private_keys_may_show_it(self) -> None:
        point = public_of(private_key(P256)).q  # type: ignore[union-attr]  # P-256
        assert only(listed(private_only(P256, EC_POINT=point))).public == public_of(private_key(P256))

    def test_cka_public_key_info_is_as_good(self) -> None:
        token = private_only(P256)
        max(token.objects.items())[1].attributes[Numbers.PUBLIC_KEY_INFO] = spki(P256)
        assert only(listed(token)).public == public_of(private_key(P256))

    def test_an_rsa_private_key_without_exponent_is_taken_for_f4(self) -> None:
        found = only(listed(private_only(RSA, PUBLIC_EXPONENT=None))).public
        assert found == public_of(private_key(RSA))

    def test_the_exponent_of_cka_public_key_info_is_no_guess(self) -> None:
        token = private_only(RSA, PUBLIC_EXPONENT=None)
        max(token.objects.items())[1].attributes[Numbers.PUBLIC_KEY_INFO] = spki(RSA)
        assert only(listed(token)).public == public_of(private_key(RSA))

    def test_a_certificate_shows_it(self) -> None:
        token = private_only(P256)
        shown = {Attribute.CERTIFICATE_TYPE: ulong(0), Attribute.ID: b"\1", Attribute.VALUE: certificate(P256).der}
        token.add(ObjectClass.CERTIFICATE, shown)
        key = only(listed(token))
        assert key.public == public_of(private_key(P256))
        assert key.certificate is not None

    def test_nonsense_on_the_private_key_does_not_hide_the_public_object(self) -> None:
        token = token_with()
        token.add_key(private_key(P256), b"\1", "key", EC_POINT=b"\4\3\4\1\2")
        assert only(listed(token)).public == public_of(private_key(P256))


class TestLeftOut:
    @pytest.mark.parametrize(
        ("attributes", "why"),
        [
            ({"KEY_TYPE": ulong(KeyType.DSA)}, "key type CKK_DSA is not supported"),
            ({"KEY_TYPE": ulong(0x8000_0001)}, "key type 0x80000001 is not supported"),
            ({"KEY_TYPE": None}, "key type (none) is not supported"),
            ({"KEY_TYPE": b"\0"}, "key type (none) is not supported"),
            ({"EC_PARAMS": bytes.fromhex("06052B81040021")}, "CKA_EC_PARAMS 06052b81040021 is not supported"),
            ({"EC_PARAMS": b"\x06"}, "DER element is cut off"),
            ({"EC_PARAMS": None}, "DER element is cut off"),
        ],
    )
    def test_odd_private_keys_are_left_out_with_the_reason(self, attributes: dict[str, bytes | None], why: str) -> None:
        said = reason(listed(private_only(P256, **attributes)))
        assert said.startswith('private key id 01 "key": ')
        assert why in said

    def test_a_public_key_of_no_use_is_left_out(self) -> None:
        token = token_with()
        token.add(ObjectClass.PUBLIC_KEY, {Attribute.KEY_TYPE: ulong(KeyType.RSA), Attribute.ID: b"\1"})
        assert reason(listed(token)) == 'public key id 01 "": its public key cannot be read'

    def test_an_rsa_key_with_a_zero_is_left_out(self) -> None:
        assert "n = 0" in reason(listed(_public_rsa(MODULUS=bytes(256))))

    @pytest.mark.parametrize("kind", [1, 2, 0x8050_4750])
    def test_certificates_of_another_kind_are_left_out(self, kind: int) -> None:
        token = token_with()
        shown = {Attribute.CERTIFICATE_TYPE: ulong(kind), Attribute.VALUE: b"not X.509"}
        token.add(ObjectClass.CERTIFICATE, shown)
        assert f"certificate type {kind} is not X.509" in reason(listed(token))

    @pytest.mark.parametrize("value", [b"", b"\x30", b"\x30\x00", bytes(1000)])
    def test_broken_certificates_are_left_out(self, value: bytes) -> None:
        token = token_with()
        token.add(ObjectClass.CERTIFICATE, {Attribute.CERTIFICATE_TYPE: ulong(0), Attribute.VALUE: value})
        assert "not a certificate" in reason(listed(token))

    def test_one_object_that_cannot_be_read_spoils_nothing(self) -> None:
        bench = Bench(token_with(RSA, P256))
        bench.native.fail_next("C_GetAttributeValue", "OBJECT_HANDLE_INVALID")
        found = bench.objects()
        assert len(found.keys) == 2
        assert [one.reason for one in found.skipped] == ["it is listed but cannot be read"]

    def test_other_classes_are_not_even_looked_at(self) -> None:
        token = token_with(P256)
        token.add(ObjectClass.DATA, {})
        token.add(ObjectClass.SECRET_KEY, {})
        found = listed(token)
        assert len(found.keys) == 1
        assert found.skipped == ()


def _public_rsa(**attributes: bytes) -> MemoryToken:
    token = token_with()
    shown = {Attribute.KEY_TYPE: ulong(KeyType.RSA), Attribute.PUBLIC_EXPONENT: b"\3"}
    token.add(ObjectClass.PUBLIC_KEY, shown | {Attribute[name]: value for name, value in attributes.items()})
    return token


class TestUsage:
    @pytest.mark.parametrize(
        ("attributes", "usage"),
        [
            ({"SIGN": TRUE, "DECRYPT": FALSE}, (True, False)),
            ({"SIGN": FALSE, "DECRYPT": TRUE}, (False, True)),
            ({"SIGN": FALSE, "SIGN_RECOVER": TRUE}, (False, True)),
            ({"DECRYPT": FALSE, "UNWRAP": TRUE}, (True, True)),
            ({"DECRYPT": None, "UNWRAP": FALSE}, (True, False)),
            ({"SIGN": None, "DECRYPT": None}, (None, None)),
            ({"SIGN": b""}, (None, True)),
        ],
    )
    def test_rsa(self, attributes: dict[str, bytes | None], usage: tuple[bool | None, bool | None]) -> None:
        key = only(listed(private_only(RSA, **attributes)))
        assert (key.can_sign, key.can_decrypt) == usage

    @pytest.mark.parametrize(
        ("attributes", "usage"),
        [
            ({"SIGN": TRUE, "DERIVE": FALSE, "DECRYPT": TRUE}, (True, False)),
            ({"SIGN": FALSE, "DERIVE": TRUE, "DECRYPT": FALSE}, (False, True)),
            ({"DERIVE": None}, (True, None)),
        ],
    )
    def test_ec_keys_decrypt_by_derivation(
        self, attributes: dict[str, bytes | None], usage: tuple[bool | None, bool | None]
    ) -> None:
        token = token_with()
        token.add_key(private_key(P256), b"\1", "key", **attributes)
        key = only(listed(token))
        assert (key.can_sign, key.can_decrypt) == usage

    @pytest.mark.parametrize(("value", "always"), [(TRUE, True), (FALSE, False), (None, False), (b"", False)])
    def test_always_authenticate(self, value: bytes | None, always: bool) -> None:
        assert only(listed(private_only(RSA, ALWAYS_AUTHENTICATE=value))).always_authenticate is always


class TestAgain:
    def test_nothing_new_costs_three_searches(self) -> None:
        bench = Bench(token_with(RSA, P256))
        version = bench.objects().version
        before = len(bench.native.calls_)
        assert bench.module.objects(bench.id, known=version) is None
        calls = bench.native.calls_[before:]
        assert calls.count("C_FindObjectsInit") == 3
        assert "C_GetAttributeValue" not in calls

    def test_only_what_is_new_is_read(self) -> None:
        bench = Bench(token_with(RSA))
        version = bench.objects().version
        before = bench.native.count("C_GetAttributeValue")
        bench.token.add_key(private_key(P256), b"\2", "new")
        found = bench.module.objects(bench.id, known=version)
        assert found is not None
        assert {key.label for key in found.keys} == {RSA, "new"}
        assert found.version != version
        assert bench.native.count("C_GetAttributeValue") - before <= 5

    def test_what_was_deleted_is_gone(self) -> None:
        bench = Bench(token_with(RSA))
        version = bench.objects().version
        bench.token.objects.clear()
        found = bench.module.objects(bench.id, known=version)
        assert found is not None
        assert found.keys == ()

    def test_an_object_that_changes_nothing_is_no_news(self) -> None:
        bench = Bench(token_with(RSA))
        version = bench.objects().version
        bench.token.add(ObjectClass.PUBLIC_KEY, dict(bench.token.objects[min(bench.token.objects)].attributes))
        assert bench.module.objects(bench.id, known=version) is None

    def test_the_order_of_the_module_does_not_matter(self) -> None:
        bench = Bench(token_with(P256, RSA, "work-p384"))
        first = bench.objects()
        bench.token.objects = dict(reversed(bench.token.objects.items()))
        assert (
            [key.cka_id for key in bench.objects().keys] == [key.cka_id for key in first.keys] == [b"\1", b"\2", b"\3"]
        )

    def test_login_is_news(self) -> None:
        bench = Bench(private_only(RSA), login=False)
        before = bench.objects()
        assert before.keys == ()
        bench.login()
        assert only(bench.objects()).private_seen
        assert bench.objects().version != before.version

    def test_private_halves_count_as_unseen_after_logout(self) -> None:
        bench = Bench(token_with(RSA))
        assert only(bench.objects()).private_seen
        bench.module.logout(bench.id)
        assert not only(bench.objects()).private_seen

    def test_no_version_is_zero_which_means_nothing_known(self) -> None:
        for _ in range(5):
            assert Bench(token_with()).objects().version > 0


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        (b"plain", "plain"), (b"padded   ", "padded"), (b"zeros\0\0 ", "zeros"), ("Schlüssel".encode(), "Schlüssel"),
        (b"Schl\xfcssel", "Schl\ufffdssel"), (b"two\nlines\x1b[0m", "two\ufffdlines\ufffd[0m"), (b"", ""),
        ("bidi \u202e".encode(), "bidi \ufffd"),
    ],
)  # fmt: skip
def test_labels_are_made_fit_to_be_shown(octets: bytes, shown: str) -> None:
    assert text(octets) == shown


def test_a_key_with_three_for_exponent_keeps_it() -> None:
    token = token_with()
    token.add_key(private_key(RSA), b"\1", "key", PUBLIC_EXPONENT=None)
    token.objects[min(token.objects)].attributes[Attribute.PUBLIC_EXPONENT] = b"\3"
    modulus = public_of(private_key(RSA)).n  # type: ignore[union-attr]  # RSA
    assert only(listed(token)).public == RsaPublicKey(modulus, b"\3")
