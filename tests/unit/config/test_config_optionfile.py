"""Option files: GnuPG's format, gnupg-pkcs11-scd's habits, and errors with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scd.config import ConfigError
from scd.config.optionfile import parse_options, read_option_file
from scd.config.options import BY_NAME, PROVIDER_OPTIONS, Role

FILE = "/h/scd.conf"


def pairs(text: str) -> list[tuple[str, str]]:
    givens, _ = parse_options(text.encode(), FILE)
    return [(given.name, given.value) for given in givens]


def warnings(text: str) -> list[str]:
    return parse_options(text.encode(), FILE)[1]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("# verbose", []),
        ("   \t # verbose", []),
        ("#verbose", []),
        ("verbose", [("verbose", "")]),
        ("  verbose \t", [("verbose", "")]),
        ("verbose # more", [("verbose", "")]),
        ("verbose\r", [("verbose", "")]),
        ("--verbose", [("verbose", "")]),
        ("\ufeffverbose", [("verbose", "")]),
        ("log-file /a/b", [("log-file", "/a/b")]),
        ("log-file\t /a b/c  ", [("log-file", "/a b/c")]),
        ('log-file "/a b/c"', [("log-file", "/a b/c")]),
        ('log-file "/a # b"', [("log-file", "/a # b")]),
        ('log-file "/a" # b', [("log-file", "/a")]),
        ("log-file /a#b", [("log-file", "/a#b")]),
        ("log-file /a #b", [("log-file", "/a")]),
        ("log-file /a # b # c", [("log-file", "/a")]),
        ("pin-cache -1", [("pin-cache", "-1")]),
        ("providers a, b ,c", [("providers", "a, b ,c")]),
        ("provider-a-library /x.so", [("provider-a-library", "/x.so")]),
        ("provider-my-own-one-library /x.so", [("provider-my-own-one-library", "/x.so")]),
        ("provider-library-library /x.so", [("provider-library-library", "/x.so")]),
        ("provider-a-cert-private", [("provider-a-cert-private", "")]),
        ('provider-a-serial "My #1 token"=00ff', [("provider-a-serial", '"My #1 token"=00ff')]),
        ("provider-a-init-args a='b' # c", [("provider-a-init-args", "a='b' # c")]),
        ('provider-a-init-args "a=b"', [("provider-a-init-args", "a=b")]),
        ('provider-a-init-args "a" "b"', [("provider-a-init-args", '"a" "b"')]),
        ('provider-a-init-args configdir="/a b', [("provider-a-init-args", 'configdir="/a b')]),
    ],
)
def test_lines(line: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(line + "\n") == expected
    assert pairs("\n\n" + line if line[:1] != "\ufeff" else line) == expected


def test_paths_that_are_not_utf_8_survive() -> None:
    givens, _ = parse_options(b"log-file /\xff\xfe", FILE)
    assert givens[0].value.encode("utf-8", "surrogateescape") == b"/\xff\xfe"


def test_only_line_feeds_end_a_line() -> None:
    assert pairs("log-file /a\x0bb\x85c\u2028d") == [("log-file", "/a\x0bb\x85c\u2028d")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("verbos", ("unknown option 'verbos'", "did you mean 'verbose'")),
        ("Verbose", ("unknown option 'Verbose'",)),
        ("verb", ("unknown option",)),
        ("xyzzy", ("unknown option 'xyzzy'",)),
        ("provider-a-libary /x", ("did you mean 'provider-a-library'",)),
        ("provider-a-mask 1", ("unknown option 'provider-a-mask'",)),
        ("provider--library /x", ("unknown option",)),
        ("pin-cache=5", ("unknown option 'pin-cache=5'", "did you mean 'pin-cache'")),
        ("[section]", ("unknown option",)),
        ("verbose 1", ("verbose", "takes no value", "'1'")),
        ("pin-cache", ("pin-cache", "value is missing", "N")),
        ("pin-cache # 20", ("value is missing",)),
        ('log-file ""', ("value is missing",)),
        ('log-file "/a', ("closing double quote",)),
        ("pin-cache 5m", ("pin-cache", "'5m'", "seconds")),
        ("pin-cache -2", ("without limit",)),
        ("pin-cache 1_0", ("seconds",)),
        ("pin-cache \u0665", ("seconds",)),
        ("providers ,", ("at least one name",)),
        ("providers a b", ("'a b'", "commas")),
        ("providers a,b,a", ("'a'", "twice")),
        ("openpgp-sign 5C66", ("40 hexadecimal digits",)),
        ("openpgp-sign 5C661B8C 07CFD957 F7D98D5B 9A0F31D2 36BFAC2A", ("without blanks",)),
        ("provider-a-private-mask sign", ("hexadecimal",)),
        ("provider-a-private-mask 0x", ("hexadecimal",)),
        ("provider-a-serial xyz", ("SERIAL",)),
        ("provider-a-serial 123", ("even number",)),
        ("provider-a-serial " + "00" * 17, ("up to 32",)),
        ("provider-a-serial =0011", ("LABEL=SERIAL",)),
        ("provider-a-workers 0", ("cpus",)),
        ("provider-a-workers many", ("cpus",)),
        ("provider-a-timeout 0", ("above 0",)),
        ("provider-a-timeout nan", ("above 0",)),
        ("provider-a-timeout 1e3", ("above 0",)),
        ("provider-a-timeout .", ("above 0",)),
        ("debug-level loud", ("guru",)),
        ("debug -1", ("debug flags",)),
        ("debug help", ("command line",)),
        ("homedir /x", ("homedir", "command line")),
        ("daemon", ("command line",)),
        ("version", ("command line",)),
        ("log-file /a\0b", ("NUL",)),
        ("log-file tcp://localhost:1", ("socket://PATH",)),
    ],
)
def test_errors_name_file_line_and_remedy(line: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        pairs("# first\n" + line + "\nverbose\n")
    assert (caught.value.file, caught.value.line) == (FILE, 2)
    assert str(caught.value).startswith(f"{FILE}:2: ")
    for word in words:
        assert word in str(caught.value)


def test_unknown_options_may_be_announced_as_in_gnupg() -> None:
    assert pairs("ignore-invalid-option future, other\nfuture 1\nother\nverbose") == [("verbose", "")]


def test_a_provider_line_without_attribute_is_skipped_as_by_the_predecessor() -> None:
    assert pairs("provider-p1 /x.so") == []
    assert warnings("provider-p1 /x.so")[0].startswith(f"{FILE}:1: ")


def test_the_later_line_wins_with_a_warning() -> None:
    (warning,) = warnings("providers a\nverbose\nverbose\nproviders b\nproviders b")[:1]
    assert warning.startswith(f"{FILE}:4: ")
    assert "line 1" in warning


def test_equal_and_repeatable_lines_are_no_reason_to_warn() -> None:
    assert warnings("pin-cache 5\npin-cache 5\nprovider-a-serial a=00\nprovider-a-serial b=11") == []


@pytest.mark.parametrize("name", [name for name, option in BY_NAME.items() if option.role is Role.IGNORED])
def test_options_of_scdaemon_alone_are_ignored_with_place_and_reason(name: str) -> None:
    line = name if BY_NAME[name].kind.value == "flag" else f"{name} x"
    assert pairs(line) == []
    assert warnings(f"\n{line}")[0].startswith(f"{FILE}:2: option '{name}' has no effect here: ")


@pytest.mark.parametrize("last", sorted(PROVIDER_OPTIONS))
@pytest.mark.parametrize("first", sorted(PROVIDER_OPTIONS))
def test_a_provider_may_have_an_attribute_in_its_name(first: str, last: str) -> None:
    value = {"private-mask": "1", "serial": "00", "workers": "1", "timeout": "1"}.get(last, "x")
    flag = PROVIDER_OPTIONS[last].kind.value == "flag"
    givens, _ = parse_options(f"provider-a-{first}-{last} {'' if flag else value}".encode(), FILE)
    assert (givens[0].provider, givens[0].option.name) == (f"a-{first}", last)


def test_reading_a_real_file(tmp_path: Path) -> None:
    file = tmp_path / "scd.conf"
    file.write_bytes(b"verbose\nfoo\n")
    with pytest.raises(ConfigError, match=f"^{file}:2: "):
        read_option_file(str(file))


def test_what_is_no_readable_file(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"\n" * ((1 << 20) + 1))
    for path, word in ((tmp_path / "none", "No such file"), (tmp_path, "directory"), (big, "1 MiB")):
        with pytest.raises(ConfigError) as caught:
            read_option_file(str(path))
        assert str(caught.value).startswith(f"{path}: ")
        assert word in str(caught.value)


_LINES = st.one_of(
    st.binary(max_size=30),
    st.tuples(
        st.sampled_from(sorted(BY_NAME) + [f"provider-x-{name}" for name in PROVIDER_OPTIONS]).map(str.encode),
        st.binary(max_size=20),
    ).map(b" ".join),
)


@given(st.lists(_LINES, max_size=8).map(b"\n".join))
def test_any_octets_give_options_or_a_config_error_with_a_line(content: bytes) -> None:
    places: list[tuple[str | None, int | None]] = []
    try:
        places += [(given.file, given.line) for given in parse_options(content, FILE)[0]]
    except ConfigError as error:
        places.append((error.file, error.line))
    assert all(file == FILE and line and 1 <= line <= content.count(b"\n") + 1 for file, line in places)
