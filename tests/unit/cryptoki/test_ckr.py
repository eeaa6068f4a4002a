"""The CKR table against the standard's numbers, python-pkcs11's names, and the rules about PINs."""

from __future__ import annotations

import re

import pkcs11.exceptions
import pytest

from scd.cryptoki.calls.ckr import CkrError, ckr_name, to_token_error
from scd.token import errors

# A sample of PKCS#11 v3.1, pkcs11t.h, from every part of the range.
NUMBERS = {
    0x01: "CANCEL", 0x03: "SLOT_ID_INVALID", 0x05: "GENERAL_ERROR", 0x06: "FUNCTION_FAILED", 0x07: "ARGUMENTS_BAD",
    0x0A: "CANT_LOCK", 0x11: "ATTRIBUTE_SENSITIVE", 0x12: "ATTRIBUTE_TYPE_INVALID", 0x1B: "ACTION_PROHIBITED",
    0x20: "DATA_INVALID", 0x21: "DATA_LEN_RANGE", 0x30: "DEVICE_ERROR", 0x32: "DEVICE_REMOVED",
    0x40: "ENCRYPTED_DATA_INVALID", 0x50: "FUNCTION_CANCELED", 0x54: "FUNCTION_NOT_SUPPORTED",
    0x60: "KEY_HANDLE_INVALID", 0x62: "KEY_SIZE_RANGE", 0x63: "KEY_TYPE_INCONSISTENT",
    0x68: "KEY_FUNCTION_NOT_PERMITTED", 0x70: "MECHANISM_INVALID", 0x71: "MECHANISM_PARAM_INVALID",
    0x82: "OBJECT_HANDLE_INVALID", 0x90: "OPERATION_ACTIVE", 0x91: "OPERATION_NOT_INITIALIZED",
    0xA0: "PIN_INCORRECT", 0xA1: "PIN_INVALID", 0xA2: "PIN_LEN_RANGE", 0xA3: "PIN_EXPIRED", 0xA4: "PIN_LOCKED",
    0xB0: "SESSION_CLOSED", 0xB1: "SESSION_COUNT", 0xB3: "SESSION_HANDLE_INVALID", 0xD0: "TEMPLATE_INCOMPLETE",
    0xD1: "TEMPLATE_INCONSISTENT", 0xE0: "TOKEN_NOT_PRESENT", 0xE1: "TOKEN_NOT_RECOGNIZED",
    0xF0: "UNWRAPPING_KEY_HANDLE_INVALID", 0x100: "USER_ALREADY_LOGGED_IN", 0x101: "USER_NOT_LOGGED_IN",
    0x102: "USER_PIN_NOT_INITIALIZED", 0x104: "USER_ANOTHER_ALREADY_LOGGED_IN", 0x110: "WRAPPED_KEY_INVALID",
    0x130: "DOMAIN_PARAMS_INVALID", 0x140: "CURVE_NOT_SUPPORTED", 0x150: "BUFFER_TOO_SMALL",
    0x190: "CRYPTOKI_NOT_INITIALIZED", 0x191: "CRYPTOKI_ALREADY_INITIALIZED", 0x1B7: "LIBRARY_LOAD_FAILED",
    0x1B8: "PIN_TOO_WEAK", 0x1B9: "PUBLIC_KEY_INVALID", 0x200: "FUNCTION_REJECTED", 0x203: "KEY_EXHAUSTED",
}  # fmt: skip
PIN_ERRORS = (errors.PinIncorrect, errors.PinRequired, errors.PinBlocked, errors.PinLengthInvalid, errors.PinNotSet)
ALL_NUMBERS = range(0x1000)


def translated(rv: int, function: str = "C_Login") -> errors.TokenError:
    return to_token_error(CkrError(function, rv), "token")


def number(name: str) -> int:
    return next(rv for rv in ALL_NUMBERS if ckr_name(rv) == f"CKR_{name}")


@pytest.mark.parametrize(("rv", "name"), NUMBERS.items())
def test_names_are_the_standards(rv: int, name: str) -> None:
    assert ckr_name(rv) == f"CKR_{name}"


def test_a_vendors_own_number_is_shown_as_such() -> None:
    assert ckr_name(0x80000123) == "CKR 0x80000123"
    assert "0x80000123" in str(translated(0x80000123))


def test_everything_becomes_a_token_error_that_names_function_and_value() -> None:
    for rv in ALL_NUMBERS:
        assert str(translated(rv)).partition("; ")[0] == f"token: C_Login: {ckr_name(rv)}"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PIN_INCORRECT", errors.PinIncorrect), ("PIN_LEN_RANGE", errors.PinLengthInvalid),
        ("PIN_LOCKED", errors.PinBlocked), ("USER_NOT_LOGGED_IN", errors.PinRequired),
        ("USER_PIN_NOT_INITIALIZED", errors.PinNotSet), ("CANCEL", errors.Canceled),
        ("FUNCTION_CANCELED", errors.Canceled), ("DEVICE_REMOVED", errors.TokenRemoved),
        ("TOKEN_NOT_PRESENT", errors.TokenNotPresent), ("SESSION_HANDLE_INVALID", errors.SessionLost),
        ("OBJECT_HANDLE_INVALID", errors.SessionLost), ("KEY_HANDLE_INVALID", errors.SessionLost),
        ("KEY_FUNCTION_NOT_PERMITTED", errors.WrongKeyUsage), ("MECHANISM_INVALID", errors.UnsupportedAlgorithm),
        ("FUNCTION_NOT_SUPPORTED", errors.NotSupported), ("DATA_INVALID", errors.InvalidData),
        ("TOKEN_WRITE_PROTECTED", errors.TokenReadOnly), ("SESSION_READ_ONLY", errors.TokenReadOnly),
        ("DEVICE_MEMORY", errors.TokenFull), ("TOKEN_RESOURCE_EXCEEDED", errors.TokenFull),
        ("RANDOM_NO_RNG", errors.NotSupported), ("PIN_TOO_WEAK", errors.PinUnsuitable),
        ("GENERAL_ERROR", errors.TokenFailure), ("DEVICE_ERROR", errors.TokenFailure),
    ],
)  # fmt: skip
def test_what_the_daemon_tells_apart(name: str, kind: type[errors.TokenError]) -> None:
    assert type(translated(number(name))) is kind


@pytest.mark.parametrize("function", ["C_Sign", "C_Decrypt", "C_FindObjectsInit", "C_OpenSession"])
@pytest.mark.parametrize("name", ["PIN_INCORRECT", "PIN_INVALID", "PIN_LEN_RANGE"])
def test_a_pin_is_refused_only_by_a_function_that_was_given_one(function: str, name: str) -> None:
    """Else the person is asked for it again, and a right one is remembered as a wrong one."""
    assert type(translated(number(name), function)) is errors.TokenFailure


@pytest.mark.parametrize("function", ["C_SetPIN", "C_InitPIN"])
def test_a_new_pin_that_is_refused_is_not_a_wrong_one(function: str) -> None:
    def meaning(name: str) -> type[errors.TokenError]:
        return type(to_token_error(CkrError(function, number(name)), "token"))

    assert meaning("PIN_INVALID") is errors.PinUnsuitable
    assert meaning("PIN_INCORRECT") is errors.PinIncorrect
    assert type(translated(number("PIN_INVALID"))) is errors.PinIncorrect


def test_only_what_speaks_of_the_pin_is_a_pin_error() -> None:
    """ykcs11 and others say CKR_DATA_INVALID after a right PIN; users were told that it was wrong (ykpiv issue 443)."""
    found = {ckr_name(rv) for rv in ALL_NUMBERS if isinstance(translated(rv), PIN_ERRORS)}
    assert found == {
        "CKR_PIN_INCORRECT", "CKR_PIN_INVALID", "CKR_PIN_LEN_RANGE", "CKR_PIN_LOCKED", "CKR_PIN_EXPIRED",
        "CKR_USER_NOT_LOGGED_IN", "CKR_USER_PIN_NOT_INITIALIZED",
    }  # fmt: skip


def test_no_pin_session_or_data_error_leads_to_the_next_means() -> None:
    """A next attempt would send the PIN again, or tell an attacker more about the data."""
    stop = (*PIN_ERRORS, errors.SessionLost, errors.TokenRemoved, errors.TokenNotPresent, errors.Canceled)
    tries_on = {rv for rv in ALL_NUMBERS if CkrError("C_Sign", rv).is_next_rung}
    assert tries_on
    assert not [ckr_name(rv) for rv in tries_on if isinstance(translated(rv), stop)]
    assert number("DATA_INVALID") not in tries_on
    assert number("ENCRYPTED_DATA_INVALID") not in tries_on
    assert number("GENERAL_ERROR") not in tries_on


def test_only_decryption_takes_a_general_error_for_bad_data() -> None:
    general = number("GENERAL_ERROR")
    assert CkrError("C_Decrypt", general).is_bad_ciphertext
    assert CkrError("C_UnwrapKey", general).is_bad_ciphertext
    assert not CkrError("C_DecryptInit", general).is_bad_ciphertext
    assert not CkrError("C_Decrypt", number("DEVICE_ERROR")).is_bad_ciphertext


# Values that only say "failed" to the daemon, or that no function it calls may return.
PLAIN = {
    "HOST_MEMORY", "GENERAL_ERROR", "FUNCTION_FAILED", "ARGUMENTS_BAD", "NO_EVENT", "NEED_TO_CREATE_THREADS",
    "CANT_LOCK", "ATTRIBUTE_READ_ONLY", "ATTRIBUTE_SENSITIVE", "ATTRIBUTE_TYPE_INVALID", "ATTRIBUTE_VALUE_INVALID",
    "DEVICE_ERROR", "FUNCTION_NOT_PARALLEL", "KEY_NOT_NEEDED", "KEY_CHANGED", "KEY_NEEDED",
    "KEY_INDIGESTIBLE", "KEY_NOT_WRAPPABLE", "KEY_UNEXTRACTABLE", "OPERATION_NOT_INITIALIZED", "SESSION_COUNT",
    "SESSION_PARALLEL_NOT_SUPPORTED", "SESSION_EXISTS", "SESSION_READ_ONLY_EXISTS",
    "SESSION_READ_WRITE_SO_EXISTS", "SIGNATURE_INVALID", "SIGNATURE_LEN_RANGE", "TEMPLATE_INCOMPLETE",
    "TEMPLATE_INCONSISTENT", "UNWRAPPING_KEY_SIZE_RANGE", "USER_ALREADY_LOGGED_IN",
    "USER_TYPE_INVALID", "USER_ANOTHER_ALREADY_LOGGED_IN", "USER_TOO_MANY_TYPES", "WRAPPING_KEY_HANDLE_INVALID",
    "WRAPPING_KEY_SIZE_RANGE", "WRAPPING_KEY_TYPE_INCONSISTENT", "RANDOM_SEED_NOT_SUPPORTED",
    "DOMAIN_PARAMS_INVALID", "BUFFER_TOO_SMALL", "SAVED_STATE_INVALID", "INFORMATION_SENSITIVE", "STATE_UNSAVEABLE",
    "CRYPTOKI_ALREADY_INITIALIZED", "MUTEX_BAD", "MUTEX_NOT_LOCKED", "NEW_PIN_MODE", "NEXT_OTP",
    "EXCEEDED_MAX_ITERATIONS", "FIPS_SELF_TEST_FAILED", "LIBRARY_LOAD_FAILED",
    "OPERATION_CANCEL_FAILED", "KEY_EXHAUSTED",
}  # fmt: skip
SPELLINGS = {
    "AnotherUserAlreadyLoggedIn": "USER_ANOTHER_ALREADY_LOGGED_IN", "FunctionCancelled": "FUNCTION_CANCELED",
    "RandomNoRNG": "RANDOM_NO_RNG", "SessionReadWriteSOExists": "SESSION_READ_WRITE_SO_EXISTS",
    "SlotIDInvalid": "SLOT_ID_INVALID", "TokenNotRecognised": "TOKEN_NOT_RECOGNIZED",
}  # fmt: skip


def test_every_value_has_a_meaning_or_stands_here_as_a_plain_failure() -> None:
    named = {ckr_name(rv) for rv in ALL_NUMBERS if "0x" not in ckr_name(rv)} - {"CKR_OK"}
    plain = {name for name in named if type(translated(number(name.removeprefix("CKR_")))) is errors.TokenFailure}
    assert plain == {f"CKR_{name}" for name in PLAIN}


def test_every_value_that_python_pkcs11_knows_has_its_name_here() -> None:
    known = {ckr_name(rv) for rv in ALL_NUMBERS}
    classes = [name for name, one in vars(pkcs11.exceptions).items() if isinstance(one, type)]
    own = {"PKCS11Error", "MultipleObjectsReturned", "MultipleTokensReturned", "NoSuchKey", "NoSuchToken"}
    words = {SPELLINGS.get(name, re.sub("(?<!^)(?=[A-Z])", "_", name).upper()) for name in classes if name not in own}
    assert {f"CKR_{word}" for word in words} <= known
