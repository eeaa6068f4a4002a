"""S-expressions as libgcrypt prints them for people, read back."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scd.gcrypt.sexp import DEPTH_MAX, Parsed, advanced
from scd.gcrypt.sexptext import parse_text

STRINGS = st.binary(min_size=1, max_size=40)
TREES: st.SearchStrategy[tuple[Parsed, ...]] = st.recursive(
    st.lists(STRINGS, min_size=1, max_size=4).map(tuple),
    lambda inner: st.lists(st.one_of(STRINGS, inner), min_size=1, max_size=4).map(tuple),
    max_leaves=12,
)


@given(TREES)
def test_what_is_printed_is_read_back(tree: tuple[Parsed, ...]) -> None:
    assert parse_text(advanced(tree)) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        (rb'(a "b c" #00 fF# d.e)', (b"a", b"b c", b"\x00\xff", b"d.e")),
        (b"(a(b)\n (c\t(d)))\n", (b"a", (b"b",), (b"c", (b"d",)))),
        (b"()", ()),
        (rb'("\"\\\n\x41\101\?")', (b'"\\\nAA?',)),
        (b'("one \\\nline")', (b"one line",)),
        (b"(q #04\n  05 0\n 6#)", (b"q", b"\x04\x05\x06")),
    ],
)
def test_known_forms(text: bytes, tree: tuple[Parsed, ...]) -> None:
    assert parse_text(text) == tree


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"a",
        b"(a",
        b"(a))",
        b"(a) b",
        b"(#0#)",
        b"(#0g#)",
        b'("a)',
        b"(3:abc)",
        b"(|YQ==|)",
        b"(" * (DEPTH_MAX + 1),
    ],
)
def test_other_texts_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"S-expression|hexadecimal"):
        parse_text(text)


@given(st.binary(max_size=60))
def test_nothing_else_than_a_value_error_comes_out(text: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse_text(b"(" + text + b")")
