"""No log line and no error shows a value as Python writes it: people read them who know no Python.

Where an exception's text goes, nobody can tell from the source, so the rule holds for every text of the program.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

import pytest

from tests.floors.test_floors import ROOT, SOURCES, parsed

# `!r` and repr() that make no message: control characters are escaped as Python escapes them.
ALLOWED = {"scd/logs.py": {"repr(char)"}}
LOUD = {"debug", "info", "warning", "error", "exception", "critical", "log"}
FILES = {str(path.relative_to(ROOT)): path for path in SOURCES}


def shown_by_python(tree: ast.AST) -> Iterator[ast.AST]:
    """`{x!r}`, `{x!a}`, `%r`, repr(), ascii()."""
    for node in ast.walk(tree):
        is_repr = isinstance(node, ast.FormattedValue) and node.conversion in (ord("r"), ord("a"))
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("repr", "ascii")
        is_percent = isinstance(node, ast.Constant) and isinstance(node.value, str) and "%r" in node.value
        if is_repr or is_call or is_percent:
            yield node


def bare_system_errors(tree: ast.AST) -> Iterator[ast.AST]:
    """An OSError put into a text as it is: `[Errno 2] …`. `scd.token.errors.reason` has its words."""
    for handler in ast.walk(tree):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None or handler.type is None:
            continue
        kinds = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
        if any(is_system_error(kind) for kind in kinds):
            yield from (node for node in ast.walk(handler) if is_text_of(handler.name, node))


def is_system_error(name: str) -> bool:
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, BaseException) and (
        issubclass(kind, OSError) or issubclass(OSError, kind)
    )  # fmt: skip


def is_text_of(name: str, node: ast.AST) -> bool:
    """The caught exception itself in an f-string or as an argument of a log call."""
    if isinstance(node, ast.FormattedValue):
        return isinstance(node.value, ast.Name) and node.value.id == name
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOUD:
        return any(isinstance(argument, ast.Name) and argument.id == name for argument in node.args)
    return False


@pytest.mark.parametrize("name", FILES)
def test_no_text_has_a_value_as_python_shows_it(name: str) -> None:
    found = {ast.unparse(node) for node in shown_by_python(parsed(FILES[name]))} - ALLOWED.get(name, set())
    assert not found


@pytest.mark.parametrize("name", FILES)
def test_system_errors_are_told_in_words(name: str) -> None:
    assert not {ast.unparse(node) for node in bare_system_errors(parsed(FILES[name]))}


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("f'{x!r}'", 1),
        ("log.info('%r', x)", 1),
        ("'{}'.format(repr(x))", 1),
        ("f'{x}'", 0),
        ("try: pass\nexcept OSError as e: raise X(f'{e}')", 1),
        ("try: pass\nexcept (KeyError, PermissionError) as e: log.info('%s', e)", 1),
        ("try: pass\nexcept Exception as e: log.error('%s', e)", 1),
        ("try: pass\nexcept OSError as e: raise X(f'{reason(e)}') from e", 0),
        ("try: pass\nexcept KeyError as e: log.info('%s', e)", 0),
    ],
)
def test_the_rules_find_what_they_forbid(source: str, count: int) -> None:
    tree = ast.parse(source)
    assert len([*shown_by_python(tree), *bare_system_errors(tree)]) == count
