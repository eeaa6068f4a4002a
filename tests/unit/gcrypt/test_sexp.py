"""S-expressions: canonical there and back, advanced as libgcrypt prints it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scd.gcrypt import sexp
from tests.unit.gcrypt.recorded import PIV_9A, PIV_9A_SEXP
from tests.unit.gcrypt.vectors import VECTORS, Vector

ATOMS = st.binary(min_size=1, max_size=20)
TREES = st.recursive(ATOMS, lambda children: st.lists(children, max_size=4).map(tuple), max_leaves=12)
LISTS = st.lists(TREES, max_size=4).map(tuple)


def nested(depth: int) -> sexp.Sexp:
    tree: sexp.Sexp = ()
    for _ in range(depth - 1):
        tree = (tree,)
    return tree


@given(LISTS)
def test_parse_undoes_build(tree: tuple[sexp.Parsed, ...]) -> None:
    assert sexp.parse(sexp.build(tree)) == tree


def test_lists_build_as_tuples_do() -> None:
    assert sexp.build([b"a", [b"bc", []]]) == sexp.build((b"a", (b"bc", ()))) == b"(1:a(2:bc()))"


def test_answer_of_scdaemon_is_parsed() -> None:
    assert sexp.parse(PIV_9A_SEXP) == (
        b"public-key",
        (b"rsa", (b"n", b"\0" + PIV_9A.n), (b"e", PIV_9A.e)),
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_key_is_parsed_and_built_again(vector: Vector) -> None:
    assert sexp.build(sexp.parse(vector.key.sexp())) == vector.key.sexp()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1:a",
        b"(",
        b"(1:a",
        b"(1:a))",
        b"(1:a)x",
        b"(1:a)\0",
        b" (1:a)",
        b"( 1:a)",
        b"(1:a 1:b)",
        b"(0:)",
        b"(01:a)",
        b"(2:a)",
        b"(9:a)",
        b"(9999999999:a)",
        b"(1)",
        b"(:a)",
        b"(-1:a)",
        b"(+1:a)",
        b"(a)",
        b'("a")',
        b"(#61#)",
        b"(|YQ==|)",
        b"([1:a]1:b)",
        b"{KDE6YSk=}",
    ],
)
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"S-expression"):
        sexp.parse(data)


@given(st.lists(st.sampled_from([b"(", b")", b"1", b":", b"0", b"2", b"a"]), max_size=24).map(b"".join))
def test_what_is_parsed_is_canonical(data: bytes) -> None:
    try:
        tree = sexp.parse(data)
    except ValueError:
        return
    assert sexp.build(tree) == data


@given(st.binary(max_size=60))
def test_garbage_is_refused_by_value_error_only(data: bytes) -> None:
    try:
        tree = sexp.parse(b"(" + data)
    except ValueError:
        return
    assert sexp.build(tree) == b"(" + data


def test_deepest_tree_is_built_and_parsed() -> None:
    tree = nested(sexp.DEPTH_MAX)

    assert sexp.parse(sexp.build(tree)) == tree


def test_deeper_tree_is_refused_both_ways() -> None:
    with pytest.raises(ValueError, match="too deeply"):
        sexp.build(nested(sexp.DEPTH_MAX + 1))
    with pytest.raises(ValueError, match="too deeply"):
        sexp.parse(b"(" * (sexp.DEPTH_MAX + 1) + b")" * (sexp.DEPTH_MAX + 1))


def test_a_million_parentheses_do_no_harm() -> None:
    with pytest.raises(ValueError, match="too deeply"):
        sexp.parse(b"(" * 1_000_000)


@pytest.mark.parametrize("write", [sexp.build, sexp.advanced])
def test_string_alone_and_empty_string_are_refused(write: Callable[[sexp.Sexp], bytes]) -> None:
    with pytest.raises(ValueError, match="is a list"):
        write(b"a")
    with pytest.raises(ValueError, match="empty string"):
        write((b"a", b""))


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ((), b"()"),
        ((b"a",), b"(a)"),
        ((b"a", ()), b"(a \n ()\n )"),
        (((),), b"(\n ()\n )"),
        (((b"x",), (b"y",)), b"(\n (x)\n (y)\n )"),
        ((b"a", (b"b", (b"c",), b"d"), b"e"), b"(a \n (b \n  (c)\n  d)\n e)"),
        (
            (b"public-key", (b"rsa", (b"n", b"\0\xc9\1"), (b"e", b"\1\0\1"))),
            b"(public-key \n (rsa \n  (n #00C901#)\n  (e #010001#)\n  )\n )",
        ),
        (
            (b"public-key", (b"ecc", (b"curve", b"NIST P-256"), (b"flags", b"eddsa"), (b"q", b"@abc"))),
            b'(public-key \n (ecc \n  (curve "NIST P-256")\n  (flags eddsa)\n  (q "@abc")\n  )\n )',
        ),
    ],
)
def test_layout_is_that_of_libgcrypt(tree: sexp.Sexp, text: bytes) -> None:
    """As gcry_sexp_sprint of libgcrypt 1.10.1 prints these trees."""
    assert sexp.advanced(tree) == text + b"\n"


@pytest.mark.parametrize(
    ("string", "text"),
    [
        (b"a1", b"a1"),
        (b"1a", b'"1a"'),
        (b"a-b.c/d_e:f*g+h=i", b"a-b.c/d_e:f*g+h=i"),
        (b"a&", b'"a&"'),
        (b"x y", b'"x y"'),
        (b'q"uo\\te', b'"q\\"uo\\\\te"'),
        (b"it's", b'"it\\\'s"'),
        (b"\x08\t\n\x0b\x0c\r", b'"\\b\\t\\n\\v\\f\\r"'),
        (b"\x0a7", b'"\\n7"'),
        (b"\x07a", b"#0761#"),
        (b"abc\x7f", b"#6162637F#"),
        (b"a\xa0", b"#61A0#"),
        (b"a\xe9b", b'"a\xe9b"'),
        (b"\xe9b", b"#E962#"),
        (b"\0a", b"#0061#"),
        (b"a\0", b"#6100#"),
    ],
)
def test_string_is_printed_as_libgcrypt_does(string: bytes, text: bytes) -> None:
    """All but the last from libgcrypt 1.10.1, which prints that one as a token with a raw NUL."""
    assert sexp.advanced((string,)) == b"(" + text + b")\n"
