"""Certificates and data written to a token that goes wrong in the middle, or that wants to be asked otherwise."""

from __future__ import annotations

import re

import pytest
from pkcs11 import Attribute, ObjectClass, TokenFlag

from scd.token.errors import (
    NotSupported,
    TokenFailure,
    TokenFull,
    TokenReadOnly,
)
from scd.token.model import DataObject, DataRecord
from tests.fakes.keys import certificate
from tests.unit.cryptoki.desk import PLACE, Desk
from tests.unit.cryptoki.memory_token import FLAGS


@pytest.fixture
def desk() -> Desk:
    return Desk()


class TestReadOnly:
    def test_a_write_protected_token_is_not_written_to(self) -> None:
        desk = Desk(flags=FLAGS | TokenFlag.WRITE_PROTECTED)
        for change in (
            desk.generate,
            desk.take_in,
            desk.certify,
            lambda: desk.module.write_data(desk.id, (DataRecord("a", b"b"),)),
        ):
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


class TestCertificates:
    def test_a_full_token_keeps_the_old_certificate(self, desk: Desk) -> None:
        old = desk.certify(name="Old")
        desk.writes.fail_next("C_CreateObject", "TOKEN_RESOURCE_EXCEEDED")
        with pytest.raises(TokenFull):
            desk.certify()
        assert [one.der for one in desk.objects().certificates] == [old]

    def test_a_certificate_that_is_not_kept_is_missed(self, desk: Desk) -> None:
        """SoftHSM 2.6.1 says CKR_OK on a full disk."""
        old = desk.certify(name="Old")
        desk.writes.forgets = True
        with pytest.raises(TokenFailure, match="not kept"):
            desk.certify()
        assert [one.der for one in desk.objects().certificates] == [old]

    def test_where_there_is_one_place_the_new_one_is_not_taken_for_the_old(self, desk: Desk) -> None:
        desk.certify(name="Old")
        desk.writes.one_certificate_each = True
        new = desk.certify()
        assert [one.der for one in desk.objects().certificates] == [new]

    def test_a_label_that_is_refused_is_marked(self, desk: Desk) -> None:
        """In NSS 3.87 a label belongs to one subject: a certificate with another one is not taken under it."""
        desk.writes.fail_next("C_CreateObject", "ATTRIBUTE_VALUE_INVALID")
        new = desk.certify()
        (written,) = desk.objects().certificates
        assert written.der == new
        assert re.fullmatch("new [0-9a-f]{8}", written.label)

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
            desk.module.write_data(desk.id, (DataRecord("login", value),))
        assert desk.data() == (DataObject("login", b"two"),)
        assert len(desk.token.objects) == 1

    def test_what_was_cut_off_is_cleared_by_the_next_change(self, desk: Desk) -> None:
        desk.writes.fixed_values = True
        desk.module.write_data(desk.id, (DataRecord("login", b"one"),))
        desk.writes.fail_next("C_DestroyObject", "DEVICE_ERROR")
        with pytest.raises(TokenFailure):
            desk.module.write_data(desk.id, (DataRecord("login", b"two"),))
        assert len(desk.data()) == 1
        desk.module.write_data(desk.id, (DataRecord("login", b"three"),))
        assert desk.data() == (DataObject("login", b"three"),)
        assert len(desk.token.objects) == 1

    @pytest.mark.parametrize("name", ["ATTRIBUTE_VALUE_INVALID", "FUNCTION_NOT_SUPPORTED"])
    def test_a_token_that_keeps_no_data(self, desk: Desk, name: str) -> None:
        desk.writes.fail_next("C_CreateObject", *[name] * 3)
        with pytest.raises(NotSupported, match="keeps no data"):
            desk.module.write_data(desk.id, (DataRecord("login", b"one"),))
        with pytest.raises(NotSupported, match="keeps no certificates"):
            desk.certify()

    def test_other_programs_data_are_left_alone(self, desk: Desk) -> None:
        desk.token.add(
            ObjectClass.DATA,
            {Attribute.APPLICATION: b"other", Attribute.LABEL: b"login", Attribute.VALUE: b"theirs"},
        )  # fmt: skip
        assert desk.data() == ()
        desk.module.write_data(desk.id, (DataRecord("login", None),))
        assert len(desk.token.objects) == 1

    def test_other_programs_data_are_not_even_read(self, desk: Desk) -> None:
        """OpenSC asks the card for each value."""
        theirs = {Attribute.APPLICATION: b"other", Attribute.LABEL: b"login", Attribute.VALUE: b"theirs"}
        place = desk.token.add(ObjectClass.DATA, theirs)
        desk.module.write_data(desk.id, (DataRecord("url", b"ours"),))
        assert len(desk.data()) == 1
        assert desk.writes.values_read
        assert place not in desk.writes.values_read

    def test_a_padded_name_is_still_ours(self, desk: Desk) -> None:
        desk.token.add(
            ObjectClass.DATA,
            {Attribute.APPLICATION: b"scd   ", Attribute.LABEL: b"login\0", Attribute.VALUE: b"mine"},
        )  # fmt: skip
        assert desk.data() == (DataObject("login", b"mine"),)

    def test_a_value_that_is_not_kept_is_missed(self, desk: Desk) -> None:
        """SoftHSM 2.6.1 says CKR_OK on a full disk."""
        desk.module.write_data(desk.id, (DataRecord("url", b"one"),))
        desk.writes.forgets = True
        for label in ("login", "url"):
            with pytest.raises(TokenFailure, match="not kept"):
                desk.module.write_data(desk.id, (DataRecord(label, b"two"),))
        assert desk.data() == (DataObject("url", b"one"),)

    @pytest.mark.parametrize("name", ["GENERAL_ERROR", "FUNCTION_FAILED"])
    def test_a_vague_refusal_of_a_write_is_explained(self, desk: Desk, name: str) -> None:
        """SoftHSM 2.6.1, with a full disk and with a folder that cannot be written to."""
        desk.writes.fail_next("C_CreateObject", name)
        with pytest.raises(TokenFailure, match="may be full, or not to be written to"):
            desk.certify()

    def test_a_full_token_keeps_the_old_value(self, desk: Desk) -> None:
        desk.module.write_data(desk.id, (DataRecord("login", b"one"),))
        desk.writes.fail_next("C_SetAttributeValue", "DEVICE_MEMORY")
        with pytest.raises(TokenFull):
            desk.module.write_data(desk.id, (DataRecord("login", b"two"),))
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
