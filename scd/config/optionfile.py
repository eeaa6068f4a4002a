"""The reader of option files: GnuPG's format, with what gnupg-pkcs11-scd accepts on top.

A line is `option` or `option value`, blanks around are dropped. Seen with GnuPG 2.2.40 (libgpg-error 1.46):
names are not abbreviated, `#` begins a comment only at the start of a line, a value may stand in double
quotes, a value where none belongs is an error. gnupg-pkcs11-scd cuts every line at its first `#`. So here a
comment begins at the line's start or behind a blank, outside of quotes: both kinds of file read the same but
for a `#` inside a word.
"""

from __future__ import annotations

from scd.config.errors import ConfigError, did_you_mean, placed
from scd.config.options import PROVIDER_PREFIX, Given, Kind, Option, Role, find, near_names
from scd.config.values import check, ignored, unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BLANKS = " \t\r\v\f"
_SIZE_LIMIT = 1 << 20
_BOM = b"\xef\xbb\xbf"


def read_option_file(file: str) -> tuple[list[Given], list[str]]:
    """What the file says, in its order and with every value checked, and the warnings (`FILE:LINE: text`).

    Text is UTF-8; other octets survive as surrogate escapes, so that every path can be written. Raises
    ConfigError.
    """
    return parse_options(_content(file), file)


def read_what_can_be_read(file: str) -> list[Given]:
    """As read_option_file, but each line that cannot be obeyed, or the whole file, is passed over."""
    reader = _Reader(file)
    try:
        content = _content(file)
    except ConfigError:
        return []
    for number, text in _lines(content):
        try:
            reader.line(number, text)
        except ConfigError:
            continue
    return reader.givens


def parse_options(content: bytes, file: str) -> tuple[list[Given], list[str]]:
    """As read_option_file, for octets that are already here."""
    reader = _Reader(file)
    for number, text in _lines(content):
        reader.line(number, text)
    return reader.givens, reader.warnings


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(content.removeprefix(_BOM).split(b"\n"), 1):
        yield number, line.decode("utf-8", "surrogateescape").strip(BLANKS)


def _content(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            content = stream.read(_SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot read this option file: {reason}", file=file) from error
    if len(content) > _SIZE_LIMIT:
        raise ConfigError("an option file of more than 1 MiB cannot be right", file=file)
    return content


class _Reader:
    """The state of one reading: what was found, and which names may be unknown."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.givens: list[Given] = []
        self.warnings: list[str] = []
        self.skip: set[str] = set()
        self.first: dict[str, Given] = {}

    def line(self, number: int, text: str) -> None:
        if not text or text.startswith("#"):
            return
        if "\0" in text:
            raise ConfigError("the line holds a NUL octet; this is no text file", file=self.file, line=number)
        name, value = _split(text)
        name = name.removeprefix("--")
        found = find(name)
        if found is None:
            return self.unknown(name, number)
        option, provider = found
        try:
            given = Given(option, _value(option, value), provider, self.file, number)
        except ValueError as error:
            raise ConfigError(f"{name}: {error}", file=self.file, line=number) from None
        self.accept(given)

    def unknown(self, name: str, number: int) -> None:
        """Raise, unless the file allowed it, or gnupg-pkcs11-scd skips such a line too."""
        if name in self.skip:
            return
        if name.startswith(PROVIDER_PREFIX) and "-" not in name[len(PROVIDER_PREFIX) :]:
            self.warn(number, f"'{name}' says nothing; write it as {name}-library FILE, or take the line out")
            return
        hint = did_you_mean(name, near_names(name)) or "; take the line out ('scd --dump-options' lists what there is)"
        raise ConfigError(f"unknown option '{name}'{hint}", file=self.file, line=number)

    def accept(self, given: Given) -> None:
        role = given.option.role
        if role in (Role.COMMAND, Role.START):
            raise ConfigError(
                f"option '{given.name}' belongs on the command line, not into a file",
                file=given.file,
                line=given.line,
            )
        check(given)
        if given.option.kind is Kind.DEBUG and given.value.strip() in ("?", "help"):
            raise ConfigError("'debug help' belongs on the command line", file=given.file, line=given.line)
        if role is Role.IGNORED:
            self.warn(given.line, ignored(given))
        elif role is Role.FILE:
            self.skip.update(given.value.replace(",", " ").split())
        else:
            self.note_repetition(given)
            self.givens.append(given)

    def note_repetition(self, given: Given) -> None:
        if given.option.repeatable:
            return
        earlier = self.first.setdefault(given.name, given)
        if earlier.value != given.value:
            self.warn(given.line, f"'{given.name}' stands in line {earlier.line} too; this line wins")

    def warn(self, line: int | None, text: str) -> None:
        self.warnings.append(placed(text, self.file, line))


def _split(text: str) -> tuple[str, str]:
    """Name and the rest of the line behind the blanks."""
    for index, char in enumerate(text):
        if char in BLANKS:
            return text[:index], text[index:].lstrip(BLANKS)
    return text, ""


def _value(option: Option, text: str) -> str:
    """The value alone, comment and quotes gone. ValueError: missing, not wanted, or a quote too few."""
    value = text if option.raw else _without_comment(text)
    if option.kind is Kind.FLAG:
        if value:
            raise ValueError(f"takes no value, but '{value}' follows; write the name alone")
        return ""
    if value.startswith('"') and value.count('"') == 1 and not option.raw:
        raise ValueError("the closing double quote is missing")
    value = unquote(value)
    if not value:
        form = option.description[1:].partition("|")[0] if option.description.startswith("|") else "VALUE"
        raise ValueError(f"a value is missing; write it behind the name as {form}")
    return value


def _without_comment(text: str) -> str:
    """The text up to a `#` that stands first or behind a blank, outside of double quotes."""
    if "#" not in text:
        return text
    quoted = False
    for index, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif char == "#" and not quoted and (index == 0 or text[index - 1] in BLANKS):
            return text[:index].rstrip(BLANKS)
    return text
