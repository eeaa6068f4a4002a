"""The debug flags: scdaemon's names and numbers (scd/scdaemon.h, GnuPG 2.2 to 2.5)."""

from __future__ import annotations

from enum import IntFlag


class DebugFlag(IntFlag):
    """What `debug` switches on; the values are those of GnuPG, and 8 and 256 are not used there."""

    APP = 1
    MPI = 2
    CRYPTO = 4
    CARD = 16
    MEMORY = 32
    CACHE = 64
    MEMSTAT = 128
    HASHING = 512
    IPC = 1024
    CARDIO = 2048
    READER = 4096


NOTHING = DebugFlag(0)
EVERYTHING = DebugFlag(sum(DebugFlag))
FLAG_NAMES = {flag.name.lower(): flag for flag in DebugFlag if flag.name}

HELP_WORDS = ("?", "help")

# scdaemon's set_debug(): the name, the highest number with the same meaning, what is on.
_LEVELS = (
    ("none", 0, NOTHING),
    ("basic", 2, DebugFlag.IPC),
    ("advanced", 5, DebugFlag.IPC),
    ("expert", 8, DebugFlag.IPC | DebugFlag.CACHE | DebugFlag.CARDIO),
)


def add_flags(flags: DebugFlag, text: str) -> tuple[DebugFlag, list[str]]:
    """The flags after one `debug TEXT`, and the names in it that nobody knows.

    TEXT is a number (decimal, 0x… or 0…) or a list of names with commas; `none` clears what was set before,
    `all` sets everything. GnuPG skips unknown names with a notice. ValueError: a malformed number.
    """
    words = text.replace(",", " ").split()
    if text.strip()[:1].isdigit() or text.strip()[:1] == "-":
        return flags | DebugFlag(_number(text.strip()) & EVERYTHING), []
    unknown = []
    for word in words:
        if word == "none":
            flags = NOTHING
        elif word == "all":
            flags = EVERYTHING
        elif word in FLAG_NAMES:
            flags |= FLAG_NAMES[word]
        else:
            unknown.append(word)
    return flags, unknown


def level_flags(text: str) -> DebugFlag:
    """The flags of one `debug-level TEXT`, a name or a number; they replace whatever was set.

    From 9 on everything is on but `hashing`, which only the word `guru` adds. ValueError: neither.
    """
    if text.isascii() and text.isdigit() and len(text) < 10:
        number = int(text)
        return next((flags for _, highest, flags in _LEVELS if number <= highest), EVERYTHING & ~DebugFlag.HASHING)
    if text == "guru":
        return EVERYTHING
    for name, _, flags in _LEVELS:
        if text == name:
            return flags
    raise ValueError("a level is none, basic, advanced, expert, guru or a number from 0 to 9")


def _number(text: str) -> int:
    """A C number: 0x1F, 037 or 31; at most 32 bits."""
    digits = text.lower()
    base = 16 if digits.startswith("0x") else 8 if digits.startswith("0") and len(digits) > 1 else 10
    try:
        number = int(digits, base) if digits.isascii() and digits.isalnum() else -1
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 32:
        raise ValueError("debug flags are names (see --debug help) or one number of at most 32 bits")
    return number
