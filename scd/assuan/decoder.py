"""Octets from a client become events: the one place that reads Assuan lines."""

from __future__ import annotations

from scd.assuan.events import BadLine, Cancel, Command, Data, End, Event
from scd.assuan.gpgerror import GpgErr

LINE_LIMIT = 1000
"""Octets in a line, its CR LF not counted (libassuan's ASSUAN_LINELENGTH of 1002 less these two)."""

# TAB is white space to libassuan, and gpg sends DEL raw in SETATTR values: neither is refused.
_CONTROLS = bytes(set(range(0x20)) - {0x09})
_NIBBLES = b"0123456789abcdefABCDEF"
_OCTETS = {bytes((high, low)): bytes((int(bytes((high, low)), 16),)) for high in _NIBBLES for low in _NIBBLES}
_ANSWERS: dict[bytes, Event] = {b"END": End(), b"CAN": Cancel(), b"CANCEL": Cancel()}

_TOO_LONG = BadLine(GpgErr.ASS_LINE_TOO_LONG, "line too long")
_DATA_TOO_LONG = BadLine(GpgErr.ASS_LINE_TOO_LONG, "line too long", in_data=True)
_INCOMPLETE = BadLine(GpgErr.ASS_INCOMPLETE_LINE, "last line without line feed")
_LEADING_BLANK = BadLine(GpgErr.ASS_SYNTAX, "leading white-space")
_CONTROL = BadLine(GpgErr.ASS_SYNTAX, "control character in a command line")
_BAD_ESCAPE = BadLine(GpgErr.ASS_SYNTAX, "bad percent escape in a data line", in_data=True)


class Decoder:
    """One client's octets in, events out; it does no I/O and never raises. Octets may be cut anywhere.

    Empty lines and comments (`#` in the first column) give no event. A line over `limit` octets gives one
    BadLine as soon as that is known and is then skipped; between two calls it keeps at most `limit` + 1.
    """

    __slots__ = ("_limit", "_pending", "_skipping")

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        """`limit` is in octets, a line's CR LF not counted."""
        self._limit = limit
        self._pending = b""
        self._skipping = False

    def feed(self, octets: bytes) -> list[Event]:
        """The events of all lines completed by these octets, in order."""
        lines = octets.split(b"\n")
        tail = lines.pop()
        events: list[Event] = []
        for line in lines:
            self._complete(line, events)
        self._begin(tail, events)
        return events

    def finish(self) -> list[Event]:
        """The end of input: a BadLine for a last line without LF, else nothing. The decoder is new again."""
        incomplete = bool(self._pending)
        self._pending, self._skipping = b"", False
        return [_INCOMPLETE] if incomplete else []

    def _complete(self, line: bytes, events: list[Event]) -> None:
        """Take the octets up to an LF."""
        if self._skipping:
            self._skipping = False
            return
        if self._pending:
            line, self._pending = self._pending + line, b""
        if line[-1:] == b"\r":
            line = line[:-1]
        event = _too_long(line) if len(line) > self._limit else _event(line)
        if event is not None:
            events.append(event)

    def _begin(self, tail: bytes, events: list[Event]) -> None:
        """Keep the octets of a line whose LF has not come yet."""
        if self._skipping or not tail:
            return
        pending = self._pending + tail
        # One octet more may be the CR, which does not count.
        if len(pending) - (pending[-1:] == b"\r") > self._limit:
            events.append(_too_long(pending))
            pending, self._skipping = b"", True
        self._pending = pending


def _too_long(line: bytes) -> BadLine:
    return _DATA_TOO_LONG if _is_data(line) else _TOO_LONG


def _is_data(line: bytes) -> bool:
    return line[:2] in (b"D ", b"d ", b"D", b"d")


def _event(line: bytes) -> Event | None:
    """What one whole line says; None for an empty line and a comment."""
    first = line[:1]
    if not first or first == b"#":
        return None
    if _is_data(line):
        return _data(line[2:])
    if first in (b" ", b"\t"):
        return _LEADING_BLANK
    if len(line.translate(None, _CONTROLS)) != len(line):
        return _CONTROL
    word, _, args = line.partition(b" ")
    if b"\t" in word:
        word, _, args = line.partition(b"\t")
    name = word.upper()
    return _ANSWERS.get(name) or Command(name.decode("ascii", "backslashreplace"), args)


def _data(escaped: bytes) -> Event:
    """The data of a D line; libassuan escapes only %, CR and LF, but any octet may come escaped."""
    literal, *escapes = escaped.split(b"%")
    pieces = [literal]
    for piece in escapes:
        octet = _OCTETS.get(piece[:2])
        if octet is None:
            return _BAD_ESCAPE
        pieces += (octet, piece[2:])
    return Data(b"".join(pieces))
