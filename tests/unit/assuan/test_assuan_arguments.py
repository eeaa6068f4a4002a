"""Options and rest of a command line, by scdaemon's rules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scd.assuan.arguments import Arguments


@pytest.mark.parametrize(
    ("raw", "options", "rest"),
    [
        (b"", (), ""),
        (b"ID", (), "ID"),
        (b"  ID  ", (), "ID"),
        (b"-- ID", (), "ID"),
        (b"--", (), ""),
        (b"--info -- ID", ("--info",), "ID"),
        (b"-- --info ID", ("--info",), "ID"),
        (b" --force --algo=rsa2048 -- ID", ("--force", "--algo=rsa2048"), "ID"),
        (b"--force", ("--force",), ""),
        (b"--force\tID\t", ("--force",), "ID"),
        (b"ID --force", (), "ID --force"),
        (b"-x ID", (), "-x ID"),
        (b"--hash=sha256  a  b ", ("--hash=sha256",), "a  b"),
        ("--x=ä ö".encode(), ("--x=ä",), "ö"),
        (b"--x=\xff \xe4", ("--x=\udcff",), "\udce4"),
    ],
)
def test_options_lead_and_the_rest_follows(raw: bytes, options: tuple[str, ...], rest: str) -> None:
    arguments = Arguments(raw)
    assert arguments.options == options
    assert arguments.rest == rest


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"--force", True),
        (b"--a --force ID", True),
        (b"-- --force ID", True),
        (b"--forced ID", False),
        (b"--force=1 ID", False),
        (b"ID --force", False),
        (b"--FORCE", False),
        (b"", False),
    ],
)
def test_has_finds_the_very_word_among_the_options(raw: bytes, found: bool) -> None:
    assert Arguments(raw).has("--force") is found


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"--hash=sha256 ID", "sha256"),
        (b"--a --hash=x=y", "x=y"),
        (b"--hash=one --hash=two", "one"),
        (b"--hash= ID", ""),
        (b"--hash ID", None),
        (b"--hashes=x ID", None),
        (b"ID --hash=x", None),
        (b"", None),
    ],
)
def test_value_is_what_follows_the_equal_sign(raw: bytes, value: str | None) -> None:
    assert Arguments(raw).value("--hash") == value


def test_words_are_the_rest_split_at_blanks() -> None:
    assert Arguments(b"--opt  1 two\tthree\xc2\xa0and  ").words == ("1", "two", "three\u00a0and")
    assert Arguments(b"--opt").words == ()


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([b"--", b" ", b"\t", b"=", b"--hash=", b"ID", b"\xff"]) | st.binary(max_size=4)))
def test_no_octets_raise_and_the_rest_is_no_option(pieces: list[bytes]) -> None:
    arguments = Arguments(b"".join(pieces))
    assert not arguments.rest.startswith("--")
    assert arguments.rest == arguments.rest.strip(" \t")
    assert all(word.startswith("--") and word != "--" for word in arguments.options)
    assert all(word and " " not in word for word in arguments.words)
