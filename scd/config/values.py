"""The rules for option values: one function a kind, each raising ValueError with what would be right."""

from __future__ import annotations

from scd.config.debug import HELP_WORDS, NOTHING, add_flags, level_flags
from scd.config.errors import ConfigError
from scd.config.options import Given, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_HEX = frozenset("0123456789abcdefABCDEF")
_MASK_BITS = 15


def number(text: str) -> int:
    """A whole number from 0 up, of nine digits at most."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError("a whole number from 0 to 999999999 is needed")
    return int(text)


def uid(text: str) -> int:
    """A user id: unsigned, of 32 bits, the highest being "nobody at all" (chown(2))."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 2**32 - 1):
        raise ValueError("a user id, a whole number from 0 to 4294967294, is needed")
    return int(text)


def count(text: str) -> int:
    """A whole number from 1 up."""
    value = number(text)
    if value < 1:
        raise ValueError("a whole number from 1 up is needed")
    return value


def pin_cache(text: str) -> int | None:
    """Seconds; None for -1, which means without limit as in gnupg-pkcs11-scd."""
    if text == "-1":
        return None
    try:
        return number(text)
    except ValueError:
        raise ValueError("a whole number of seconds is needed; 0 is none, -1 without limit") from None


def seconds(text: str) -> float:
    """Seconds above 0, a fraction allowed."""
    whole, _, part = text.partition(".")
    if (
        not ((whole + part).isascii() and (whole + part).isdigit() and len(whole) <= 9 and len(part) <= 9)
        or float(text) <= 0
    ):
        raise ValueError("seconds above 0 are needed, for example 30 or 2.5")
    return float(text)


def names(text: str) -> tuple[str, ...]:
    """Names between commas and blanks; empty places are skipped, as gnupg-pkcs11-scd does."""
    found = [word.strip(" \t") for word in text.split(",")]
    found = [name for name in found if name]
    if not found:
        raise ValueError("at least one name is needed, for example: providers softhsm, yubikey")
    for index, name in enumerate(found):
        if not name.isprintable() or any(blank in name for blank in ' \t"='):
            raise ValueError(f"'{name}' is no provider name; separate names by commas, without blanks inside")
        if name in found[:index]:
            raise ValueError(f"'{name}' stands there twice; each provider has a name of its own")
    return tuple(found)


def mask(text: str) -> int:
    """The bits of a hexadecimal number; higher ones than 8 have no meaning and are dropped."""
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    if not digits or not _HEX.issuperset(digits) or len(digits) > 8:
        raise ValueError("a hexadecimal sum of 1 sign, 2 sign-recover, 4 decrypt, 8 unwrap is needed")
    return int(digits, 16) & _MASK_BITS


def keygrip(text: str) -> bytes:
    """The 20 octets of 40 hexadecimal digits."""
    if len(text) != 40 or not _HEX.issuperset(text):
        raise ValueError("a keygrip is 40 hexadecimal digits, without blanks")
    return bytes.fromhex(text)


def serial(text: str) -> tuple[str | None, str]:
    """The token label or None, and the serial number's hexadecimal digits in upper case."""
    left, equals, digits = text.rpartition("=")
    label = unquote(left.strip(" \t")) if equals else None
    digits = digits.strip(" \t")
    if not (2 <= len(digits) <= 32 and len(digits) % 2 == 0 and _HEX.issuperset(digits)) or label == "":
        raise ValueError("SERIAL or LABEL=SERIAL is needed; SERIAL is 8, or an even number up to 32, of hex digits")
    return label, digits.upper()


def workers(text: str) -> int:
    """A number from 1 up, or `cpus` for as many as the machine has."""
    if text == "cpus":
        import os

        return os.cpu_count() or 1
    try:
        return count(text)
    except ValueError:
        raise ValueError("a whole number from 1 up, or the word cpus, is needed") from None


def unquote(text: str) -> str:
    """The text without the pair of double quotes around it, if it has one and no other."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' and text.count('"') == 2 else text


def _debug(text: str) -> None:
    if text.strip() not in HELP_WORDS:
        add_flags(NOTHING, text)


def _log_file(text: str) -> None:
    if text.startswith("tcp://"):
        raise ValueError("logs go to a file or to socket://PATH, not over the network")


CHECKS: dict[Kind, Callable[[str], object]] = {
    Kind.NUMBER: number,
    Kind.UID: uid,
    Kind.COUNT: count,
    Kind.SECONDS: seconds,
    Kind.PIN_CACHE: pin_cache,
    Kind.DEBUG: _debug,
    Kind.DEBUG_LEVEL: level_flags,
    Kind.LOG_FILE: _log_file,
    Kind.NAMES: names,
    Kind.MASK: mask,
    Kind.KEYGRIP: keygrip,
    Kind.SERIAL: serial,
    Kind.WORKERS: workers,
}


def check(given: Given) -> None:
    """Raise ConfigError, with its place, unless the value obeys the rule of its kind."""
    rule = CHECKS.get(given.option.kind)
    try:
        if rule:
            rule(given.value)
    except ValueError as error:
        raise ConfigError(
            f"{given.name}: '{given.value}' will not do: {error}", file=given.file, line=given.line
        ) from None


def ignored(given: Given) -> str:
    """The warning for an option that only stock scdaemon obeys."""
    return f"option '{given.name}' has no effect here: {given.option.remark}"
