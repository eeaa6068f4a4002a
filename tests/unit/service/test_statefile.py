"""The file beside the tokens: nothing is lost, nothing that is not understood is overwritten."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scd.daemon.failures import code_for, text_for
from scd.service.kept.statefile import LONGEST_FILE, STATE_FILE, StateFile, StateFileError
from scd.token.model import TokenId
from tests.harness.tokens import REPOSITORY

ONE = TokenId("maker", "model", "0001", "one")
OTHER = TokenId("maker", "model", "0002", "m\u00fcller \udcff")

ENTRY = '{"version": 1, "tokens": [{"manufacturer": "", "model": "", "serial": "", "label": "", "values": {"A": ?}}]}'

WRITER = """
import sys
from scd.service.kept.statefile import StateFile
from scd.token.model import TokenId
for n in range(15):
    StateFile(sys.argv[1]).write(TokenId("maker", "model", "0001", "one"), f"{sys.argv[2]}-{n}", b"%d" % n)
"""

SHORT_OF_ROOM = """
import resource, sys
from scd.service.kept.statefile import StateFile
from scd.token.model import TokenId
resource.setrlimit(resource.RLIMIT_FSIZE, (40, resource.RLIM_INFINITY))
StateFile(sys.argv[1]).write(TokenId("maker", "model", "0001", "one"), "DISP-NAME", b"new")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / STATE_FILE


def program(text: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)


def test_what_was_written_is_there_for_the_next_daemon(path: Path) -> None:
    odd = bytes(range(256))
    StateFile(str(path)).write(ONE, "DISP-NAME", b"Joe 100%")
    StateFile(str(path)).write(OTHER, "PRIVATE-DO-1", odd)
    assert StateFile(str(path)).read(ONE) == {"DISP-NAME": b"Joe 100%"}
    assert StateFile(str(path)).read(OTHER) == {"PRIVATE-DO-1": odd}


def test_tokens_that_agree_in_everything_are_two(path: Path) -> None:
    twin = replace(ONE, twin=1)
    StateFile(str(path)).write(twin, "DISP-NAME", b"second")
    assert (StateFile(str(path)).read(ONE), StateFile(str(path)).read(twin)) == ({}, {"DISP-NAME": b"second"})


def test_people_can_read_it(path: Path) -> None:
    StateFile(str(path)).write(ONE, "DISP-NAME", "Jürgen, 5%".encode())
    entry = {"manufacturer": "maker", "model": "model", "serial": "0001", "label": "one"}
    values = {"DISP-NAME": "J%C3%BCrgen, 5%25"}
    assert json.loads(path.read_text("ascii")) == {"version": 1, "tokens": [{**entry, "values": values}]}


def test_people_can_write_it(path: Path) -> None:
    StateFile(str(path)).write(ONE, "DISP-NAME", b"?")
    path.write_text(path.read_text().replace("?", "Jür%67en"))
    assert StateFile(str(path)).read(ONE) == {"DISP-NAME": "Jürgen".encode()}


def test_none_deletes(path: Path) -> None:
    file = StateFile(str(path))
    file.write(ONE, "DISP-NAME", b"Joe")
    file.write(ONE, "DISP-SEX", b"1")
    file.write(ONE, "DISP-NAME", None)
    assert file.read(ONE) == {"DISP-SEX": b"1"}
    file.write(ONE, "DISP-SEX", None)
    assert json.loads(path.read_bytes())["tokens"] == []


def test_only_the_user_may_read_it(path: Path) -> None:
    path.write_text("")
    path.chmod(0o644)
    StateFile(str(path)).write(ONE, "LOGIN-DATA", b"joe")
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_new_touches_nothing(path: Path) -> None:
    file = StateFile(str(path))
    file.write(ONE, "DISP-NAME", b"Joe")
    before = path.stat().st_ino
    file.write(ONE, "DISP-NAME", b"Joe")
    file.write(ONE, "DISP-SEX", None)
    assert path.stat().st_ino == before


def test_without_a_path_it_stays_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = StateFile(None)
    file.write(ONE, "DISP-NAME", b"Joe")
    assert (file.read(ONE), file.read(OTHER)) == ({"DISP-NAME": b"Joe"}, {})
    assert list(tmp_path.iterdir()) == []


def test_two_daemons_lose_nothing(path: Path) -> None:
    writers = [program(WRITER, path, name) for name in "ab"]
    for writer in writers:
        assert writer.communicate(timeout=60)[1] == ""
    assert StateFile(str(path)).read(ONE) == {f"{name}-{n}": b"%d" % n for name in "ab" for n in range(15)}


def test_the_lock_is_not_waited_for_for_ever(path: Path) -> None:
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StateFileError, match="another process"):
            StateFile(str(path), patience_s=0.05).write(ONE, "DISP-NAME", b"Joe")
    assert not path.exists()


def test_what_a_killed_writer_left_is_in_nobodys_way(path: Path) -> None:
    path.with_name(f"{path.name}.new").write_text("half of")
    StateFile(str(path)).write(ONE, "DISP-NAME", b"Joe")
    assert sorted(os.listdir(path.parent)) == [path.name, f"{path.name}.lock"]


def test_a_write_that_fails_leaves_the_old_file(path: Path) -> None:
    """A limit to the size of files stands for the full disk."""
    StateFile(str(path)).write(ONE, "DISP-NAME", b"old")
    writer = program(SHORT_OF_ROOM, path)
    assert re.search(rf"StateFileError: {path} cannot be written: File too large", writer.communicate(timeout=60)[1])
    assert StateFile(str(path)).read(ONE) == {"DISP-NAME": b"old"}
    assert not path.with_name(f"{path.name}.new").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("\xff", "not JSON"),
        ("[]", "not what scd writes"),
        ('{"version": 1}', "not what scd writes"),
        ('{"version": 2, "tokens": []}', "version 2 is not known"),
        ('{"version": 1, "tokens": [{"label": "one"}]}', "an entry of tokens"),
        (ENTRY.replace('"A": ?', "").replace('"label"', '"twin": "1", "label"'), "twin of a token is no number"),
        (ENTRY.replace("?", "1"), "of A is no text"),
        (ENTRY.replace("?", '"%4"'), "of A has a %"),
        (ENTRY.replace("?", '"%x1"'), "of A has a %"),
    ],
)
def test_what_is_not_understood_is_not_overwritten(path: Path, text: str, reason: str) -> None:
    path.write_text(text, "latin-1")
    said = rf"{path}: .*{reason}.*not overwritten"
    with pytest.raises(StateFileError, match=said):
        StateFile(str(path)).read(ONE)
    with pytest.raises(StateFileError, match=said):
        StateFile(str(path)).write(ONE, "DISP-NAME", b"Joe")
    assert path.read_text("latin-1") == text


def test_a_file_too_long_is_not_read(path: Path) -> None:
    path.touch()
    os.truncate(path, LONGEST_FILE + 1)
    with pytest.raises(StateFileError, match="longer than"):
        StateFile(str(path)).read(ONE)


def test_a_symbolic_link_is_not_followed(path: Path) -> None:
    target = path.with_name("elsewhere")
    path.symlink_to(target)
    target.write_text("")
    with pytest.raises(StateFileError, match="no symbolic link"):
        StateFile(str(path)).write(ONE, "DISP-NAME", b"Joe")
    assert target.read_text() == ""


def test_a_lock_that_is_a_symbolic_link_is_not_followed(path: Path) -> None:
    Path(f"{path}.lock").symlink_to(path.with_name("elsewhere"))
    with pytest.raises(StateFileError, match="no symbolic link"):
        StateFile(str(path)).write(ONE, "DISP-NAME", b"Joe")
    assert not path.with_name("elsewhere").exists()


def test_a_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(StateFileError, match="no regular file"):
        StateFile(str(path)).read(ONE)


def test_a_directory_is_no_file(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StateFileError, match="no regular file"):
        StateFile(str(path)).read(ONE)


def test_a_missing_home_holds_nothing_and_takes_nothing(tmp_path: Path) -> None:
    file = StateFile(str(tmp_path / "home" / STATE_FILE))
    assert file.read(ONE) == {}
    file.write(ONE, "DISP-NAME", None)
    with pytest.raises(StateFileError, match="No such file or directory; make the directory"):
        file.write(ONE, "DISP-NAME", b"Joe")


def test_a_home_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(StateFileError, match="the home has to be a directory"):
        StateFile(str(tmp_path / "home" / STATE_FILE)).read(ONE)


@pytest.mark.skipif(not os.path.ismount("/sys"), reason="/sys is not mounted here")
def test_a_home_that_cannot_be_written_is_said() -> None:
    """Nobody, root included, makes files there."""
    with pytest.raises(StateFileError, match=r"cannot be written: .*; (let scd's user|the file system is)"):
        StateFile(f"/sys/{STATE_FILE}").write(ONE, "DISP-NAME", b"Joe")


def test_the_client_is_told(path: Path) -> None:
    path.write_text("?")
    with pytest.raises(StateFileError) as caught:
        StateFile(str(path)).read(ONE)
    assert code_for(caught.value).name == "EIO"
    assert text_for(caught.value) == str(caught.value)
