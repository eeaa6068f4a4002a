"""The codes against libgpg-error itself, where it is installed, and against numbers seen from scdaemon."""

from __future__ import annotations

import ctypes

import pytest

from scd.assuan.gpgerror import GpgErr, wire_code


def test_no_name_is_an_alias_of_another() -> None:
    assert len(list(GpgErr)) == len(GpgErr.__members__)


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (GpgErr.NO_DATA, 100663354),
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


@pytest.mark.parametrize("code", list(GpgErr))
def test_text_is_the_library_s_wording_of_that_number(code: GpgErr) -> None:
    assert libgpg_error().gpg_strerror(int(code)).decode() == code.text
