"""The words of docs/architecture.md have names in the code, and so have the steps in its picture of the start."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.floors.test_floors import ROOT, SOURCES, parsed

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def words() -> dict[str, list[str]]:
    rows = [line.strip("| ").split(" | ") for line in section("Words").splitlines() if line.startswith("| ")]
    return {row[0]: re.findall(r"`(\w+)`", row[2]) for row in rows[1:]}


def names() -> Iterator[str]:
    """Whatever scd defines: classes, functions, arguments, fields and methods."""
    for path in SOURCES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.name
            elif isinstance(node, ast.arg):
                yield node.arg
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield node.target.id


DEFINED = frozenset(names())


def test_there_are_words() -> None:
    assert len(words()) > 20


@pytest.mark.parametrize("word", words())
def test_a_word_has_a_name_in_the_code(word: str) -> None:
    assert words()[word], "no name is given"
    assert [name for name in words()[word] if name not in DEFINED] == []


def test_the_picture_of_the_start_shows_what_there_is() -> None:
    shown = re.findall(r"\b(start|serving|plan|child|build)\.(?!py\b)(\w+)", section("Start"))
    assert len(shown) >= 6
    for module, function in shown:
        (path,) = (one for one in SOURCES if one.name == f"{module}.py")
        assert f"def {function}(" in path.read_text(encoding="utf-8")
