"""What a client can say, one frozen value a line. No repr shows contents: they may be a PIN or plaintext."""

from __future__ import annotations

from dataclasses import dataclass, field

from scd.assuan.gpgerror import GpgErr


@dataclass(frozen=True, slots=True)
class Command:
    """A command line. `name` is upper case; `args` is all behind the first blank, undecoded, no CR LF."""

    name: str
    args: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Data:
    """One D line of an answer to an INQUIRE, percent-unescaped. An answer may be split anywhere."""

    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class End:
    """The END that completes the answer to an INQUIRE."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """The CAN (or CANCEL) with which a client refuses an INQUIRE."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is none of the others. `reason` says why and never quotes the line.

    `in_data`: it began as a data line, and so is part of an answer to an INQUIRE.
    """

    code: GpgErr
    reason: str
    in_data: bool = False


Event = Command | Data | End | Cancel | BadLine
