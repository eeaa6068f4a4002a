"""The codes against libgpg-error itself, where it is installed, and against numbers seen from scdaemon."""

from __future__ import annotations

import ctypes

import pytest

from scd.assuan.gpgerror import GpgErr, wire_code

APPENDIX_A = [
    "GENERAL",
    "NO_SECKEY",
    "BAD_KEY",
    "NOT_FOUND",
    "WRONG_PUBKEY_ALGO",
    "INV_VALUE",
    "NO_DATA",
    "NOT_SUPPORTED",
    "TOO_LARGE",
    "TOO_SHORT",
    "NOT_IMPLEMENTED",
    "INV_DATA",
    "UNSUPPORTED_ALGORITHM",
    "BAD_PIN",
    "INV_NAME",
    "CANCELED",
    "CARD",
    "CARD_RESET",
    "CARD_REMOVED",
    "CARD_NOT_PRESENT",
    "INV_ID",
    "NO_SCDAEMON",
    "CARD_NOT_INITIALIZED",
    "UNSUPPORTED_OPERATION",
    "WRONG_KEY_USAGE",
    "PIN_BLOCKED",
    "USE_CONDITIONS",
    "PIN_NOT_SYNCED",
    "LOCKED",
    "NO_PIN",
    "FULLY_CANCELED",
    "OBJ_TERM_STATE",
    "FORBIDDEN",
    "ASS_UNKNOWN_CMD",
    "ASS_PARAMETER",
    "BAD_PUK",
    "NO_RESET_CODE",
    "BAD_RESET_CODE",
    "ENODEV",
]

NEWER_THAN_146 = {GpgErr.BAD_PUK, GpgErr.NO_RESET_CODE, GpgErr.BAD_RESET_CODE}


@pytest.mark.parametrize("name", APPENDIX_A)
def test_every_code_the_protocol_names_is_there(name: str) -> None:
    assert name in GpgErr.__members__


def test_no_name_is_an_alias_of_another() -> None:
    assert len(list(GpgErr)) == len(GpgErr.__members__)


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (GpgErr.NO_DATA, 100663354),
        (GpgErr.CONFLICT, 100663366),
        (GpgErr.INV_NAME, 100663384),
        (GpgErr.CARD, 100663404),
        (GpgErr.INV_ID, 100663414),
        (GpgErr.NOT_LOCKED, 100663463),
        (GpgErr.ASS_PARAMETER, 100663576),
        (GpgErr.ENODEV, 100696144),
    ],
)
def test_wire_code_is_the_number_scdaemon_sends(code: GpgErr, number: int) -> None:
    assert wire_code(code) == number


def test_a_number_gives_its_member_and_text() -> None:
    assert GpgErr(87) is GpgErr.BAD_PIN
    assert GpgErr(87).text == "Bad PIN"


def libgpg_error() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libgpg-error.so.0")
    except OSError:
        pytest.skip("libgpg-error is not installed")
    library.gpg_strerror.restype = ctypes.c_char_p
    return library


@pytest.mark.parametrize("code", set(GpgErr) - NEWER_THAN_146)
def test_text_is_the_library_s_wording_of_that_number(code: GpgErr) -> None:
    assert libgpg_error().gpg_strerror(int(code)).decode() == code.text
