"""libgpg-error's codes that a card daemon answers with, their wording, and their number on the wire."""

from __future__ import annotations

from enum import IntEnum

_SOURCE_SCD = 6 << 24


class GpgErr(IntEnum):
    """A libgpg-error code without its source; `text` is libgpg-error's own wording.

    Codes from 32768 up are libgpg-error's numbers for system errors, not errno values. Numbers and words are
    those of libgpg-error 1.46.
    """

    text: str

    def __new__(cls, code: int, text: str = "") -> GpgErr:
        """Make a member. The default is for type checkers: `GpgErr(87)` is a look-up and never comes here."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.text = text
        return member

    GENERAL = 1, "General error"
    NO_SECKEY = 17, "No secret key"
    NOT_FOUND = 27, "Not found"
    BAD_CERT = 36, "Bad certificate"
    INV_VALUE = 55, "Invalid value"
    NO_DATA = 58, "No data"
    NOT_SUPPORTED = 60, "Not supported"
    TIMEOUT = 62, "Timeout"
    INTERNAL = 63, "Internal error"
    TOO_LARGE = 67, "Provided object is too large"
    NOT_IMPLEMENTED = 69, "Not implemented"
    INV_HANDLE = 73, "Invalid handle"
    INV_DATA = 79, "Invalid data"
    UNSUPPORTED_ALGORITHM = 84, "Unsupported algorithm"
    BAD_PIN = 87, "Bad PIN"
    INV_NAME = 88, "Invalid name"
    CANCELED = 99, "Operation cancelled"
    CARD = 108, "Card error"
    CARD_RESET = 109, "Card reset required"
    CARD_REMOVED = 110, "Card removed"
    CARD_NOT_PRESENT = 112, "Card not present"
    CONFIGURATION = 115, "Configuration error"
    INV_ID = 118, "Invalid ID"
    CARD_NOT_INITIALIZED = 123, "Card not initialized"
    UNSUPPORTED_OPERATION = 124, "Unsupported operation"
    WRONG_KEY_USAGE = 125, "Wrong key usage"
    MISSING_VALUE = 128, "Missing value"
    PIN_BLOCKED = 130, "PIN blocked"
    USE_CONDITIONS = 131, "Conditions of use not satisfied"
    UNKNOWN_ALGORITHM = 149, "Unknown algorithm"
    INV_STATE = 156, "Invalid state"
    INV_TIME = 161, "Invalid time"
    NOT_LOCKED = 167, "Not locked"
    LOCKED = 173, "Locked"
    NOT_OPERATIONAL = 176, "Not operational"
    NO_PIN = 178, "No PIN given"
    FALSE = 256, "False"
    ASS_INCOMPLETE_LINE = 262, "Incomplete line passed to IPC"
    ASS_LINE_TOO_LONG = 263, "Line passed to IPC too long"
    ASS_UNEXPECTED_CMD = 274, "Unexpected IPC command"
    ASS_UNKNOWN_CMD = 275, "Unknown IPC command"
    ASS_SYNTAX = 276, "IPC syntax error"
    ASS_PARAMETER = 280, "IPC parameter error"
    EACCES = 32769, "Permission denied"
    EEXIST = 32803, "File exists"
    EIO = 32817, "Input/output error"
    ENODEV = 32848, "No such device"
    ENOSPC = 32859, "No space left on device"


def wire_code(code: GpgErr) -> int:
    """The number an ERR line carries: the code with scdaemon's error source (6) in the bits from 24 up."""
    return _SOURCE_SCD | code
