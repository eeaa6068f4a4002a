"""Provider profiles: what is known of each kind of PKCS#11 module, read from `providers/*.toml`.

The files are data: `providers/SCHEMA.md` says what each key means, and everything it does not name is an error here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import cast

SCHEMA = 1
CPUS = "cpus"
TIMEOUT_S = 60
FOLDERS = (
    "/usr/lib/{multiarch}/pkcs11",
    "/usr/lib64/pkcs11",
    "/usr/lib/pkcs11",
    "/usr/lib/{multiarch}",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib/pkcs11",
    "/usr/local/lib",
)
"""Where a library given by its bare name is looked for: Debian and Ubuntu, Fedora, Arch, then self-built."""

_MULTIARCH = {
    "armv7l": "arm-linux-gnueabihf",
    "i686": "i386-linux-gnu",
    "ppc64le": "powerpc64le-linux-gnu",
}


class Quirk(Enum):
    """Every deviation the code can obey; `providers/SCHEMA.md` says what each one does."""

    INIT_ARGS_REQUIRED = "init-args-required"
    SINGLE_THREAD_INIT = "single-thread-init"
    NO_FINALIZE = "no-finalize"
    LOGIN_BEFORE_LISTING = "login-before-listing"
    RESCAN_NEEDS_RESTART = "rescan-needs-restart"
    TOKEN_FOLDER_READ_ONCE = "token-folder-read-once"
    NO_SLOT_EVENTS = "no-slot-events"


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of module.

    `library` holds bare names and absolute paths, best first, `{multiarch}` not yet filled in. `manufacturer` and
    `description` are patterns for C_GetInfo's texts, both empty where only the file's name tells. `reasons` are pairs
    of key or quirk word and text. `workers` is a number of processes or `CPUS`. `tried` names the versions seen
    working, empty for none. `packages` are Debian's packages with the library.
    """

    name: str
    library: tuple[str, ...] = ()
    automatic: bool = False
    automatic_if_env: tuple[str, ...] = ()
    automatic_if_path: tuple[str, ...] = ()
    manufacturer: str = ""
    description: str = ""
    quirks: frozenset[Quirk] = frozenset()
    reasons: tuple[tuple[str, str], ...] = ()
    workers: int | str = 1
    timeout_s: int = TIMEOUT_S
    init_args: str | None = None
    environment: tuple[str, ...] = ()
    tried: str = ""
    packages: tuple[str, ...] = ()

    def matches(self, manufacturer: str, description: str) -> bool:
        """Whether C_GetInfo's two texts are this module's."""
        rules = ((self.manufacturer, manufacturer), (self.description, description))
        return any(pattern for pattern, _ in rules) and all(
            not pattern or fnmatchcase(text.rstrip(" \0"), pattern) for pattern, text in rules
        )

    def wanted(self, environ: Mapping[str, str]) -> bool:
        """Whether the module may be used without being configured; with conditions, one of them suffices."""
        if not (self.automatic_if_env or self.automatic_if_path):
            return self.automatic
        return self.automatic and (
            any(environ.get(name) for name in self.automatic_if_env)
            or any(os.path.exists(_home(path, environ)) for path in self.automatic_if_path)
        )

    def worker_count(self) -> int:
        """The number of processes to start for the module, at least one."""
        return max(1, os.cpu_count() or 1) if isinstance(self.workers, str) else self.workers


DEFAULT = Profile("default")
"""What holds for a module nobody described: no quirks, one worker."""


class ProfileError(Exception):
    """A profile breaks the schema; the message names file and key, and what would be right."""

    def __init__(self, file: str, key: str, message: str) -> None:
        super().__init__(f"{file}: {key}: {message}")
        self.file = file
        self.key = key


def load_profiles(folder: str | None = None) -> tuple[Profile, ...]:
    """All profiles of a folder in the order of their names; by default those shipped with the program.

    Raises `ProfileError` for the first breach of the schema.
    """
    import tomllib  # after the greeting only: the daemon must not pay for it at start

    folder = folder or shipped_folder()
    profiles = []
    for file in sorted(name for name in os.listdir(folder) if name.endswith(".toml")):
        path = os.path.join(folder, file)
        try:
            with open(path, "rb") as stream:
                table = tomllib.load(stream)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ProfileError(path, "syntax", str(error)) from error
        profiles.append(parse_profile(table, path))
    return tuple(profiles)


def shipped_folder() -> str:
    """Where the shipped profiles lie: in the installed package, else beside it in the source tree."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    installed_here = os.path.join(package, "_profiles")
    return installed_here if os.path.isdir(installed_here) else os.path.join(os.path.dirname(package), "providers")


def match(profiles: Iterable[Profile], manufacturer: str, description: str) -> Profile:
    """The profile of a loaded module by C_GetInfo's texts; `DEFAULT` when none claims it."""
    return next((one for one in profiles if one.matches(manufacturer, description)), DEFAULT)


def profile_for_library(profiles: Iterable[Profile], path: str) -> Profile:
    """The profile of a module not yet loaded, by its file name or that of its real path; else `DEFAULT`.

    Versions behind `.so` do not count: `libykcs11.so.2.2.0` is `libykcs11.so`.
    """
    names = {_stem(path), _stem(os.path.realpath(path))}
    return next((one for one in profiles if any(_stem(name) in names for name in one.library)), DEFAULT)


def installed(profiles: Iterable[Profile], environ: Mapping[str, str]) -> tuple[tuple[Profile, str], ...]:
    """The modules of this machine that are used without configuration, each with the real path of its library."""
    found = ((one, find_library(one)) for one in profiles if one.wanted(environ))
    return tuple((one, path) for one, path in found if path is not None)


def find_library(profile: Profile) -> str | None:
    """The real path of the first of the profile's libraries that exists here."""
    for name in profile.library:
        for path in [name] if name.startswith("/") else [f"{folder}/{name}" for folder in FOLDERS]:
            path = path.replace("{multiarch}", multiarch())
            if os.path.isfile(path):
                return os.path.realpath(path)
    return None


def multiarch() -> str:
    """Debian's word for this machine in library folders, such as `x86_64-linux-gnu`."""
    machine = os.uname().machine
    return _MULTIARCH.get(machine, f"{machine}-linux-gnu")


def parse_profile(table: Mapping[str, object], file: str) -> Profile:
    """A `Profile` from a file's content; raises `ProfileError` with `file` and the key that is wrong."""
    for key in table:
        if key not in _KEYS:
            raise ProfileError(file, key, f"unknown key; known are {', '.join(sorted(_KEYS))}")
    for key, (check, expected) in _KEYS.items():
        if key in table and not check(table[key]):
            raise ProfileError(file, key, f"must be {expected}, not {_as_written(table[key])}")
        if key in _NEEDED and key not in table:
            raise ProfileError(file, key, f"is missing; it must be {expected}")
    profile = _build(table, file)
    _check_reasons(profile, file)
    if profile.name != os.path.basename(file).removesuffix(".toml"):
        raise ProfileError(file, "name", f"must be the file's name, not '{profile.name}'")
    return profile


def _build(table: Mapping[str, object], file: str) -> Profile:
    """The record, from values whose types were checked."""
    plain = {key: table[key] for key in table.keys() - _RENAMED}
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}
    fields |= cast("dict[str, str]", table.get("match", {}))
    fields["quirks"] = frozenset(_quirk(word, file) for word in cast("list[str]", table["quirks"]))
    fields["reasons"] = tuple(cast("dict[str, str]", table["reason"]).items())
    return Profile(**fields)  # type: ignore[arg-type]  # the keys' types stand in _KEYS


def _quirk(word: str, file: str) -> Quirk:
    try:
        return Quirk(word)
    except ValueError:
        known = ", ".join(one.value for one in Quirk)
        raise ProfileError(file, "quirks", f"unknown word '{word}'; known are {known}") from None


def _check_reasons(profile: Profile, file: str) -> None:
    """A reason for every quirk and for not being plainly automatic, and none for anything else."""
    needed = {quirk.value for quirk in profile.quirks}
    if not profile.automatic or profile.automatic_if_env or profile.automatic_if_path:
        needed.add("automatic")
    given = {key for key, _ in profile.reasons}
    for key in sorted(needed - given):
        raise ProfileError(file, f"reason.{key}", "is missing")
    for key in sorted(given - needed - {"workers"}):
        raise ProfileError(file, f"reason.{key}", "explains nothing in this file")


def _as_written(value: object) -> str:
    """A value as TOML has it, or nearly so."""
    import json

    return json.dumps(value, ensure_ascii=False, default=str)


def _home(path: str, environ: Mapping[str, str]) -> str:
    return environ.get("HOME", "~") + path[1:] if path.startswith("~/") else path


def _stem(path: str) -> str:
    return os.path.basename(path).split(".so")[0]


def _text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(_text(one) for one in value)


def _libraries(value: object) -> bool:
    return _texts(value) and value != [] and all("/" not in one or one[0] == "/" for one in cast("list[str]", value))


def _match(value: object) -> bool:
    return isinstance(value, dict) and value.keys() <= {"manufacturer", "description"} and _reasons(value)


def _reasons(value: object) -> bool:
    return isinstance(value, dict) and all(_text(one) for one in value.values())


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


_KEYS: dict[str, tuple[Callable[[object], bool], str]] = {
    "schema": (lambda value: value == SCHEMA and not isinstance(value, bool), f"the number {SCHEMA}"),
    "name": (_text, "a text"),
    "library": (_libraries, "a list of file names and absolute paths"),
    "automatic": (lambda value: isinstance(value, bool), "true or false"),
    "automatic_if_env": (_texts, "a list of variables' names"),
    "automatic_if_path": (_texts, "a list of paths"),
    "match": (_match, 'a table of the patterns "manufacturer" and "description"'),
    "quirks": (_texts, "a list of quirk words"),
    "reason": (_reasons, "a table of texts"),
    "workers": (lambda value: value == CPUS or _count(value), f'a number from 1 or "{CPUS}"'),
    "timeout_s": (_count, "a number of seconds from 1"),
    "init_args": (_text, "a text"),
    "environment": (_texts, "a list of variables' names"),
    "packages": (_texts, "a list of Debian's packages"),
    "tried": (lambda value: isinstance(value, str), "a text, empty when nothing was tried"),
}
_RENAMED = {"schema", "match", "quirks", "reason"}
_NEEDED = frozenset({"schema", "name", "library", "automatic", "quirks", "reason", "environment", "tried"})
