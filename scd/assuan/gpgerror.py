"""libgpg-error's codes that a card daemon answers with, their wording, and their number on the wire."""

from __future__ import annotations

from enum import IntEnum

_SOURCE_SCD = 6 << 24


class GpgErr(IntEnum):
    """A libgpg-error code without its source; `text` is libgpg-error's own wording.

    Codes from 32768 up are libgpg-error's numbers for system errors, not errno values. Numbers and words are
    those of libgpg-error 1.46; BAD_PUK, NO_RESET_CODE and BAD_RESET_CODE came later.
    """

    text: str

    def __new__(cls, code: int, text: str = "") -> GpgErr:
        """Make a member. The default is for type checkers: `GpgErr(87)` is a look-up and never comes here."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.text = text
        return member

    GENERAL = 1, "General error"
    PUBKEY_ALGO = 4, "Invalid public key algorithm"
    DIGEST_ALGO = 5, "Invalid digest algorithm"
    NO_PUBKEY = 9, "No public key"
    NO_SECKEY = 17, "No secret key"
    BAD_KEY = 19, "Bad session key"
    NOT_FOUND = 27, "Not found"
    BAD_CERT = 36, "Bad certificate"
    UNEXPECTED = 38, "Unexpected error"
    WRONG_PUBKEY_ALGO = 41, "Wrong public key algorithm"
    INV_ARG = 45, "Invalid argument"
    INV_VALUE = 55, "Invalid value"
    MISSING_CERT = 57, "Missing certificate"
    NO_DATA = 58, "No data"
    NOT_SUPPORTED = 60, "Not supported"
    TIMEOUT = 62, "Timeout"
    INTERNAL = 63, "Internal error"
    TOO_SHORT = 66, "Provided object is too short"
    TOO_LARGE = 67, "Provided object is too large"
    NOT_IMPLEMENTED = 69, "Not implemented"
    CONFLICT = 70, "Conflicting use"
    INV_HANDLE = 73, "Invalid handle"
    INV_RESPONSE = 76, "Invalid response"
    INV_DATA = 79, "Invalid data"
    INV_SEXP = 83, "Invalid S-expression"
    UNSUPPORTED_ALGORITHM = 84, "Unsupported algorithm"
    BAD_PIN = 87, "Bad PIN"
    INV_NAME = 88, "Invalid name"
    BAD_DATA = 89, "Bad data"
    CANCELED = 99, "Operation cancelled"
    AMBIGUOUS_NAME = 107, "Ambiguous name"
    CARD = 108, "Card error"
    CARD_RESET = 109, "Card reset required"
    CARD_REMOVED = 110, "Card removed"
    CARD_NOT_PRESENT = 112, "Card not present"
    NOT_CONFIRMED = 114, "Not confirmed"
    CONFIGURATION = 115, "Configuration error"
    INV_ID = 118, "Invalid ID"
    NO_SCDAEMON = 119, "No SmartCard daemon"
    CARD_NOT_INITIALIZED = 123, "Card not initialized"
    UNSUPPORTED_OPERATION = 124, "Unsupported operation"
    WRONG_KEY_USAGE = 125, "Wrong key usage"
    MISSING_VALUE = 128, "Missing value"
    PIN_BLOCKED = 130, "PIN blocked"
    USE_CONDITIONS = 131, "Conditions of use not satisfied"
    PIN_NOT_SYNCED = 132, "PINs are not synced"
    INV_LENGTH = 139, "Invalid length"
    UNKNOWN_ALGORITHM = 149, "Unknown algorithm"
    INV_STATE = 156, "Invalid state"
    INV_TIME = 161, "Invalid time"
    NOT_LOCKED = 167, "Not locked"
    LOCKED = 173, "Locked"
    UNKNOWN_OPTION = 174, "Unknown option"
    NOT_OPERATIONAL = 176, "Not operational"
    NO_PIN = 178, "No PIN given"
    LIMIT_REACHED = 183, "Limit reached"
    UNKNOWN_CURVE = 188, "Unknown elliptic curve"
    DUP_KEY = 189, "Duplicated key"
    FULLY_CANCELED = 198, "Operation fully cancelled"
    OBJ_TERM_STATE = 225, "Object is in termination state"
    FORBIDDEN = 251, "Forbidden"
    FALSE = 256, "False"
    ASS_GENERAL = 257, "General IPC error"
    ASS_INCOMPLETE_LINE = 262, "Incomplete line passed to IPC"
    ASS_LINE_TOO_LONG = 263, "Line passed to IPC too long"
    ASS_NO_DATA_CB = 265, "No data callback in IPC"
    ASS_TOO_MUCH_DATA = 273, "Too much data for IPC layer"
    ASS_UNEXPECTED_CMD = 274, "Unexpected IPC command"
    ASS_UNKNOWN_CMD = 275, "Unknown IPC command"
    ASS_SYNTAX = 276, "IPC syntax error"
    ASS_CANCELED = 277, "IPC call has been cancelled"
    ASS_PARAMETER = 280, "IPC parameter error"
    ASS_UNKNOWN_INQUIRE = 281, "Unknown IPC inquire"
    BAD_PUK = 320, "Bad PUK"
    NO_RESET_CODE = 321, "No reset code"
    BAD_RESET_CODE = 322, "Bad reset code"
    EACCES = 32769, "Permission denied"
    EEXIST = 32803, "File exists"
    EIO = 32817, "Input/output error"
    ENODEV = 32848, "No such device"
    ENOENT = 32849, "No such file or directory"
    ENOMEM = 32854, "Cannot allocate memory"
    ENOSPC = 32859, "No space left on device"


def wire_code(code: GpgErr) -> int:
    """The number an ERR line carries: the code with scdaemon's error source (6) in the bits from 24 up."""
    return _SOURCE_SCD | code
