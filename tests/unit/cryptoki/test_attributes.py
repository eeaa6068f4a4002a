"""Reading attributes from modules that answer as the standard says, and from those that do not."""

from __future__ import annotations

import pytest
from pkcs11 import Attribute, ObjectClass

from scd.cryptoki.calls.ckr import CkrError
from scd.cryptoki.calls.native import FIRST_BUFFER, ulong
from tests.unit.cryptoki.memory_module import MemoryNative
from tests.unit.cryptoki.memory_token import Bulk, MemoryToken

WANTED = (Attribute.ID, Attribute.LABEL, Attribute.MODULUS, Attribute.KEY_TYPE, Attribute.VALUE)


def opened(token: MemoryToken) -> tuple[MemoryNative, int]:
    native = MemoryNative(token)
    return native, native.open_session(0)


def token_with(attributes: dict[int, bytes], bulk: Bulk = Bulk.STANDARD) -> tuple[MemoryToken, int]:
    token = MemoryToken("memory", bulk=bulk)
    return token, token.add(ObjectClass.DATA, attributes)


@pytest.mark.parametrize("bulk", Bulk)
@pytest.mark.parametrize(
    "present",
    [
        {Attribute.ID: b"\1", Attribute.KEY_TYPE: ulong(0), Attribute.VALUE: b"v"},
        {Attribute.LABEL: b"l", Attribute.MODULUS: b"m"},
        {Attribute.KEY_TYPE: ulong(3)},
        {Attribute.ID: b"", Attribute.LABEL: b""},
        {},
        dict.fromkeys(WANTED, ulong(1)),
    ],
    ids=["every other", "in the middle", "one", "empty ones", "none", "all"],
)
def test_what_is_there_is_read_whatever_is_missing(bulk: Bulk, present: dict[int, bytes]) -> None:
    token, handle = token_with(present, bulk)
    native, session = opened(token)
    assert native.attributes(session, handle, WANTED) == present


def test_one_call_is_enough_where_the_standard_is_kept() -> None:
    token, handle = token_with({Attribute.ID: b"\1", Attribute.VALUE: b"v"})
    native, session = opened(token)
    native.attributes(session, handle, WANTED)
    assert native.count("C_GetAttributeValue") == 1


@pytest.mark.parametrize("length", [FIRST_BUFFER - 1, FIRST_BUFFER, FIRST_BUFFER + 1, 40_000, 600_000])
@pytest.mark.parametrize("others", [{Attribute.ID: b"\1", Attribute.LABEL: b"l"}, {Attribute.ID: b"\1"}, {}])
@pytest.mark.parametrize("bulk", Bulk)
def test_a_long_certificate_is_read_whatever_else_is_missing(bulk: Bulk, others: dict[int, bytes], length: int) -> None:
    present = others | {Attribute.VALUE: bytes(length)}
    token, handle = token_with(present, bulk)
    native, session = opened(token)
    assert native.attributes(session, handle, (Attribute.ID, Attribute.LABEL, Attribute.VALUE)) == present


def test_a_value_beyond_all_measure_is_not_read() -> None:
    token, handle = token_with({Attribute.ID: b"\1", Attribute.VALUE: bytes(1 << 25)})
    native, session = opened(token)
    found, failed = native.readable(session, handle, (Attribute.ID, Attribute.VALUE))
    assert (found, list(failed)) == ({Attribute.ID: b"\1"}, [Attribute.VALUE])


@pytest.mark.parametrize("length", [0, 1, 4])
def test_a_number_of_another_size_is_read_as_it_is(length: int) -> None:
    token, handle = token_with({Attribute.KEY_TYPE: bytes(length)})
    native, session = opened(token)
    assert native.attributes(session, handle, (Attribute.KEY_TYPE,)) == {Attribute.KEY_TYPE: bytes(length)}


def test_values_of_the_object_before_do_not_shine_through() -> None:
    token, first = token_with({Attribute.ID: b"first", Attribute.LABEL: b"first"}, Bulk.STOPS)
    second = token.add(ObjectClass.DATA, {Attribute.LABEL: b"x"})
    native, session = opened(token)
    types = (Attribute.ID, Attribute.LABEL)
    native.attributes(session, first, types)
    assert native.attributes(session, second, types) == {Attribute.LABEL: b"x"}


@pytest.mark.parametrize("name", ["SESSION_HANDLE_INVALID", "OBJECT_HANDLE_INVALID", "DEVICE_REMOVED"])
def test_a_lost_session_is_no_missing_attribute(name: str) -> None:
    token, handle = token_with({Attribute.ID: b"\1"})
    native, session = opened(token)
    native.fail_next("C_GetAttributeValue", name)
    with pytest.raises(CkrError, match=f"CKR_{name}"):
        native.attributes(session, handle, WANTED)


@pytest.mark.parametrize("error", ["GENERAL_ERROR", "DEVICE_ERROR", "FUNCTION_FAILED", "HOST_MEMORY", "ARGUMENTS_BAD"])
def test_an_error_over_one_object_makes_it_be_asked_bit_by_bit_and_is_no_missing_attribute(error: str) -> None:
    token, handle = token_with({Attribute.ID: b"\1", Attribute.LABEL: b"l"})
    native, session = opened(token)
    types = (Attribute.ID, Attribute.LABEL)
    native.fail_next("C_GetAttributeValue", error, "OK", error)
    assert native.attributes(session, handle, types) == {Attribute.ID: b"\1", Attribute.LABEL: b"l"}
    native.fail_next("C_GetAttributeValue", error, "OK", error, error)
    with pytest.raises(CkrError, match=error):
        native.attributes(session, handle, types)
    native.fail_next("C_GetAttributeValue", error, "OK", error, error)
    found, failed = native.readable(session, handle, types)
    assert (found, list(failed)) == ({Attribute.ID: b"\1"}, [Attribute.LABEL])


@pytest.mark.parametrize("error", ["ATTRIBUTE_TYPE_INVALID", "ATTRIBUTE_SENSITIVE"])
def test_two_errors_mean_that_an_attribute_is_absent(error: str) -> None:
    token, handle = token_with({Attribute.ID: b"\1", Attribute.LABEL: b"l"})
    native, session = opened(token)
    native.fail_next("C_GetAttributeValue", error, "OK", error)
    assert native.attributes(session, handle, (Attribute.ID, Attribute.LABEL)) == {Attribute.ID: b"\1"}


def test_a_search_that_fails_is_ended() -> None:
    token, _ = token_with({})
    native, session = opened(token)
    native.fail_next("C_FindObjects", "DEVICE_ERROR")
    with pytest.raises(CkrError, match="CKR_DEVICE_ERROR"):
        native.find(session, {Attribute.CLASS: ulong(ObjectClass.DATA)})
    assert len(native.find(session, {Attribute.CLASS: ulong(ObjectClass.DATA)})) == 1


def test_more_objects_than_one_batch_are_all_found() -> None:
    token = MemoryToken("memory")
    handles = [token.add(ObjectClass.DATA, {}) for _ in range(1000)]
    native, session = opened(token)
    assert native.find(session, {Attribute.CLASS: ulong(ObjectClass.DATA)}) == handles


class TestInitialize:
    def test_locking_is_allowed_and_the_text_handed_over(self) -> None:
        native = MemoryNative()
        native.initialize("configdir=x")
        assert native.arguments == [(2, b"configdir=x")]

    @pytest.mark.parametrize("name", ["CANT_LOCK", "ARGUMENTS_BAD"])
    def test_a_module_that_cannot_lock_is_asked_without(self, name: str) -> None:
        native = MemoryNative()
        native.fail_next("C_Initialize", name)
        native.initialize(None)
        assert native.arguments == [None]

    def test_the_text_is_kept_without_locking(self) -> None:
        native = MemoryNative()
        native.initialize("configdir=x", locking=False)
        assert native.arguments == [(0, b"configdir=x")]

    def test_whoever_initialised_it_before_finalizes_it(self) -> None:
        native = MemoryNative()
        native.fail_next("C_Initialize", "CRYPTOKI_ALREADY_INITIALIZED")
        native.initialize(None)
        native.finalize()
        assert native.count("C_Finalize") == 0

    def test_what_we_initialised_we_finalize(self) -> None:
        native = MemoryNative()
        native.initialize(None)
        native.finalize()
        assert native.count("C_Finalize") == 1

    def test_other_errors_are_errors(self) -> None:
        native = MemoryNative()
        native.fail_next("C_Initialize", "ARGUMENTS_BAD", "ARGUMENTS_BAD")
        with pytest.raises(CkrError, match="CKR_ARGUMENTS_BAD"):
            native.initialize(None)
