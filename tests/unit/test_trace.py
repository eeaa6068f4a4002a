"""The trace of Assuan lines: its form, and what it must never show."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scd.assuan import lines
from scd.config import DebugFlag, Settings
from scd.logs import set_up
from scd.trace import TRACE, AssuanTrace, redact

SECRET = b"314159"
LINE_ENDS_OF_TEXT = "\v\f\x1c\x1d\x1e\x85\u2028\u2029".encode()


class Kept(logging.Handler):
    """A handler of records: what was logged, a line each."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def traced(level: int = logging.DEBUG) -> Iterator[Kept]:
    """The trace switched on, and what it says."""
    logger, kept = logging.getLogger(TRACE), Kept()
    before = logger.level
    logger.setLevel(level)
    logger.addHandler(kept)
    try:
        yield kept
    finally:
        logger.removeHandler(kept)
        logger.setLevel(before)


def test_the_trace_has_the_form_of_libassuan() -> None:
    with traced() as kept:
        AssuanTrace(7).came(b"GETINFO version")
        AssuanTrace(7).left(b"S SERIALNO 00\nOK\n")
    assert kept.lines == ["chan_7 <- GETINFO version", "chan_7 -> S SERIALNO 00", "chan_7 -> OK"]


@pytest.mark.parametrize("debug", [DebugFlag(0), DebugFlag.CARDIO | DebugFlag.APP])
def test_the_trace_needs_debug_ipc_and_not_just_verbosity(debug: DebugFlag) -> None:
    logger, root = logging.getLogger(TRACE), logging.getLogger()
    handlers = list(root.handlers)
    try:
        set_up(Settings(home="/h", verbosity=9, debug=debug))
        assert not AssuanTrace(1).active
        set_up(Settings(home="/h", verbosity=1, debug=debug | DebugFlag.IPC))
        assert AssuanTrace(1).active
    finally:
        root.handlers[:] = handlers
        logger.setLevel(logging.NOTSET)
        logging.getLogger("scd").setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"D " + SECRET, b"D [6 octets]"),
        (b"SETDATA " + SECRET, b"SETDATA [6 octets]"),
        (b"setdata --append " + SECRET, b"setdata [15 octets]"),
        (b"APDU " + SECRET, b"APDU [6 octets]"),
        (b"SETATTR X " + SECRET, b"SETATTR [8 octets]"),
        (b"S PINCACHE_PUT 0/x " + SECRET, b"S PINCACHE_PUT [10 octets]"),
        (b"S PRIVATE-DO-3 " + SECRET, b"S PRIVATE-DO-3 [6 octets]"),
        (b"END", b"END"),
        (b"DISCONNECT now", b"DISCONNECT now"),
        (b"S SERIALNO 00", b"S SERIALNO 00"),
    ],
)
def test_data_and_what_may_be_secret_is_counted_not_shown(line: bytes, shown: bytes) -> None:
    assert redact(line) == shown


@given(st.binary(max_size=3000))
@example(LINE_ENDS_OF_TEXT + SECRET)
@example(b"\nD x\r\n" + SECRET)
def test_of_data_the_trace_shows_the_length_alone(octets: bytes) -> None:
    """The lines for these octets are those for as many others that are escaped in the same way."""
    others = bytes(octet if octet in b"%\r\n" else ord("x") for octet in octets)
    with traced() as kept:
        AssuanTrace(1).left(lines.data(octets) + lines.ok())
    with traced() as expected:
        AssuanTrace(1).left(lines.data(others) + lines.ok())
    assert kept.lines == expected.lines
