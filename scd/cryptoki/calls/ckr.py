"""CKR return values: their names, and the one table that turns them into the domain's errors."""

from __future__ import annotations

from scd.token import errors
from scd.token.errors import TokenError

# PKCS#11 v3.1, pkcs11t.h. Values a client can meet; unknown ones are shown as numbers.
_NAMES = {
    0x000: "OK", 0x001: "CANCEL", 0x002: "HOST_MEMORY", 0x003: "SLOT_ID_INVALID", 0x005: "GENERAL_ERROR",
    0x006: "FUNCTION_FAILED", 0x007: "ARGUMENTS_BAD", 0x008: "NO_EVENT", 0x009: "NEED_TO_CREATE_THREADS",
    0x00A: "CANT_LOCK", 0x010: "ATTRIBUTE_READ_ONLY", 0x011: "ATTRIBUTE_SENSITIVE", 0x012: "ATTRIBUTE_TYPE_INVALID",
    0x013: "ATTRIBUTE_VALUE_INVALID", 0x01B: "ACTION_PROHIBITED", 0x020: "DATA_INVALID", 0x021: "DATA_LEN_RANGE",
    0x030: "DEVICE_ERROR", 0x031: "DEVICE_MEMORY", 0x032: "DEVICE_REMOVED", 0x040: "ENCRYPTED_DATA_INVALID",
    0x041: "ENCRYPTED_DATA_LEN_RANGE", 0x050: "FUNCTION_CANCELED", 0x051: "FUNCTION_NOT_PARALLEL",
    0x054: "FUNCTION_NOT_SUPPORTED", 0x060: "KEY_HANDLE_INVALID", 0x062: "KEY_SIZE_RANGE",
    0x063: "KEY_TYPE_INCONSISTENT", 0x064: "KEY_NOT_NEEDED", 0x065: "KEY_CHANGED", 0x066: "KEY_NEEDED",
    0x067: "KEY_INDIGESTIBLE", 0x068: "KEY_FUNCTION_NOT_PERMITTED", 0x069: "KEY_NOT_WRAPPABLE",
    0x06A: "KEY_UNEXTRACTABLE", 0x070: "MECHANISM_INVALID", 0x071: "MECHANISM_PARAM_INVALID",
    0x082: "OBJECT_HANDLE_INVALID", 0x090: "OPERATION_ACTIVE", 0x091: "OPERATION_NOT_INITIALIZED",
    0x0A0: "PIN_INCORRECT", 0x0A1: "PIN_INVALID", 0x0A2: "PIN_LEN_RANGE", 0x0A3: "PIN_EXPIRED", 0x0A4: "PIN_LOCKED",
    0x0B0: "SESSION_CLOSED", 0x0B1: "SESSION_COUNT", 0x0B3: "SESSION_HANDLE_INVALID",
    0x0B4: "SESSION_PARALLEL_NOT_SUPPORTED", 0x0B5: "SESSION_READ_ONLY", 0x0B6: "SESSION_EXISTS",
    0x0B7: "SESSION_READ_ONLY_EXISTS", 0x0B8: "SESSION_READ_WRITE_SO_EXISTS", 0x0C0: "SIGNATURE_INVALID",
    0x0C1: "SIGNATURE_LEN_RANGE", 0x0D0: "TEMPLATE_INCOMPLETE", 0x0D1: "TEMPLATE_INCONSISTENT",
    0x0E0: "TOKEN_NOT_PRESENT", 0x0E1: "TOKEN_NOT_RECOGNIZED", 0x0E2: "TOKEN_WRITE_PROTECTED",
    0x0F0: "UNWRAPPING_KEY_HANDLE_INVALID", 0x0F1: "UNWRAPPING_KEY_SIZE_RANGE",
    0x0F2: "UNWRAPPING_KEY_TYPE_INCONSISTENT", 0x100: "USER_ALREADY_LOGGED_IN", 0x101: "USER_NOT_LOGGED_IN",
    0x102: "USER_PIN_NOT_INITIALIZED", 0x103: "USER_TYPE_INVALID", 0x104: "USER_ANOTHER_ALREADY_LOGGED_IN",
    0x105: "USER_TOO_MANY_TYPES", 0x110: "WRAPPED_KEY_INVALID", 0x112: "WRAPPED_KEY_LEN_RANGE",
    0x113: "WRAPPING_KEY_HANDLE_INVALID", 0x114: "WRAPPING_KEY_SIZE_RANGE", 0x115: "WRAPPING_KEY_TYPE_INCONSISTENT",
    0x120: "RANDOM_SEED_NOT_SUPPORTED", 0x121: "RANDOM_NO_RNG", 0x130: "DOMAIN_PARAMS_INVALID",
    0x140: "CURVE_NOT_SUPPORTED", 0x150: "BUFFER_TOO_SMALL", 0x160: "SAVED_STATE_INVALID",
    0x170: "INFORMATION_SENSITIVE", 0x180: "STATE_UNSAVEABLE", 0x190: "CRYPTOKI_NOT_INITIALIZED",
    0x191: "CRYPTOKI_ALREADY_INITIALIZED", 0x1A0: "MUTEX_BAD", 0x1A1: "MUTEX_NOT_LOCKED", 0x1B0: "NEW_PIN_MODE",
    0x1B1: "NEXT_OTP", 0x1B5: "EXCEEDED_MAX_ITERATIONS", 0x1B6: "FIPS_SELF_TEST_FAILED", 0x1B7: "LIBRARY_LOAD_FAILED",
    0x1B8: "PIN_TOO_WEAK", 0x1B9: "PUBLIC_KEY_INVALID", 0x200: "FUNCTION_REJECTED", 0x201: "TOKEN_RESOURCE_EXCEEDED",
    0x202: "OPERATION_CANCEL_FAILED", 0x203: "KEY_EXHAUSTED",
}  # fmt: skip

# What each means to the daemon. Not listed: TokenFailure, which keeps the name.
_ERRORS: dict[str, type[TokenError]] = {
    "CANCEL": errors.Canceled,
    "FUNCTION_CANCELED": errors.Canceled,
    "FUNCTION_REJECTED": errors.Canceled,
    "PIN_INCORRECT": errors.PinIncorrect,
    "PIN_INVALID": errors.PinIncorrect,
    "PIN_LEN_RANGE": errors.PinLengthInvalid,
    "PIN_LOCKED": errors.PinBlocked,
    "PIN_EXPIRED": errors.PinNotSet,
    "USER_PIN_NOT_INITIALIZED": errors.PinNotSet,
    "USER_NOT_LOGGED_IN": errors.PinRequired,
    "TOKEN_NOT_PRESENT": errors.TokenNotPresent,
    "TOKEN_NOT_RECOGNIZED": errors.TokenNotPresent,
    "SLOT_ID_INVALID": errors.TokenNotPresent,
    "DEVICE_REMOVED": errors.TokenRemoved,
    "SESSION_CLOSED": errors.SessionLost,
    "SESSION_HANDLE_INVALID": errors.SessionLost,
    "OBJECT_HANDLE_INVALID": errors.SessionLost,
    "KEY_HANDLE_INVALID": errors.SessionLost,
    "UNWRAPPING_KEY_HANDLE_INVALID": errors.SessionLost,
    "OPERATION_ACTIVE": errors.SessionLost,
    "CRYPTOKI_NOT_INITIALIZED": errors.SessionLost,
    "KEY_FUNCTION_NOT_PERMITTED": errors.WrongKeyUsage,
    "KEY_TYPE_INCONSISTENT": errors.WrongKeyUsage,
    "UNWRAPPING_KEY_TYPE_INCONSISTENT": errors.WrongKeyUsage,
    "ACTION_PROHIBITED": errors.WrongKeyUsage,
    "MECHANISM_INVALID": errors.UnsupportedAlgorithm,
    "MECHANISM_PARAM_INVALID": errors.UnsupportedAlgorithm,
    "CURVE_NOT_SUPPORTED": errors.UnsupportedAlgorithm,
    "KEY_SIZE_RANGE": errors.UnsupportedAlgorithm,
    "FUNCTION_NOT_SUPPORTED": errors.NotSupported,
    "DATA_INVALID": errors.InvalidData,
    "DATA_LEN_RANGE": errors.InvalidData,
    "ENCRYPTED_DATA_INVALID": errors.InvalidData,
    "ENCRYPTED_DATA_LEN_RANGE": errors.InvalidData,
    "WRAPPED_KEY_INVALID": errors.InvalidData,
    "WRAPPED_KEY_LEN_RANGE": errors.InvalidData,
    "PUBLIC_KEY_INVALID": errors.InvalidData,
    "SESSION_READ_ONLY": errors.TokenReadOnly,
    "TOKEN_WRITE_PROTECTED": errors.TokenReadOnly,
    "DEVICE_MEMORY": errors.TokenFull,
    "TOKEN_RESOURCE_EXCEEDED": errors.TokenFull,
    "RANDOM_NO_RNG": errors.NotSupported,
    "PIN_TOO_WEAK": errors.PinUnsuitable,
}
# A new PIN that was refused is not a wrong one.
_NEW_PIN: dict[str, type[TokenError]] = {"PIN_INVALID": errors.PinUnsuitable}
_SETS_A_PIN = ("C_SetPIN", "C_InitPIN")
# What other functions say of a PIN is not believed: nobody gave them one.
_TAKES_A_PIN = ("C_Login", *_SETS_A_PIN)
_OF_A_PIN = (errors.PinIncorrect, errors.PinLengthInvalid)
# SoftHSM 2.6.1 has nothing else to say of a full disk and of a folder that cannot be written to.
_WRITES = ("C_CreateObject", "C_GenerateKeyPair", "C_SetAttributeValue", "C_DestroyObject")
_NO_ROOM = "; the token may be full, or not to be written to"

_BY_NAME = {name: value for value, name in _NAMES.items()}
OK = 0
NO_EVENT = _BY_NAME["NO_EVENT"]
BUFFER_TOO_SMALL = _BY_NAME["BUFFER_TOO_SMALL"]
SOME_MISSING = frozenset({_BY_NAME["ATTRIBUTE_TYPE_INVALID"], _BY_NAME["ATTRIBUTE_SENSITIVE"]})
ATTRIBUTE_SENSITIVE = _BY_NAME["ATTRIBUTE_SENSITIVE"]
ARGUMENTS_BAD = _BY_NAME["ARGUMENTS_BAD"]
CANT_LOCK = _BY_NAME["CANT_LOCK"]
FUNCTION_NOT_SUPPORTED = _BY_NAME["FUNCTION_NOT_SUPPORTED"]
OBJECT_HANDLE_INVALID = _BY_NAME["OBJECT_HANDLE_INVALID"]
CRYPTOKI_ALREADY_INITIALIZED = _BY_NAME["CRYPTOKI_ALREADY_INITIALIZED"]
USER_ALREADY_LOGGED_IN = _BY_NAME["USER_ALREADY_LOGGED_IN"]
OPERATION_NOT_INITIALIZED = _BY_NAME["OPERATION_NOT_INITIALIZED"]
USER_NOT_LOGGED_IN = _BY_NAME["USER_NOT_LOGGED_IN"]
USER_TYPE_INVALID = _BY_NAME["USER_TYPE_INVALID"]
PIN_EXPIRED = _BY_NAME["PIN_EXPIRED"]
PIN_INVALID = _BY_NAME["PIN_INVALID"]

_STALE_OBJECT = frozenset(
    _BY_NAME[name]
    for name in (
        "OBJECT_HANDLE_INVALID",
        "SESSION_HANDLE_INVALID",
        "SESSION_CLOSED",
        "DEVICE_REMOVED",
        "TOKEN_NOT_PRESENT",
        "CRYPTOKI_NOT_INITIALIZED",
    )
)
_BROKEN_MODULE = frozenset(
    _BY_NAME[name] for name in ("DEVICE_ERROR", "GENERAL_ERROR", "FUNCTION_FAILED", "CRYPTOKI_NOT_INITIALIZED")
)
_VAGUE = frozenset(_BY_NAME[name] for name in ("GENERAL_ERROR", "FUNCTION_FAILED"))
# The module said no to this mechanism or function, not to the data: the next rung of a ladder may do.
_NEXT_RUNG = frozenset(
    _BY_NAME[name]
    for name in (
        "MECHANISM_INVALID",
        "MECHANISM_PARAM_INVALID",
        "KEY_FUNCTION_NOT_PERMITTED",
        "KEY_TYPE_INCONSISTENT",
        "FUNCTION_NOT_SUPPORTED",
        "UNWRAPPING_KEY_TYPE_INCONSISTENT",
        "ACTION_PROHIBITED",
        "ARGUMENTS_BAD",
        "TEMPLATE_INCOMPLETE",
        "TEMPLATE_INCONSISTENT",
        "ATTRIBUTE_READ_ONLY",
        "ATTRIBUTE_SENSITIVE",
        "ATTRIBUTE_VALUE_INVALID",
        "ATTRIBUTE_TYPE_INVALID",
        "DOMAIN_PARAMS_INVALID",
        "PUBLIC_KEY_INVALID",
    )
)
# How modules answer a ciphertext that does not decrypt; SoftHSM 2.6.1 has CKR_GENERAL_ERROR for it.
_BAD_CIPHERTEXT = frozenset(
    _BY_NAME[name]
    for name in (
        "GENERAL_ERROR",
        "DATA_INVALID",
        "DATA_LEN_RANGE",
        "ENCRYPTED_DATA_INVALID",
        "ENCRYPTED_DATA_LEN_RANGE",
        "WRAPPED_KEY_INVALID",
        "WRAPPED_KEY_LEN_RANGE",
    )
)


def ckr_name(rv: int) -> str:
    """`CKR_PIN_INCORRECT`, or the number for values unknown here (vendors' own)."""
    name = _NAMES.get(rv)
    return f"CKR_{name}" if name else f"CKR 0x{rv:08X}"


class CkrError(Exception):
    """A call into the module that did not answer CKR_OK."""

    def __init__(self, function: str, rv: int, remark: str = "") -> None:
        super().__init__(f"{function}: {ckr_name(rv)}{remark and '; '}{remark}")
        self.function = function
        self.rv = rv

    @property
    def is_missing_attribute(self) -> bool:
        """The object has no such attribute, or does not show it. Any other error tells nothing of that."""
        return self.rv in SOME_MISSING

    @property
    def is_stale_object(self) -> bool:
        """Session or object are gone, as opposed to an attribute that is not there."""
        return self.rv in _STALE_OBJECT

    @property
    def is_broken_module(self) -> bool:
        """Perhaps the module has lost what is behind it."""
        return self.rv in _BROKEN_MODULE

    @property
    def is_vague(self) -> bool:
        """It may mean anything, a template that the module does not like included."""
        return self.rv in _VAGUE

    @property
    def is_next_rung(self) -> bool:
        """Another mechanism or function may still work."""
        return self.rv in _NEXT_RUNG

    @property
    def is_unsupported(self) -> bool:
        """The module does not like the algorithm, or how it was asked for it: another way may do, nothing happened."""
        return self.is_next_rung or _ERRORS.get(_NAMES.get(self.rv, "")) is errors.UnsupportedAlgorithm

    @property
    def is_missing_function(self) -> bool:
        """The module has no such function."""
        return self.rv == FUNCTION_NOT_SUPPORTED

    @property
    def is_bad_ciphertext(self) -> bool:
        """The data, and not key, login or session, are what C_Decrypt or C_UnwrapKey complain of."""
        return self.rv in _BAD_CIPHERTEXT and self.function in ("C_Decrypt", "C_UnwrapKey")


class Implausible(CkrError):
    """The module said CKR_OK, and with it what cannot be; `what` says what that was."""

    def __init__(self, function: str, what: str) -> None:
        super().__init__(function, OK)
        self.args = (f"{function}: {what}",)


def to_token_error(error: CkrError, about: str, said: str = "") -> TokenError:
    """The domain's error; `about` names the token or key for the message, `said` replaces the error's own words."""
    name = _NAMES.get(error.rv, "")
    kind = _NEW_PIN.get(name) if error.function in _SETS_A_PIN else None
    kind = kind or _ERRORS.get(name, errors.TokenFailure)
    if kind in _OF_A_PIN and error.function not in _TAKES_A_PIN:
        kind = errors.TokenFailure
    return kind(f"{about}: {said or error}{_advice(error)}")


def _advice(error: CkrError) -> str:
    if error.rv == PIN_EXPIRED:
        return "; PASSWD has to change it first"
    return _NO_ROOM if error.is_vague and error.function in _WRITES else ""
