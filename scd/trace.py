"""The trace of Assuan lines (`debug ipc`), which never shows a secret.

A line is a line of octets, up to an LF, and what it may show is decided before any octet becomes text: `splitlines`
of a text also ends lines at 0x0B, 0x0C, 0x1C to 0x1E, 0x85, U+2028 and U+2029, all of which stand literally in data.
"""

from __future__ import annotations

import logging

TRACE = "scd.trace"
"""The logger."""

# Command and status lines whose arguments are, or may hold, secrets or data to be signed and decrypted.
_WITHHELD = (b"SETDATA", b"SETATTR", b"APDU", b"S PINCACHE_PUT", *(b"S PRIVATE-DO-%d" % n for n in (1, 2, 3, 4)))


class AssuanTrace:
    """The trace of one connection, in libassuan's form; silent without `debug ipc`."""

    def __init__(self, connection: int) -> None:
        self._connection = connection
        self._log = logging.getLogger(TRACE)

    @property
    def active(self) -> bool:
        """Whether lines are wanted; ask before doing work to make one."""
        return self._log.isEnabledFor(logging.DEBUG)

    def came(self, line: bytes) -> None:
        """A command line from the client, without its LF."""
        self._write("<-", line)

    def came_withheld(self, name: str, octets: int) -> None:
        """A line from the client of which no more than this may be shown."""
        self._write("<-", f"{name} [{octets} octets]".encode())

    def left(self, octets: bytes) -> None:
        """Whole lines that went to the client."""
        for line in octets.removesuffix(b"\n").split(b"\n"):
            self._write("->", line)

    def _write(self, arrow: str, line: bytes) -> None:
        if self.active:
            self._log.debug("chan_%d %s %s", self._connection, arrow, redact(line).decode("utf-8", "backslashreplace"))


def redact(line: bytes) -> bytes:
    """The Assuan line with data and possible secrets replaced by their length; other lines unchanged."""
    if line.startswith(b"D "):
        return b"D [%d octets]" % (len(line) - 2)
    upper = line.upper()
    for name in _WITHHELD:
        if upper.startswith(name + b" "):
            return b"%b [%d octets]" % (line[: len(name)], len(line) - len(name) - 1)
    return line
