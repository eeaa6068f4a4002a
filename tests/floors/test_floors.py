"""The architecture, held by machine: imports go downwards, files and functions stay small, tables are complete."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "scd"

FLOORS = {
    "assuan": 0, "gcrypt": 0, "token": 1, "config": 1, "logs": 1, "files": 1, "logsocket": 1, "trace": 1, "tasks": 1,
    "cryptoki": 2, "service": 3, "composition": 4, "daemon": 5, "__main__": 6,
}  # fmt: skip
# The service knows the port only; `composition` brings it and the modules together.
FORBIDDEN = {("service", "cryptoki"), ("assuan", "gcrypt"), ("gcrypt", "assuan")}
QUIET = {"asyncio", "socket", "threading", "subprocess"}
QUIET_BUT = {"logsocket": {"socket"}, "tasks": {"asyncio"}}
LONGEST_FILE, LONGEST_FUNCTION = 400, 50

SOURCES = sorted(PACKAGE.rglob("*.py"))


def floor_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_only_downwards(path: Path) -> None:
    here = floor_of(path)
    if here == "__init__":
        return
    for name in imported(parsed(path)):
        parts = name.split(".")
        if parts[0] != "scd" or len(parts) < 2 or parts[1] not in FLOORS or parts[1] == here:
            continue
        assert FLOORS[parts[1]] <= FLOORS[here], f"{here} imports {name} from above"
        assert (here, parts[1]) not in FORBIDDEN, f"{here} must not know {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_cryptoki_talks_to_pkcs11(path: Path) -> None:
    if floor_of(path) != "cryptoki":
        assert "pkcs11" not in {name.split(".")[0] for name in imported(parsed(path))}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_lower_floors_know_neither_network_nor_threads(path: Path) -> None:
    here = floor_of(path)
    if FLOORS.get(here, 9) <= 1:
        tops = {name.split(".")[0] for name in imported(parsed(path))}
        assert not tops & (QUIET - QUIET_BUT.get(here, set()))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_pickled(path: Path) -> None:
    assert not {"pickle", "marshal", "shelve"} & {name.split(".")[0] for name in imported(parsed(path))}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE
    for node in ast.walk(parsed(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, f"{node.name} is too long"


def test_a_pin_is_revealed_in_two_files_only() -> None:
    """The frame that carries it to the worker, and C_Login."""
    revealing = {str(p.relative_to(PACKAGE)) for p in SOURCES if ".reveal()" in p.read_text(encoding="utf-8")}
    assert revealing == {"cryptoki/session.py", "cryptoki/worker/codec.py"}


def test_the_start_path_is_light() -> None:
    """What runs before workers start imports none of these; seen in a fresh interpreter."""
    import os
    import subprocess
    import sys

    bare = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}  # it imports a lot
    heavy = [
        "asyncio",
        "logging",
        "click",
        "asn1crypto",
        "cryptography",
        "pkcs11",
        "tomllib",
        "ssl",
        "typing_extensions",
    ]
    code = f"import sys, scd.daemon.start, scd.composition.plan; print([m for m in {heavy!r} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=bare, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


# scdaemon 2.4.9's own HELP, as in the protocol's transcripts, each command with its options; CANCEL and END are answers
# to an inquiry here.
SCDAEMON: dict[str, tuple[str, ...]] = {
    "NOP": (), "OPTION": (), "BYE": (), "AUTH": (), "RESET": (), "HELP": (), "SWITCHCARD": (), "SWITCHAPP": (),
    "READCERT": (), "PKDECRYPT": (), "INPUT": (), "OUTPUT": (), "GETATTR": (), "WRITECERT": (), "RANDOM": (),
    "CHECKPIN": (), "UNLOCK": (), "GETINFO": (), "RESTART": (), "DISCONNECT": (), "KILLSCD": (),
    "SERIALNO": ("--demand=", "--all"), "LEARN": ("--force", "--keypairinfo", "--reread", "--multi"),
    "READKEY": ("--format=advanced|ssh", "--info[-only]"), "SETDATA": ("--append",), "PKSIGN": ("--hash=",),
    "PKAUTH": ("--challenge-response",), "SETATTR": ("--inquire",), "WRITEKEY": ("--force",),
    "GENKEY": ("--force", "--timestamp=", "--algo="), "PASSWD": ("--reset", "--nullpin", "--clear"),
    "LOCK": ("--wait",), "APDU": ("--[dump-]atr", "--more", "--exlen"), "DEVINFO": ("--watch",),
    "KEYINFO": ("--list[=auth|encr|sign]", "--data"),
}  # fmt: skip
REFUSED = {"APDU", "INPUT", "OUTPUT", "AUTH"}
INFO = {
    "version", "pid", "socket_name", "connections", "status", "reader_list", "deny_admin", "app_list", "card_list",
    "active_apps", "all_active_apps", "cmd_has_option", "manufacturer", "apdu_strerror",
}  # fmt: skip


def test_every_command_of_scdaemon_is_answered_by_name() -> None:
    import scd.daemon.commands  # noqa: F401
    from scd.daemon.table import COMMANDS

    assert set(SCDAEMON) == set(COMMANDS)
    assert all(spec.help for spec in COMMANDS.values())


@pytest.mark.parametrize("name", SCDAEMON)
def test_every_option_of_scdaemon_is_in_the_usage(name: str) -> None:
    import scd.daemon.commands  # noqa: F401
    from scd.daemon.table import COMMANDS

    assert [option for option in SCDAEMON[name] if option not in COMMANDS[name].usage] == []


def test_four_commands_are_refused_by_name_and_no_others() -> None:
    """Raw card commands have no meaning for a token; INPUT and OUTPUT pass descriptors, which nobody does."""
    import scd.daemon.commands  # noqa: F401
    from scd.daemon.commands import refused
    from scd.daemon.table import COMMANDS

    assert {name for name, spec in COMMANDS.items() if spec.handler.__module__ == refused.__name__} == REFUSED
    assert all("Not supported" in COMMANDS[name].help for name in REFUSED)


def test_every_item_of_getinfo_is_answered() -> None:
    from scd.daemon.commands import info

    assert set(info._ITEMS) >= INFO


def test_every_token_error_has_a_gpg_error() -> None:
    from scd.daemon.failures import _CODES
    from scd.token import errors

    kinds = {v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, errors.TokenError)}
    assert kinds - set(_CODES) == {errors.TokenError}


def test_the_tree_names_no_machine() -> None:
    """Paths of a developer's machine do not belong into the repository."""
    import subprocess

    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    pattern = re.compile(rb"(?<![A-Za-z0-9_.$~-])/(?:work|farm|root)/")
    for name in filter(None, listed):
        path = ROOT / name.decode()
        if path.is_file() and path != Path(__file__):
            assert not pattern.search(path.read_bytes()), path
