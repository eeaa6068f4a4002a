"""Keys made, taken in and destroyed on a token that goes wrong in the middle, or that wants to be asked otherwise."""

from __future__ import annotations

import pytest
from pkcs11 import Attribute, Mechanism, ObjectClass

from scd.gcrypt import der
from scd.gcrypt.pubkey import EccPublicKey
from scd.token.errors import (
    KeyExists,
    KeyNotFound,
    NotSupported,
    PinRequired,
    TokenError,
    TokenFailure,
    TokenFull,
    TokenRemoved,
    UnsupportedAlgorithm,
)
from scd.token.port import GenerateRequest, ImportRequest, KeyAddress
from tests.fakes.keys import private_key
from tests.unit.cryptoki.desk import PLACE, PRIVATE, Desk
from tests.unit.cryptoki.memory_token import TRUE, MemoryToken

P256 = "work-p256"


@pytest.fixture
def desk() -> Desk:
    return Desk()


class TestKeysMadeByHalves:
    def test_a_public_half_that_a_failed_generation_leaves_is_destroyed(self, desk: Desk) -> None:
        desk.writes.half_on_failure = "DEVICE_ERROR"
        with pytest.raises(TokenFailure, match="DEVICE_ERROR") as error:
            desk.generate()
        assert "left" not in str(error.value)
        assert not desk.token.objects

    def test_half_a_key_that_cannot_be_destroyed_is_named(self, desk: Desk) -> None:
        desk.writes.half_on_failure = "DEVICE_REMOVED"
        desk.writes.fail_next("C_DestroyObject", "DEVICE_REMOVED")
        with pytest.raises(TokenRemoved, match="half of a key with the CKA_ID 33 may be left on the token"):
            desk.generate()
        assert len(desk.keys()) == 1

    def test_a_half_that_was_left_can_be_destroyed_later(self, desk: Desk) -> None:
        desk.writes.half_on_failure = "DEVICE_REMOVED"
        desk.writes.fail_next("C_DestroyObject", "DEVICE_REMOVED")
        with pytest.raises(TokenRemoved):
            desk.generate()
        desk.login()
        (left,) = desk.objects().skipped
        assert "no private key" in left.reason
        with pytest.raises(KeyExists):
            desk.generate()
        point = next(iter(desk.token.objects.values())).attributes[Attribute.EC_POINT]
        public = EccPublicKey("NIST P-256", der.read_only(point, der.OCTET_STRING))
        desk.module.destroy_key(KeyAddress(desk.id, PLACE, public))
        assert not desk.token.objects

    def test_a_private_half_that_is_not_there_ends_the_public_one(self, desk: Desk) -> None:
        desk.writes.loses_private = True
        with pytest.raises(TokenFailure, match="private half is not listed"):
            desk.generate()
        assert not desk.keys()

    def test_a_key_that_cannot_be_read_is_not_kept(self, desk: Desk) -> None:
        """tpm2-pkcs11 1.9's keys of P-521, which it cannot use itself."""
        desk.writes.spoils_point = True
        with pytest.raises(UnsupportedAlgorithm, match="cannot be used: DER"):
            desk.generate()
        assert not desk.token.objects

    def test_a_key_that_another_program_made_meanwhile_stays(self, desk: Desk) -> None:
        others = MemoryToken("others")
        others.add_key(private_key(P256), PLACE)
        desk.writes.taken_meanwhile = others
        with pytest.raises(TokenFailure):
            desk.generate()
        assert len(desk.keys()) == 2

    def test_nothing_is_generated_twice(self, desk: Desk) -> None:
        """A lost session may have been lost after the key was made."""
        desk.writes.fail_next("C_GenerateKeyPair", "SESSION_HANDLE_INVALID")
        with pytest.raises(TokenError, match="SESSION_HANDLE_INVALID"):
            desk.generate()
        assert desk.native.count("C_GenerateKeyPair") == 1

    def test_a_session_that_was_lost_before_wants_the_login_again(self, desk: Desk) -> None:
        desk.native.lose_sessions()
        with pytest.raises(PinRequired):
            desk.generate()
        assert desk.native.count("C_GenerateKeyPair") == 0
        desk.login()
        desk.generate()
        assert len(desk.keys()) == 2

    def test_a_full_token_keeps_no_half_of_an_imported_key(self, desk: Desk) -> None:
        desk.writes.fail_next("C_CreateObject", "OK", "DEVICE_MEMORY")
        with pytest.raises(TokenFull):
            desk.take_in()
        assert desk.native.count("C_CreateObject") == 2
        assert not desk.token.objects

    def test_a_token_that_is_pulled_during_an_import(self, desk: Desk) -> None:
        desk.writes.fail_next("C_CreateObject", "OK", "DEVICE_REMOVED")
        desk.writes.fail_next("C_DestroyObject", "DEVICE_REMOVED")
        with pytest.raises(TokenRemoved, match="may be left"):
            desk.take_in()

    @pytest.mark.parametrize("name", ["GENERAL_ERROR", "DEVICE_MEMORY", "HOST_MEMORY", "USER_NOT_LOGGED_IN"])
    def test_no_session_for_writing_stays_open(self, desk: Desk, name: str) -> None:
        desk.writes.fail_next("C_GenerateKeyPair", *[name] * 3)
        with pytest.raises(TokenError):
            desk.generate()
        assert not desk.writes.open_for_writing
        assert desk.writes.sessions


class TestTheWayOfAsking:
    def test_a_private_key_is_never_to_be_read(self, desk: Desk) -> None:
        desk.generate()
        desk.module.import_key(ImportRequest(desk.id, PRIVATE, b"\x34", "new", True, True))
        private = [one for one in desk.writes.templates if one[Attribute.CLASS] == _class(ObjectClass.PRIVATE_KEY)]
        assert len(private) == 2
        for template in private:
            assert [template[kind] for kind in (Attribute.TOKEN, Attribute.PRIVATE, Attribute.SENSITIVE)] == [TRUE] * 3
            assert template[Attribute.EXTRACTABLE] == b"\0"

    @pytest.mark.parametrize("unknown", [Attribute.DECRYPT, Attribute.DERIVE])
    def test_a_module_that_knows_few_attributes_is_asked_with_few(self, desk: Desk, unknown: Attribute) -> None:
        desk.writes.refuses = frozenset({int(unknown)})
        desk.module.generate(GenerateRequest(desk.id, "nistp256", PLACE, "new", True, False))
        assert len(desk.keys()) == 2
        asked = desk.writes.templates[-1]
        assert (Attribute.DERIVE in asked) is (unknown is Attribute.DECRYPT)
        assert asked[Attribute.SENSITIVE] == TRUE

    @pytest.mark.parametrize(
        "params",
        [
            der.encode_oid("1.3.101.112"),
            der.encode(der.PRINTABLE_STRING, b"edwards25519"),
            der.encode_oid("1.3.6.1.4.1.11591.15.1"),
        ],
    )
    def test_the_curve_is_spelt_as_the_module_wants_it(self, desk: Desk, params: bytes) -> None:
        desk.writes.only_params = params
        desk.generate("ed25519")
        assert desk.writes.templates[-2][Attribute.EC_PARAMS] == params
        assert len(desk.keys()) == 2

    def test_what_the_token_cannot_make_is_answered_with_what_it_can(self, desk: Desk) -> None:
        desk.writes.fail_next("C_GenerateKeyPair", *["CURVE_NOT_SUPPORTED"] * 3)
        with pytest.raises(UnsupportedAlgorithm) as error:
            desk.generate("brainpoolP512r1")
        text = str(error.value)
        assert "brainpoolP512r1" in text.partition("it makes: ")[0]
        assert "CURVE_NOT_SUPPORTED" in text
        can = text.partition("it makes: ")[2].split(", ")
        assert can == [
            "rsa2048", "rsa3072", "nistp256", "nistp384", "secp256k1", "brainpoolP256r1", "brainpoolP384r1",
            "ed25519", "cv25519", "ed448", "cv448",
        ]  # fmt: skip

    def test_a_mechanism_that_is_not_there_is_not_tried(self) -> None:
        desk = Desk(listed=frozenset({Mechanism.EC_KEY_PAIR_GEN}))
        with pytest.raises(UnsupportedAlgorithm, match="nothing it offers"):
            desk.generate("rsa2048")
        assert desk.native.count("C_GenerateKeyPair") == 0

    @pytest.mark.parametrize(
        ("name", "kind"), [("FUNCTION_NOT_SUPPORTED", NotSupported), ("TEMPLATE_INCONSISTENT", UnsupportedAlgorithm)]
    )
    def test_a_token_that_takes_no_keys(self, desk: Desk, name: str, kind: type[TokenError]) -> None:
        desk.writes.fail_next("C_CreateObject", *[name] * 20)
        with pytest.raises(kind, match="nistp256 private key"):
            desk.take_in()

    def test_a_token_that_makes_no_keys_at_all(self) -> None:
        """OpenSC with a PIV card."""
        desk = Desk(listed=frozenset({int(Mechanism.RSA_PKCS)}))
        with pytest.raises(NotSupported, match="makes no keys"):
            desk.generate("rsa2048")

    @pytest.mark.parametrize("name", ["GENERAL_ERROR", "FUNCTION_FAILED"])
    def test_a_vague_refusal_may_be_of_the_template(self, desk: Desk, name: str) -> None:
        """tpm2-pkcs11 1.9 does not take CKA_DECRYPT for a curve, and calls that CKR_GENERAL_ERROR."""
        desk.writes.fail_next("C_GenerateKeyPair", name)
        desk.generate()
        asked = desk.writes.templates[-1]
        assert Attribute.SIGN in asked
        assert Attribute.DECRYPT not in asked

    def test_a_vague_refusal_of_every_template_is_what_it_is(self, desk: Desk) -> None:
        desk.writes.fail_next("C_GenerateKeyPair", *["GENERAL_ERROR"] * 3)
        with pytest.raises(TokenFailure, match="GENERAL_ERROR"):
            desk.generate()
        assert not desk.token.objects

    def test_a_vague_failure_that_left_something_is_not_asked_again(self, desk: Desk) -> None:
        desk.writes.half_on_failure = "GENERAL_ERROR"
        with pytest.raises(TokenFailure):
            desk.generate()
        assert desk.native.count("C_GenerateKeyPair") == 1
        assert not desk.token.objects

    def test_a_module_without_the_function_to_make_keys(self) -> None:
        with pytest.raises(NotSupported, match="FUNCTION_NOT_SUPPORTED"):
            Desk(left_out=("C_GenerateKeyPair",)).generate()


def _class(kind: ObjectClass) -> bytes:
    return int(kind).to_bytes(8, "little")


class TestDestroying:
    def test_a_second_private_key_of_the_same_pair_keeps_its_public_half(self, desk: Desk) -> None:
        desk.token.add_key(private_key("work-rsa2048"), b"\1")
        desk.token.add_key(private_key("work-rsa2048"), b"\2")
        (key,) = desk.objects().keys
        desk.module.destroy_key(KeyAddress(desk.id, key.cka_id, key.public))
        assert len(desk.keys()) == 2
        (other,) = desk.objects().keys
        assert other.public == key.public
        assert other.cka_id != key.cka_id

    def test_a_public_half_under_another_id_goes_with_its_key(self, desk: Desk) -> None:
        desk.token.add_key(private_key("work-rsa2048"), b"\1", ID=b"\2")
        (key,) = desk.objects().keys
        desk.module.destroy_key(KeyAddress(desk.id, key.cka_id, key.public))
        assert not desk.keys()

    def test_the_private_half_goes_first(self, desk: Desk) -> None:
        private = desk.token.add_key(private_key("work-rsa2048"), b"\1")
        (key,) = desk.objects().keys
        desk.writes.fail_next("C_DestroyObject", "OK", "DEVICE_ERROR")
        with pytest.raises(TokenFailure):
            desk.module.destroy_key(KeyAddress(desk.id, key.cka_id, key.public))
        assert private not in desk.token.objects

    def test_a_key_of_nobody(self, desk: Desk) -> None:
        with pytest.raises(KeyNotFound):
            desk.module.destroy_key(KeyAddress(desk.id, b"\1", PRIVATE.public))
