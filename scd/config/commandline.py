"""The command line, parsed as GnuPG does it (seen with 2.2.40), without the slow import of argparse.

Long options may be shortened as long as they stay unique, the value follows as the next word or behind `=`,
and a value given to an option without one (`--verbose=1`) is dropped. Short ones may be joined (`-vvq`). The
first word that is no option, or `--`, ends the options.
"""

from __future__ import annotations

import os.path
from dataclasses import dataclass

from scd.config.debug import HELP_WORDS
from scd.config.errors import ConfigError, did_you_mean
from scd.config.options import BY_NAME, BY_SHORT, Given, Kind, Mode, Option, Role, find, near_names
from scd.config.values import check, ignored, number, uid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

DEFAULT_BACKLOG = int(BY_NAME["listen-backlog"].default)
_CONTINUES = (Mode.GPGCONF_LIST, Mode.GPGCONF_TEST)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What was asked for. Paths are absolute, so that they survive a change of the working directory.

    `program` holds the words behind the options: PROGRAM ARGS of --daemon, or a subcommand when `mode` is
    NONE. `overrides` are the options that may also stand in a file, in their order; load_settings puts them
    last. `uid_acl` is a user id, `debug_wait` seconds. `warnings` are for stderr and the log.
    """

    mode: Mode = Mode.NONE
    program: tuple[str, ...] = ()
    homedir: str | None = None
    options_file: str | None = None
    no_options: bool = False
    no_detach: bool = False
    shell: Literal["sh", "csh"] | None = None
    uid_acl: int | None = None
    listen_backlog: int = DEFAULT_BACKLOG
    debug_wait: int = 0
    overrides: tuple[Given, ...] = ()
    warnings: tuple[str, ...] = ()


def parse_command_line(argv: list[str]) -> CommandLine:
    """The meaning of the words behind the program's name. Raises ConfigError, which names the word.

    As in GnuPG the modes that only print something win over the others, and all but the two gpgconf modes end
    the parsing where they stand.
    """
    givens: list[Given] = []
    position = 0
    while position < len(argv):
        word = argv[position]
        if not word.startswith("-") or word == "-":
            break
        position += 1
        if word == "--":
            break
        found, used = _long(word, argv[position:]) if word.startswith("--") else (_short(word), 0)
        position += used
        givens += found
        if any(_prints(given) not in (None, *_CONTINUES) for given in found):
            break
    return _meaning(givens, tuple(argv[position:]))


def _long(word: str, following: list[str]) -> tuple[list[Given], int]:
    """The option of one `--word`, and how many of the following words it took."""
    name, equals, value = word[2:].partition("=")
    option, provider = _named(name)
    if option.kind is Kind.FLAG:
        return [Given(option, "", provider)], 0
    if equals:
        return [_with_value(option, provider, value, word)], 0
    if not following:
        raise ConfigError(f"option '{word}' needs a value behind it")
    return [_with_value(option, provider, following[0], word)], 1


def _short(word: str) -> list[Given]:
    """The options of one word like -vq; no short option takes a value."""
    for letter in word[1:]:
        if letter not in BY_SHORT:
            raise ConfigError(f"unknown option '-{letter}'; the short ones are -{' -'.join(BY_SHORT)}")
    return [Given(BY_SHORT[letter], "") for letter in word[1:]]


def _named(name: str) -> tuple[Option, str]:
    """The option with this name or the only one that begins with it."""
    exact = find(name)
    if exact and exact[0].role is not Role.FILE:
        return exact
    if exact:
        raise ConfigError(f"option '--{name}' belongs into an option file")
    longer = [known for known in BY_NAME if known.startswith(name)] if name else []
    if len(longer) == 1:
        return BY_NAME[longer[0]], ""
    if longer:
        raise ConfigError(f"option '--{name}' is ambiguous: --{', --'.join(longer)}")
    raise ConfigError(f"unknown option '--{name}'{did_you_mean(name, near_names(name))}")


def _with_value(option: Option, provider: str, value: str, word: str) -> Given:
    if not value:
        raise ConfigError(f"option '{word}' needs a value, but it is empty")
    if "\0" in value:
        raise ConfigError(f"option '{word}': the value holds a NUL octet")
    if _is_path(option, value):
        value = _absolute(value)
    given = Given(option, value, provider)
    check(given)
    return given


def _is_path(option: Option, value: str) -> bool:
    """Whether the value is a path of ours; a module's bare name is left to the loader."""
    if option.kind is Kind.LOG_FILE:
        return "://" not in value and value not in ("-", "stderr")
    return option.kind is Kind.FILE and (option.role is not Role.PROVIDER or "/" in value)


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(os.path.expanduser(path) if path.startswith("~/") else path)
    except OSError as error:
        raise ConfigError(f"'{path}': there is no working directory to start from; use an absolute path") from error


def _prints(given: Given) -> Mode | None:
    """The mode that only prints something which this option asks for."""
    if given.option.kind is Kind.DEBUG and given.value.strip() in HELP_WORDS:
        return Mode.DEBUG_HELP
    return given.option.mode if given.option.role is Role.COMMAND else None


def _meaning(givens: list[Given], rest: tuple[str, ...]) -> CommandLine:
    last = {given.name: given.value for given in givens}
    mode = _mode(givens)
    warnings = [ignored(given) for given in givens if given.option.role is Role.IGNORED]
    if rest and mode in (Mode.SERVER, Mode.MULTI_SERVER, Mode.SUPERVISED):
        warnings.append(f"'{rest[0]}' and what follows is not an option, and ignored")
    return CommandLine(
        mode=mode,
        program=rest,
        homedir=last.get("homedir"),
        options_file=last.get("options"),
        no_options="no-options" in last,
        no_detach="no-detach" in last,
        shell=_shell(givens),
        uid_acl=uid(last["uid-acl"]) if "uid-acl" in last else None,
        listen_backlog=number(last["listen-backlog"]) if "listen-backlog" in last else DEFAULT_BACKLOG,
        debug_wait=number(last.get("debug-wait", "0")),
        overrides=tuple(given for given in givens if given.option.role in (Role.ANYWHERE, Role.PROVIDER)),
        warnings=tuple(warnings),
    )


def _mode(givens: list[Given]) -> Mode:
    """The first mode that prints, else the last that runs; --multi-server includes --server, as in GnuPG."""
    printing = [mode for given in givens if (mode := _prints(given))]
    if printing:
        return next((mode for mode in printing if mode not in _CONTINUES), printing[-1])
    running = [given.option.mode for given in givens if given.option.mode]
    if not running:
        return Mode.NONE
    return Mode.MULTI_SERVER if running[-1] is Mode.SERVER and Mode.MULTI_SERVER in running else running[-1]


def _shell(givens: list[Given]) -> Literal["sh", "csh"] | None:
    shell: Literal["sh", "csh"] | None = None
    for given in givens:
        if given.name == "sh":
            shell = "sh"
        elif given.name == "csh":
            shell = "csh"
    return shell
