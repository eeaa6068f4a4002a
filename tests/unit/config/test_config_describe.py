"""What the printing modes print, against the shapes GnuPG's tools read, and the manual against the table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scd import __version__
from scd.config import Settings
from scd.config.describe import (
    debug_help,
    dump_option_table,
    dump_options,
    gpgconf_list,
    help_text,
    version_text,
)
from scd.config.options import BY_NAME, PROVIDERS_SECTION, SECTIONS, Role

ROOT = Path(__file__).parents[3]


def test_version_is_in_the_first_line() -> None:
    lines = version_text(("asn1crypto 1.5.1",)).splitlines()
    assert lines[0].startswith("scd (")
    assert lines[0].endswith(f") {__version__}")
    assert lines[1] == "asn1crypto 1.5.1"


def test_dump_options_names_what_the_command_line_accepts() -> None:
    accepted = [f"--{name}" for name, option in BY_NAME.items() if option.role is not Role.FILE]
    assert dump_options().splitlines() == accepted


def test_the_option_table_has_five_fields_a_line() -> None:
    rows = [line.split(":") for line in dump_option_table().splitlines()]
    assert all(len(row) == 5 and row[4] == "" for row in rows)
    assert all(int(number) >= 1 and 0 <= int(flags) < 1024 for _, number, flags, _, _ in rows)
    numbers = [number for _, number, flags, _, _ in rows if flags != "512"]
    assert len(numbers) == len(set(numbers)) == len(BY_NAME)


@pytest.mark.parametrize(
    "line",
    [
        "gpgconf-test:506:128:@:",
        "Monitor:1:512:Options controlling the diagnostic output:",
        "verbose:118:0:verbose:",
        "quiet:113:0:be somewhat more quiet:",
        "debug-level:527:2:|LEVEL|set the debugging level to LEVEL:",
        "log-file:528:2:|FILE|write a log to FILE:",
        "options:515:258:|FILE|read options from FILE:",
        "no-options:516:256:@:",
        "pcsc-driver:546:2:@:",
    ],
)
def test_rows_as_gnupg_prints_them_for_its_own_programs(line: str) -> None:
    """All but the number without a letter: it is only promised to be there."""
    name, _, flags, description, _ = line.split(":")
    rows = {row.split(":")[0]: row.split(":") for row in dump_option_table().splitlines()}
    assert rows[name][2:4] == [flags, description]


def test_gpgconf_list_escapes_the_file_and_quotes_texts_alone() -> None:
    lines = gpgconf_list(Settings(home="/h", file="/a:b%c\n")).splitlines()
    assert lines[0] == 'gpgconf-scdaemon.conf:16:"/a%3Ab%25c%0A:'
    assert 'debug-level:16:"none:' in lines
    assert "listen-backlog:16:64:" in lines
    assert gpgconf_list(Settings(home="/h")).startswith('gpgconf-scdaemon.conf:16:"/h/scd.conf:\n')


def test_debug_help_lists_numbers_and_names() -> None:
    lines = debug_help().splitlines()
    assert lines[0] == "available debug flags:"
    assert "  1024 ipc" in lines
    assert len(lines) == 12


def test_help_shows_all_that_is_not_hidden_and_nothing_that_is() -> None:
    text = help_text("/usr/bin/scd")
    assert text.startswith("Usage: /usr/bin/scd ")
    for section in (*SECTIONS, PROVIDERS_SECTION):
        assert f"\n{section.title}:\n" in text
        for option in section.options:
            name = f"provider-NAME-{option.name}" if option.role is Role.PROVIDER else option.name
            shown = f"{name} " in text
            assert shown or option.description == "@"
    assert " -v, --verbose " in text
    assert "--pcsc-driver" not in text
    assert max(map(len, text.splitlines())) <= 120


PROVIDER_OPTIONS = [f"provider-NAME-{option.name}" for option in PROVIDERS_SECTION.options]


@pytest.mark.parametrize("name", [*BY_NAME, *PROVIDER_OPTIONS])
def test_every_option_is_in_the_manual(name: str) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    dashes = "--" if name in BY_NAME and BY_NAME[name].role in (Role.COMMAND, Role.START) else ""
    assert f"`{dashes}{name}`" in text or f"`{dashes}{name} " in text


def test_reading_a_configuration_imports_nothing_slow() -> None:
    """The greeting waits for this: no help texts, no regular expressions of ours, no logging, no TOML."""
    code = (
        "import sys, scd.config as c\n"
        "c.load_settings(c.parse_command_line(['--server', '--no-options', '-v']), {'HOME': '/nowhere'})\n"
        "print(*sorted(set(sys.modules)))"
    )
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environ, check=True, capture_output=True, text=True, timeout=60
    )
    loaded = set(run.stdout.split())
    assert "scd.config.load" in loaded
    slow = {"logging", "tomllib", "argparse", "difflib", "typing", "pathlib", "asyncio", "socket", "threading"}
    assert not loaded & (slow | {"scd.config.describe", "scd.logs"})
