"""The one error of this package, and how it finds the name that was meant."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class ConfigError(Exception):
    """A command line or an option file that cannot be obeyed; the program ends with exit status 2.

    `message` says what is wrong and what would be right. `file` and `line` (from 1) say where; both None for
    the command line, `line` alone None when the file as a whole is meant. `str()` gives GnuPG's form
    `FILE:LINE: text`.
    """

    def __init__(self, message: str, *, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line

    def __str__(self) -> str:
        return placed(self.message, self.file, self.line)


def placed(text: str, file: str | None, line: int | None) -> str:
    """The text behind the place it speaks of, in the form gpgconf reads: `FILE:LINE: text`."""
    if file is None:
        return text
    return f"{file}: {text}" if line is None else f"{file}:{line}: {text}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` with the nearest known name, or nothing when none is near."""
    from difflib import get_close_matches  # 4 ms that only a mistake has to pay

    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
