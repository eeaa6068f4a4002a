"""What the printing modes print, made from the table; each text ends with its newline."""

from __future__ import annotations

from scd import __version__
from scd.config.debug import DebugFlag
from scd.config.options import PROVIDERS_SECTION, SECTIONS, Kind, Option, Role

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scd.config.settings import Settings

# gpgconf's words (tools/gpgconf-comp.c; protocol seen with GnuPG 2.2.40's --dump-option-table).
_COMMAND, _CONFFILE, _HEADER = 128, 256, 512
_HAS_DEFAULT = 16
_TYPE_OF_KIND = {Kind.FLAG: 0, Kind.NUMBER: 1, Kind.UID: 1, Kind.COUNT: 1, Kind.PIN_CACHE: 1}
_STRING = 2
_NUMBERS_BEGIN = 500
_CONFFILE_OPTIONS = ("options", "no-options")


def version_text(libraries: tuple[str, ...] = ()) -> str:
    """Program and version as GnuPG shows them, then a line for each library, like `asn1crypto 1.5.1`."""
    return "\n".join((f"scd (PKCS#11 smart-card daemon for GnuPG) {__version__}", *libraries, "License: MIT", ""))


def help_text(program: str = "scd") -> str:
    """The usage and every option with a description."""
    blocks = [
        f"Usage: {program} [options] [command [args]]",
        "Smart-card daemon for GnuPG with PKCS#11 modules",
        "",
    ]
    for section in (*SECTIONS, PROVIDERS_SECTION):
        rows = [_help_row(option) for option in section.options if option.description != "@"]
        width = max(len(left) for left, _ in rows)
        blocks += [f"{section.title}:", *(f"{left:<{width}}   {text}" for left, text in rows), ""]
    return "\n".join(blocks)


def dump_options() -> str:
    """One `--name` a line, for shell completion; the provider-NAME-… options have no fixed names."""
    options = (option for section in SECTIONS for option in section.options if option.role is not Role.FILE)
    return "".join(f"--{option.name}\n" for option in options)


def dump_option_table() -> str:
    """`name:number:flags:description:` a line, as gpgconf reads it; the groups are lines with flag 512."""
    lines = []
    number = _NUMBERS_BEGIN
    for section in SECTIONS:
        if section.name:
            lines.append(f"{section.name}:1:{_HEADER}:{_escaped(section.title)}:")
        for option in section.options:
            number += 1
            short = ord(option.short) if option.short else number
            lines.append(f"{option.name}:{short}:{_flags(option)}:{_escaped(_description(option))}:")
    return "\n".join((*lines, ""))


def gpgconf_list(settings: Settings) -> str:
    """`name:16:"value:` a line for every option with a default; first the option file, as in GnuPG 2.2."""
    file = settings.file or f"{settings.home}/scd.conf"
    lines = [f'gpgconf-scdaemon.conf:{_HAS_DEFAULT}:"{_escaped(file)}:']
    for section in SECTIONS:
        for option in section.options:
            if option.default:
                quote = '"' if _type(option) == _STRING else ""
                lines.append(f"{option.name}:{_HAS_DEFAULT}:{quote}{_escaped(option.default)}:")
    return "\n".join((*lines, ""))


def debug_help() -> str:
    """The debug flags with their numbers, in the form of `--debug help` of GnuPG."""
    rows = (f" {flag.value:5} {flag.name.lower()}\n" for flag in DebugFlag if flag.name)
    return "available debug flags:\n" + "".join(rows)


def _help_row(option: Option) -> tuple[str, str]:
    value, text = "", option.description
    if text.startswith("|"):
        value, _, text = text[1:].partition("|")
    name = f"provider-NAME-{option.name}" if option.role is Role.PROVIDER else option.name
    dashes = "  " if option.role is Role.FILE else "--"
    short = f"-{option.short}, " if option.short else "    "
    return f" {short}{dashes}{name} {value}".rstrip(), text


def _description(option: Option) -> str:
    return "@" if option.role in (Role.COMMAND, Role.IGNORED) else option.description


def _type(option: Option) -> int:
    return _TYPE_OF_KIND.get(option.kind, _STRING)


def _flags(option: Option) -> int:
    command = _COMMAND if option.role is Role.COMMAND else 0
    conffile = _CONFFILE if option.name in _CONFFILE_OPTIONS else 0
    return _type(option) | command | conffile


def _escaped(text: str) -> str:
    """gpgconf's percent escapes of what has a meaning in its lines; control characters too."""
    return "".join(f"%{ord(char):02X}" if char in "%:" or ord(char) < 32 else char for char in text)
