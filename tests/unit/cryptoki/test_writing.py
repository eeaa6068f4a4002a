"""Changes of a token that goes wrong in the middle, or that does not like to be asked like this."""

from __future__ import annotations

import pytest
from pkcs11 import Attribute, ObjectClass, TokenFlag

from scd.cryptoki.keygen import EC_KEY_PAIR_GEN
from scd.gcrypt import der
from scd.gcrypt.privkey import PrivateKey, parse_private_key
from scd.gcrypt.pubkey import EccPublicKey
from scd.token.errors import (
    KeyExists,
    KeyNotFound,
    NotSupported,
    PinLengthInvalid,
    PinRequired,
    PinUnsuitable,
    SoPinBlocked,
    SoPinIncorrect,
    TokenError,
    TokenFailure,
    TokenFull,
    TokenNotPresent,
    TokenReadOnly,
    TokenRemoved,
    UnsupportedAlgorithm,
)
from scd.token.model import DataObject
from scd.token.port import GenerateRequest, ImportRequest, KeyAddress
from scd.token.secrets import Pin
from tests.contract.test_new_certificates import renewed
from tests.fakes.keys import certificate, private_key
from tests.unit.cryptoki.in_memory import Bench
from tests.unit.cryptoki.memory_token import FLAGS, TRUE, MemoryToken
from tests.unit.cryptoki.memory_writes import MECHANISMS, WritableNative
from tests.unit.gcrypt.keytocard import KEYTOCARD

PLACE, P256 = b"\x33", "work-p256"
PRIVATE: PrivateKey = parse_private_key(KEYTOCARD["nistp256"][1])[0]


class Desk(Bench):
    """A bench with a module that writes."""

    def __init__(self, *, left_out: tuple[str, ...] = (), login: bool = True, **switches: object) -> None:
        token = MemoryToken("memory", **{"listed": MECHANISMS} | switches)  # type: ignore[arg-type]  # handed through
        self.writes = WritableNative(token, left_out=left_out)
        super().__init__(token, login=login, native=self.writes)

    def generate(self, algorithm: str = "nistp256") -> None:
        self.module.generate(GenerateRequest(self.id, algorithm, PLACE, "new", True, True))

    def take_in(self) -> None:
        self.module.import_key(ImportRequest(self.id, PRIVATE, PLACE, "new", True, True))

    def certify(self, place: bytes = PLACE, name: str = "Renewed") -> bytes:
        made = renewed(name)
        self.module.write_certificate(self.id, place, "new", made)
        return made

    def data(self) -> tuple[DataObject, ...]:
        return self.module.read_data(self.id)

    def keys(self) -> list[bytes]:
        """The classes of all key objects on the token."""
        return [
            one.attributes[Attribute.CLASS]
            for one in self.token.objects.values()
            if Attribute.KEY_TYPE in one.attributes
        ]


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
        desk.writes.fail_next("C_GenerateKeyPair", name)
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
        desk = Desk(listed=frozenset({EC_KEY_PAIR_GEN}))
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

    def test_a_module_without_the_function_to_make_keys(self) -> None:
        with pytest.raises(NotSupported, match="FUNCTION_NOT_SUPPORTED"):
            Desk(left_out=("C_GenerateKeyPair",)).generate()


def _class(kind: ObjectClass) -> bytes:
    return int(kind).to_bytes(8, "little")


class TestReadOnly:
    def test_a_write_protected_token_is_not_written_to(self) -> None:
        desk = Desk(flags=FLAGS | TokenFlag.WRITE_PROTECTED)
        for change in (desk.generate, desk.take_in, desk.certify, lambda: desk.module.write_data(desk.id, "a", b"b")):
            with pytest.raises(TokenReadOnly):
                change()
        assert all(not flags & 2 for flags in desk.writes.opened.values())

    @pytest.mark.parametrize("name", ["TOKEN_WRITE_PROTECTED", "SESSION_READ_ONLY"])
    def test_a_module_that_lets_nothing_be_written(self, desk: Desk, name: str) -> None:
        desk.writes.fail_next("C_OpenSession", name)
        with pytest.raises(TokenReadOnly):
            desk.generate()

    def test_reading_needs_no_session_for_writing(self, desk: Desk) -> None:
        assert desk.module.random(desk.id, 8) == bytes(range(8))
        assert desk.data() == ()
        assert all(not flags & 2 for flags in desk.writes.opened.values())


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


class TestCertificates:
    def test_a_full_token_keeps_the_old_certificate(self, desk: Desk) -> None:
        old = desk.certify(name="Old")
        desk.writes.fail_next("C_CreateObject", "TOKEN_RESOURCE_EXCEEDED")
        with pytest.raises(TokenFull):
            desk.certify()
        assert [one.der for one in desk.objects().certificates] == [old]

    def test_where_there_is_one_place_the_new_one_is_not_taken_for_the_old(self, desk: Desk) -> None:
        desk.certify(name="Old")
        desk.writes.one_certificate_each = True
        new = desk.certify()
        assert [one.der for one in desk.objects().certificates] == [new]

    def test_subject_issuer_and_serial_number_are_told(self, desk: Desk) -> None:
        one = certificate("work-rsa2048")
        desk.module.write_certificate(desk.id, PLACE, "mine", one.der)
        template = desk.writes.templates[-1]
        for kind in (Attribute.SUBJECT, Attribute.ISSUER, Attribute.SERIAL_NUMBER):
            assert template[kind] in one.der
            assert template[kind][0] == (0x02 if kind == Attribute.SERIAL_NUMBER else 0x30)
        assert template[Attribute.PRIVATE] == b"\0"


class TestData:
    def test_a_value_that_cannot_be_changed_is_replaced(self, desk: Desk) -> None:
        desk.writes.fixed_values = True
        for value in (b"one", b"two"):
            desk.module.write_data(desk.id, "login", value)
        assert desk.data() == (DataObject("login", b"two"),)
        assert len(desk.token.objects) == 1

    def test_what_was_cut_off_is_cleared_by_the_next_change(self, desk: Desk) -> None:
        desk.writes.fixed_values = True
        desk.module.write_data(desk.id, "login", b"one")
        desk.writes.fail_next("C_DestroyObject", "DEVICE_ERROR")
        with pytest.raises(TokenFailure):
            desk.module.write_data(desk.id, "login", b"two")
        assert len(desk.data()) == 1
        desk.module.write_data(desk.id, "login", b"three")
        assert desk.data() == (DataObject("login", b"three"),)
        assert len(desk.token.objects) == 1

    @pytest.mark.parametrize("name", ["ATTRIBUTE_VALUE_INVALID", "FUNCTION_NOT_SUPPORTED"])
    def test_a_token_that_keeps_no_data(self, desk: Desk, name: str) -> None:
        desk.writes.fail_next("C_CreateObject", name, name)
        with pytest.raises(NotSupported, match="keeps no data"):
            desk.module.write_data(desk.id, "login", b"one")
        with pytest.raises(NotSupported, match="keeps no certificates"):
            desk.certify()

    def test_other_programs_data_are_left_alone(self, desk: Desk) -> None:
        desk.token.add(
            ObjectClass.DATA,
            {Attribute.APPLICATION: b"other", Attribute.LABEL: b"login", Attribute.VALUE: b"theirs"},
        )  # fmt: skip
        assert desk.data() == ()
        desk.module.write_data(desk.id, "login", None)
        assert len(desk.token.objects) == 1

    def test_a_padded_name_is_still_ours(self, desk: Desk) -> None:
        desk.token.add(
            ObjectClass.DATA,
            {Attribute.APPLICATION: b"scd   ", Attribute.LABEL: b"login\0", Attribute.VALUE: b"mine"},
        )  # fmt: skip
        assert desk.data() == (DataObject("login", b"mine"),)

    def test_a_full_token_keeps_the_old_value(self, desk: Desk) -> None:
        desk.module.write_data(desk.id, "login", b"one")
        desk.writes.fail_next("C_SetAttributeValue", "DEVICE_MEMORY")
        with pytest.raises(TokenFull):
            desk.module.write_data(desk.id, "login", b"two")
        assert desk.data() == (DataObject("login", b"one"),)


class TestRandom:
    @pytest.mark.parametrize("name", ["RANDOM_NO_RNG", "FUNCTION_NOT_SUPPORTED"])
    def test_a_token_without_a_generator(self, desk: Desk, name: str) -> None:
        desk.writes.fail_next("C_GenerateRandom", name)
        with pytest.raises(NotSupported):
            desk.module.random(desk.id, 8)

    def test_a_lost_session_is_opened_again(self, desk: Desk) -> None:
        desk.native.lose_sessions()
        assert len(desk.module.random(desk.id, 8)) == 8


class TestPins:
    def test_the_pin_pad_takes_both(self, desk: Desk) -> None:
        desk.module.change_pin(desk.id, None, None)
        assert desk.writes.pins == [(None, None)]

    def test_a_pin_is_sent_once(self, desk: Desk) -> None:
        desk.writes.fail_next("C_SetPIN", "SESSION_HANDLE_INVALID")
        with pytest.raises(TokenError):
            desk.module.change_pin(desk.id, Pin(b"1234"), Pin(b"5678"))
        assert desk.native.count("C_SetPIN") == 1

    @pytest.mark.parametrize("name", ["PIN_INVALID", "PIN_TOO_WEAK"])
    def test_a_new_pin_that_is_refused_is_unsuitable(self, desk: Desk, name: str) -> None:
        desk.writes.fail_next("C_SetPIN", name)
        with pytest.raises(PinUnsuitable):
            desk.module.change_pin(desk.id, Pin(b"1234"), Pin(b"5678"))

    def test_the_officer_comes_alone(self, desk: Desk) -> None:
        """As long as a read-only session is open, modules answer CKR_SESSION_READ_ONLY_EXISTS."""
        desk.module.reset_pin(desk.id, Pin(b"officer"), Pin(b"5678"))
        assert desk.token.pin == b"5678"
        assert not desk.writes.sessions
        assert not desk.native.logged_in
        assert not desk.module.tokens()[0].logged_in

    def test_a_locked_so_pin_is_told_from_a_locked_pin(self, desk: Desk) -> None:
        desk.writes.so_locked = True
        with pytest.raises(SoPinBlocked):
            desk.module.reset_pin(desk.id, Pin(b"officer"), Pin(b"5678"))
        assert desk.native.count("C_InitPIN") == 0

    def test_a_wrong_so_pin_leaves_no_session(self, desk: Desk) -> None:
        with pytest.raises(SoPinIncorrect):
            desk.module.reset_pin(desk.id, Pin(b"nonsense"), Pin(b"5678"))
        assert not desk.writes.sessions

    def test_a_refused_new_pin_leaves_no_officer_logged_in(self, desk: Desk) -> None:
        desk.writes.fail_next("C_InitPIN", "PIN_INVALID")
        with pytest.raises(PinUnsuitable):
            desk.module.reset_pin(desk.id, Pin(b"officer"), Pin(b"5678"))
        assert not desk.native.logged_in
        desk.login()

    @pytest.mark.parametrize("new", [b"", b"123", b"123456789"])
    def test_the_officers_try_is_not_spent_on_a_pin_of_a_wrong_length(self, desk: Desk, new: bytes) -> None:
        calls = desk.native.count("C_Login")
        with pytest.raises(PinLengthInvalid):
            desk.module.reset_pin(desk.id, Pin(b"officer"), Pin(new))
        assert desk.native.count("C_Login") == calls

    def test_the_officers_pin_may_be_longer_than_a_users(self, desk: Desk) -> None:
        desk.writes.so_pin = b"0102030405060708" * 3
        desk.module.reset_pin(desk.id, Pin(desk.writes.so_pin), Pin(b"5678"))
        assert desk.token.pin == b"5678"

    def test_a_token_that_is_gone_takes_no_pin(self, desk: Desk) -> None:
        desk.native.slots_.clear()
        with pytest.raises(TokenNotPresent):
            desk.module.change_pin(desk.id, Pin(b"1234"), Pin(b"5678"))
        assert not desk.writes.pins
