"""The command line: GnuPG's habits, and what is said to those who mistype."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scd.config import CommandLine, ConfigError, Mode, parse_command_line
from scd.config.options import BY_NAME, Role


@pytest.mark.parametrize(
    ("argv", "mode"),
    [
        ([], Mode.NONE),
        (["--server"], Mode.SERVER),
        (["--multi-server"], Mode.MULTI_SERVER),
        (["--multi-server", "--server"], Mode.MULTI_SERVER),
        (["--server", "--multi-server"], Mode.MULTI_SERVER),
        (["--daemon"], Mode.DAEMON),
        (["--supervised"], Mode.SUPERVISED),
        (["--server", "--daemon"], Mode.DAEMON),
        (["--help"], Mode.HELP),
        (["-h"], Mode.HELP),
        (["-?"], Mode.HELP),
        (["--server", "--version"], Mode.VERSION),
        (["--dump-options"], Mode.DUMP_OPTIONS),
        (["--dump-option-table"], Mode.DUMP_OPTION_TABLE),
        (["--gpgconf-list"], Mode.GPGCONF_LIST),
        (["--gpgconf-test", "--server"], Mode.GPGCONF_TEST),
        (["--gpgconf-test", "--help"], Mode.HELP),
        (["--server", "--debug", "help"], Mode.DEBUG_HELP),
        (["--debug=?"], Mode.DEBUG_HELP),
    ],
)
def test_mode(argv: list[str], mode: Mode) -> None:
    assert parse_command_line(argv).mode is mode


def test_defaults_are_those_of_scdaemon() -> None:
    assert parse_command_line([]) == CommandLine()
    assert CommandLine().listen_backlog == 64


def test_a_printing_mode_ends_the_parsing_where_it_stands() -> None:
    assert parse_command_line(["--help", "--no-such-option"]).mode is Mode.HELP


def test_a_gpgconf_mode_lets_the_rest_be_checked() -> None:
    with pytest.raises(ConfigError, match="no-such-option"):
        parse_command_line(["--gpgconf-test", "--no-such-option"])


def test_what_gpg_agent_sends(tmp_path: Path) -> None:
    line = parse_command_line(["--multi-server", "--homedir", str(tmp_path)])
    assert (line.mode, line.homedir, line.warnings) == (Mode.MULTI_SERVER, str(tmp_path), ())


def test_uids_of_directory_services_are_long() -> None:
    assert parse_command_line(["--uid-acl", "4294967294"]).uid_acl == 4294967294


@pytest.mark.parametrize("argv", [["--uid-acl", "1000"], ["--uid-acl=1000"], ["--uid", "1000"], ["--ui=1000"]])
def test_value_behind_blank_or_equals_and_unique_abbreviations(argv: list[str]) -> None:
    assert parse_command_line(argv).uid_acl == 1000


def test_short_options_are_joined_and_verbose_counts() -> None:
    names = [given.name for given in parse_command_line(["-vvq", "-v", "--verbose=1"]).overrides]
    assert names == ["verbose", "verbose", "quiet", "verbose", "verbose"]


@pytest.mark.parametrize(("argv", "shell"), [([], None), (["-s"], "sh"), (["--csh"], "csh"), (["-c", "-s"], "sh")])
def test_shell_is_the_last_one_said(argv: list[str], shell: str | None) -> None:
    assert parse_command_line(argv).shell == shell


def test_a_value_may_look_like_an_option() -> None:
    """As in GnuPG: what follows an option with a value is its value."""
    line = parse_command_line(["--debug-level", "none", "--pin-cache", "-1"])
    assert [given.value for given in line.overrides] == ["none", "-1"]


@pytest.mark.parametrize(
    ("argv", "program"),
    [
        (["--daemon", "sh", "-c", "exit 3", "--daemon"], ("sh", "-c", "exit 3", "--daemon")),
        (["--daemon", "--", "--odd-program", "-v"], ("--odd-program", "-v")),
        (["tokens", "--json"], ("tokens", "--json")),
        (["-"], ("-",)),
        (["--daemon", "--"], ()),
    ],
)
def test_the_first_other_word_or_two_dashes_end_the_options(argv: list[str], program: tuple[str, ...]) -> None:
    assert parse_command_line(argv).program == program


def test_words_behind_a_server_mode_are_ignored_with_a_warning() -> None:
    assert "'foo'" in parse_command_line(["--server", "foo"]).warnings[0]


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = parse_command_line(["--homedir", "h", "--options", "o", "--log-file", "l", "--provider-a-library", "./m.so"])
    assert (line.homedir, line.options_file) == (str(tmp_path / "h"), str(tmp_path / "o"))
    assert [given.value for given in line.overrides] == [str(tmp_path / "l"), str(tmp_path / "m.so")]


def test_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_command_line(["--homedir", "~/.gnupg"]).homedir == str(tmp_path / ".gnupg")


@pytest.mark.parametrize("value", ["stderr", "-", "socket:///run/log"])
def test_log_destinations_that_are_no_files_stay_as_they_are(value: str) -> None:
    assert parse_command_line(["--log-file", value]).overrides[0].value == value


def test_a_bare_library_name_is_left_to_the_loader() -> None:
    assert parse_command_line(["--provider-a-library=libx.so"]).overrides[0].value == "libx.so"


def test_relative_path_without_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigError, match="absolute"):
        parse_command_line(["--homedir", "h"])


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--no-such"], ("--no-such", "unknown")),
        (["--multi-sever"], ("--multi-sever", "did you mean 'multi-server'")),
        (["--provider-x-libary=a"], ("did you mean 'provider-x-library'",)),
        (["--de"], ("ambiguous", "--debug", "--deny-admin")),
        (["--=x"], ("unknown",)),
        (["-x"], ("'-x'", "-v")),
        (["-vx"], ("'-x'",)),
        (["--homedir"], ("--homedir", "needs a value")),
        (["--homedir="], ("--homedir=", "needs a value")),
        (["--homedir", ""], ("needs a value",)),
        (["--homedir", "a\0b"], ("NUL",)),
        (["--uid-acl", "root"], ("uid-acl", "'root'", "whole number")),
        (["--uid-acl", "-1"], ("whole number",)),
        (["--uid-acl", "4294967295"], ("4294967294",)),
        (["--uid-acl", "9" * 5000], ("whole number",)),
        (["--debug-wait=soon"], ("debug-wait", "whole number")),
        (["--listen-backlog", "0"], ("from 1 up",)),
        (["--debug-level", "much"], ("debug-level", "guru")),
        (["--debug", "0xfoo"], ("debug flags",)),
        (["--pin-cache", "long"], ("seconds",)),
        (["--log-file", "tcp://example.org:22"], ("socket://PATH",)),
        (["--ignore-invalid-option", "x"], ("option file",)),
    ],
)
def test_errors_name_the_word_and_what_is_right(argv: list[str], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_command_line(argv)
    assert (caught.value.file, caught.value.line) == (None, None)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("name", [name for name, option in BY_NAME.items() if option.role is Role.IGNORED])
def test_options_of_scdaemon_alone_are_ignored_with_a_warning(name: str) -> None:
    line = parse_command_line([f"--{name}", *([] if BY_NAME[name].kind.value == "flag" else ["x"]), "--server"])
    assert line.mode is Mode.SERVER
    assert line.overrides == ()
    assert f"'{name}'" in line.warnings[0]


@pytest.mark.parametrize("name", [name for name, option in BY_NAME.items() if option.role is Role.ANYWHERE])
def test_what_a_file_may_say_the_command_line_may_say_too(name: str) -> None:
    values = {
        "flag": [],
        "count": ["2"],
        "pin-cache": ["2"],
        "keygrip": ["A" * 40],
        "names": ["a"],
        "debug": ["ipc"],
        "debug-level": ["none"],
        "log-file": ["/x"],
    }
    line = parse_command_line([f"--{name}", *values[BY_NAME[name].kind.value]])
    assert [given.name for given in line.overrides] == [name]


_WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(sorted(BY_NAME)).map("--".__add__),
    st.tuples(st.sampled_from(sorted(BY_NAME)), st.text(max_size=8)).map(lambda pair: f"--{pair[0]}={pair[1]}"),
)


@given(st.lists(_WORDS, max_size=6))
def test_any_words_give_a_command_line_or_a_config_error(argv: list[str]) -> None:
    try:
        line = parse_command_line(argv)
    except ConfigError:
        return
    assert line.homedir is None or os.path.isabs(line.homedir)
