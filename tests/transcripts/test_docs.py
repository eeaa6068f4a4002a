"""The pages of docs/ say what the tables in the code say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import scd.daemon.commands  # noqa: F401  # fills the table
from scd.assuan.gpgerror import GpgErr
from scd.daemon import failures
from scd.daemon.commands import attributes, info, setattr
from scd.daemon.table import COMMANDS
from tests.harness.tokens import REPOSITORY
from tests.transcripts.play import FOLDER

DOCS = REPOSITORY / "docs"
PAGE = (DOCS / "assuan.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text between a heading that holds `title` and the next heading."""
    found = re.search(rf"^#+ [^\n]*{re.escape(title)}[^\n]*$(.*?)(?=^#)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def first_cells(text: str) -> set[str]:
    """Every word in backquotes in the first column of the tables."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def test_every_command_stands_there_with_its_usage() -> None:
    written = set(re.findall(r"^(?:### |\* )`([A-Z]+(?: [^`]*)?)`$", PAGE, re.MULTILINE))
    assert written == {spec.usage for spec in COMMANDS.values()}


def test_every_attribute_stands_there() -> None:
    known = {*attributes.ATTRIBUTES, *attributes._ABSENT, attributes._KINDS, "$DISPSERIALNO"}
    assert first_cells(section("`GETATTR")) == known


def test_every_attribute_that_can_be_set_stands_there() -> None:
    assert first_cells(section("`SETATTR")) == set(setattr.SETTERS)


def test_every_item_of_getinfo_stands_there() -> None:
    assert {cell.split()[0] for cell in first_cells(section("`GETINFO"))} == set(info._ITEMS)


def test_every_error_of_a_token_stands_there_with_its_code() -> None:
    rows = re.findall(r"\| ([A-Z_]+) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(code.name for code in failures._CODES.values())
    assert all(GpgErr[name] == int(number) for name, number in rows)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_a_transcript(name: str) -> None:
    said = "\n".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.txt"))
    assert re.search(rf"^C: {name}\b", said, re.MULTILINE | re.IGNORECASE)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "providers").glob("*.toml")), ids=lambda path: path.stem)
def test_every_module_stands_in_the_table_with_what_was_tried(path: Path) -> None:
    profile = tomllib.loads(path.read_text(encoding="utf-8"))
    row = re.search(rf"^\| `{re.escape(profile['name'])}` .*$", (DOCS / "modules.md").read_text(), re.MULTILINE)
    assert row, f"docs/modules.md has no row for {profile['name']}"
    assert (profile["tried"] or "not tried") in row[0]


@pytest.mark.parametrize("path", [*DOCS.rglob("*.md"), *REPOSITORY.glob("*.md")], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
