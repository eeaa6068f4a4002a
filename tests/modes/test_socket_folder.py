"""Where the socket lies, and that it goes whatever ends the daemon."""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from scd.daemon.socketdir import SocketFolder, clean_stale
from tests.harness.assuan_client import connect
from tests.modes.stage import Running, Stage, eventually

LONG = "x" * 100


def place(client_env: dict[str, str | None], stage: Stage) -> Path:
    """The folder in which the socket's own folder is made."""
    daemon = stage.start("--multi-server", env=client_env)
    name = Path(os.fsdecode(daemon.greeted().transact("GETINFO socket_name").data))
    assert name.is_socket()
    daemon.hang_up()
    assert daemon.end() == 0
    assert not name.parent.exists()
    return name.parent.parent


def test_the_environment_says_where(stage: Stage, elsewhere: Path) -> None:
    assert place({"GNUPG_PKCS11_SOCKETDIR": str(elsewhere)}, stage) == elsewhere
    assert place({}, stage) == stage.sockets
    assert place({"GNUPG_PKCS11_SOCKETDIR": "", "TMPDIR": None}, stage) == Path("/tmp")


def test_a_path_that_is_too_long_is_passed_over(stage: Stage) -> None:
    long = stage.root / LONG
    long.mkdir()

    assert place({"GNUPG_PKCS11_SOCKETDIR": str(long)}, stage) == stage.sockets
    assert f"'{long}' is too long a path for the socket" in stage.logged


def test_the_longest_possible_path_is_used(stage: Stage) -> None:
    """107 octets, of which folder and socket take 21."""
    deep = stage.root / ("y" * (107 - 21 - len(str(stage.root)) - 1))
    deep.mkdir()

    assert place({"TMPDIR": str(deep)}, stage) == deep


@pytest.mark.parametrize(
    ("spoil", "why"),
    [(lambda _: None, "No such file or directory"), (Path.touch, "Not a directory")],
)
def test_a_place_that_cannot_be_used_is_passed_over(stage: Stage, spoil: Callable[[Path], None], why: str) -> None:
    bad = stage.root / "bad"
    spoil(bad)

    assert place({"GNUPG_PKCS11_SOCKETDIR": str(bad)}, stage) == stage.sockets
    assert f"no socket can be made in '{bad}': {why}; looking for another place" in stage.logged


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_an_unwritable_place_is_passed_over(tmp_path: Path) -> None:
    """Not by a process: another user may not even reach the interpreter here."""
    tmp_path.chmod(0o755)
    folder = _as_nobody(lambda: SocketFolder({"GNUPG_PKCS11_SOCKETDIR": "/usr", "TMPDIR": ""}, backlog=1))

    assert folder.startswith("/tmp/scd-")


def _as_nobody(make: Callable[[], SocketFolder]) -> str:
    """Make a socket folder in a child with another uid, and remove it; its path, or what went wrong."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setuid(65534)
        try:
            folder = make()
            told = folder.path
            if "'/usr'" not in folder.warnings[0] or "Permission denied" not in folder.warnings[0]:
                told = str(folder.warnings)
            folder.remove()
        except OSError as error:
            told = str(error)
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        told = pipe.read()
    os.wait()
    return told


def test_no_place_at_all_says_what_was_tried(stage: Stage) -> None:
    long = stage.root / LONG / LONG
    with pytest.raises(OSError, match=r"no place for the socket: .* is too long .* set TMPDIR"):
        SocketFolder({"TMPDIR": str(long)}, backlog=1, last=str(long))


# What ends a daemon, given a client at its pipe; its exit status, None for any
ENDS: dict[str, tuple[Callable[[Running], object], int]] = {
    "EOF": (lambda daemon: daemon.hang_up(), 0),
    "BYE": (lambda daemon: _say(daemon, b"BYE\n"), 0),
    "KILLSCD": (lambda daemon: _say(daemon, b"KILLSCD\n"), 0),
    "SIGINT": (lambda daemon: daemon.signal(signal.SIGINT), 0),
    "SIGTERM and EOF": (lambda daemon: _terminate(daemon), 0),
    "SIGTERM three times": (lambda daemon: _three_times(daemon), 0),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("when", ["at once", "later"])
def test_it_is_removed_at_every_end(stage: Stage, end: str, when: str) -> None:
    """At once: most likely before the loop runs, which takes as long again as the greeting."""
    daemon = stage.start("--multi-server")
    daemon.greeted() if when == "at once" else daemon.ready()
    assert stage.socket().is_socket()
    bring, status = ENDS[end]

    bring(daemon)

    assert daemon.end() == status
    assert stage.folders() == []


def _say(daemon: Running, command: bytes) -> None:
    assert daemon.process.stdin is not None
    daemon.process.stdin.write(command)
    daemon.process.stdin.flush()


def _terminate(daemon: Running) -> None:
    daemon.signal(signal.SIGTERM)
    daemon.hang_up()


def _three_times(daemon: Running) -> None:
    """Signals of one number that wait are one; so each is seen handled before the next."""
    for times in range(1, 3):
        daemon.signal(signal.SIGTERM)
        daemon.stage.wait_for_log("SIGTERM received", times)
    daemon.signal(signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_as_soon_as_there_is_a_socket(stage: Stage, number: int) -> None:
    """Before the greeting even."""
    daemon = stage.start("--multi-server", stdout=os.open(os.devnull, os.O_WRONLY))
    eventually(stage.folders, "a folder")

    daemon.signal(number)
    if number == signal.SIGTERM:
        daemon.hang_up()

    assert daemon.end() == 0
    assert stage.folders() == []


def test_a_hail_of_signals_at_the_end(stage: Stage) -> None:
    """Also when the loop has ended and Python's own reaction to signals is back."""
    daemon = stage.start("--multi-server")
    daemon.ready()
    daemon.hang_up()
    while daemon.process.poll() is None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            daemon.signal(number)

    assert daemon.end() == 0
    assert stage.folders() == []


def test_an_error_removes_it(stage: Stage) -> None:
    """As many descriptors as the socket needs, and none for the event loop."""
    daemon = stage.start("--multi-server", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6)))

    assert daemon.end() == 2
    assert "Too many open files" in stage.said
    assert stage.folders() == []


def test_what_a_killed_daemon_left_is_removed_by_the_next_one(stage: Stage) -> None:
    killed = stage.start("--multi-server")
    killed.ready()
    left = stage.socket().parent
    killed.signal(signal.SIGKILL)
    assert killed.end() == -signal.SIGKILL
    assert left.exists()

    daemon = stage.start("--multi-server")
    daemon.ready()

    eventually(lambda: not left.exists(), "the killed daemon's folder removed")
    assert len(stage.folders()) == 1
    daemon.hang_up()
    assert daemon.end() == 0


def test_two_daemons_in_one_place_leave_each_other_alone(stage: Stage) -> None:
    daemons = [stage.start("--multi-server") for _ in range(4)]
    paths = [Path(os.fsdecode(daemon.greeted().transact("GETINFO socket_name").data)) for daemon in daemons]

    for daemon, path in zip(daemons, paths, strict=True):
        with connect(path) as client:
            assert client.transact("GETINFO pid").data == str(daemon.pid).encode()

    for daemon in daemons:
        daemon.hang_up()
        assert daemon.end() == 0
    assert stage.folders() == []


@pytest.mark.parametrize(
    "name",
    [
        "scd-",
        "scd-home",
        "scd-bench-0123456789",
        "scd-012345678",
        "scd-01234567890",
        "scd-012345678X",
        "scx-0123456789",
    ],
)
def test_folders_of_others_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()

    clean_stale(str(tmp_path))

    assert (tmp_path / name).exists()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    kept, gone = tmp_path / "scd-0123456789", tmp_path / "scd-abcdef0123"
    kept.mkdir()
    (kept / "letter").touch()
    gone.mkdir()

    clean_stale(str(tmp_path))

    assert (kept / "letter").exists()
    assert not gone.exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "S.scd").touch()
    (tmp_path / "scd-0123456789").symlink_to(target)

    clean_stale(str(tmp_path))

    assert (target / "S.scd").exists()


def test_a_living_folder_is_left_alone(tmp_path: Path) -> None:
    folder = SocketFolder({"TMPDIR": str(tmp_path)}, backlog=1)
    try:
        clean_stale(str(tmp_path))

        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(folder.path)
    finally:
        folder.remove()
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_many_that_start_while_others_clean_up(tmp_path: Path) -> None:
    """Between its making and its lock a folder looks like a stale one."""
    cleaner = os.fork()
    if cleaner == 0:
        while os.getppid() != 1 and not (tmp_path / "stop").exists():
            clean_stale(str(tmp_path))
        os._exit(0)
    try:
        for _ in range(300):
            folder = SocketFolder({"TMPDIR": str(tmp_path)}, backlog=1)
            assert Path(folder.path).is_socket()
            folder.remove()
    finally:
        (tmp_path / "stop").touch()
        os.waitpid(cleaner, 0)
