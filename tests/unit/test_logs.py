"""The log: form, levels, destinations that come and go, and what it must never show."""

from __future__ import annotations

import logging
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scd import logs
from scd.config import DebugFlag, Settings
from scd.config.debug import EVERYTHING

SECRET = "314159"


@pytest.fixture(autouse=True)
def _clean_logging() -> Iterator[None]:
    """Leave logging as it was found: no handler of ours, no level."""
    yield
    root = logging.getLogger()
    logs._drop_handlers(root)
    root.setLevel(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "scd":
            logging.getLogger(name).setLevel(logging.NOTSET)


def settings(log_file: Path | str | None = None, **others: object) -> Settings:
    return Settings(home="/h", log_file=str(log_file) if log_file else None, **others)  # type: ignore[arg-type]


def logged(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def test_a_line_in_a_file_is_dated_as_gnupg_does(tmp_path: Path) -> None:
    logs.set_up(settings(tmp_path / "log", verbosity=1))
    logging.getLogger("scd.x").info("token=%s", "a b")
    date, clock, program, text = logged(tmp_path / "log").rstrip("\n").split(" ", 3)
    assert [len(part) for part in date.split("-")] == [4, 2, 2]
    assert [len(part) for part in clock.split(":")] == [2, 2, 2]
    assert (program, text) == (f"scd[{os.getpid()}]", "token=a b")


def test_a_line_on_stderr_has_no_date(capfd: pytest.CaptureFixture[str]) -> None:
    logs.set_up(settings())
    logging.getLogger("scd.x").warning("mind this")
    assert capfd.readouterr().err == f"scd[{os.getpid()}]: WARNING: mind this\n"


def test_the_file_is_for_its_owner_and_is_appended_to(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("before\n")
    file.chmod(0o644)
    logs.set_up(settings(file))
    logging.getLogger("scd.x").error("after")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert logged(file).startswith("before\n")
    assert "ERROR: after" in logged(file)


@pytest.mark.parametrize(
    ("others", "shown"),
    [
        ({"quiet": True}, {"error"}),
        ({}, {"error", "warning"}),
        ({"verbosity": 1}, {"error", "warning", "info"}),
        ({"verbosity": 1, "quiet": True}, {"error", "warning", "info"}),
        ({"verbosity": 2}, {"error", "warning", "info", "debug"}),
        ({"verbosity": 1, "debug": EVERYTHING}, {"error", "warning", "info", "debug"}),
        ({"verbosity": 1, "debug": DebugFlag.MPI}, {"error", "warning", "info"}),
    ],
)
def test_levels(others: dict[str, object], shown: set[str], tmp_path: Path) -> None:
    logs.set_up(settings(tmp_path / "log", **others))
    for word in ("debug", "info", "warning", "error"):
        getattr(logging.getLogger("scd.x"), word)("this is %s", word)
    assert {line.rsplit(" ", 1)[1] for line in logged(tmp_path / "log").splitlines()} == shown


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        (DebugFlag.CACHE, "scd.service.pins.logins"),
        (DebugFlag.CARD, "scd.cryptoki.module"),
        (DebugFlag.READER, "scd.daemon.watch"),
    ],
)
def test_a_debug_flag_opens_its_own_part_only(flag: DebugFlag, name: str, tmp_path: Path) -> None:
    logs.set_up(settings(tmp_path / "log", verbosity=1, debug=flag))
    logging.getLogger(name).debug("wanted")
    logging.getLogger("scd.assuan").debug("unwanted")
    assert "DBG: wanted" in logged(tmp_path / "log")
    assert "unwanted" not in logged(tmp_path / "log")


def test_a_second_set_up_replaces_the_first(tmp_path: Path) -> None:
    logs.set_up(settings(tmp_path / "a", verbosity=1, debug=DebugFlag.CACHE))
    logs.set_up(settings(tmp_path / "b"))
    logging.getLogger("scd.service").debug("details")
    logging.getLogger("scd.x").warning("here")
    assert logged(tmp_path / "a") == ""
    assert logged(tmp_path / "b").count("\n") == 1
    assert len([handler for handler in logging.getLogger().handlers if logs.is_ours(handler)]) == 1


def test_other_peoples_handlers_stay(tmp_path: Path) -> None:
    mine = logging.NullHandler()
    logging.getLogger().addHandler(mine)
    try:
        logs.set_up(settings(tmp_path / "a"))
        assert mine in logging.getLogger().handlers
    finally:
        logging.getLogger().removeHandler(mine)


def test_reopen_follows_a_rotated_file(tmp_path: Path) -> None:
    file, old = tmp_path / "log", tmp_path / "log.1"
    logs.set_up(settings(file))
    logging.getLogger("scd.x").warning("one")
    file.rename(old)
    logging.getLogger("scd.x").warning("two")
    logs.reopen()
    logging.getLogger("scd.x").warning("three")
    assert [line.rsplit(" ", 1)[1] for line in logged(old).splitlines()] == ["one", "two"]
    assert [line.rsplit(" ", 1)[1] for line in logged(file).splitlines()] == ["three"]


def test_reopen_keeps_the_old_file_when_there_can_be_no_new_one(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    logs.set_up(settings(tmp_path / "d" / "log"))
    (tmp_path / "d").rename(tmp_path / "e")
    logs.reopen()
    logging.getLogger("scd.x").warning("still")
    assert "still" in logged(tmp_path / "e" / "log")


@pytest.mark.parametrize("bad", ["none/log", ".", "a\0b"])
def test_a_log_file_that_cannot_be_opened_is_replaced_by_stderr(
    bad: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.set_up(settings(f"{tmp_path}/{bad}"))
    assert "logging to stderr" in capfd.readouterr().err


def test_a_fifo_without_reader_does_not_block(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "fifo")
    logs.set_up(settings(tmp_path / "fifo"))
    assert "logging to stderr" in capfd.readouterr().err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_nobodys_error(capfd: pytest.CaptureFixture[str]) -> None:
    logs.set_up(settings("/dev/full"))
    logging.getLogger("scd.x").error("lost")
    assert capfd.readouterr().err == ""


def test_a_program_without_stderr_logs_nowhere() -> None:
    code = (
        "import logging, scd.logs as l, scd.config as c; l.set_up(c.Settings(home='/')); logging.error('x'); print(1)"
    )
    root = str(Path(__file__).parents[2])
    shell = f'exec "{sys.executable}" -c "{code}" 2>&-'
    run = subprocess.run(
        ["/bin/sh", "-c", shell], env=os.environ | {"PYTHONPATH": root}, stdout=subprocess.PIPE, timeout=60
    )
    assert (run.returncode, run.stdout) == (0, b"1\n")


def test_control_characters_cannot_forge_lines(tmp_path: Path) -> None:
    logs.set_up(settings(tmp_path / "log"))
    logging.getLogger("scd.x").warning("label=%s", "a\nb\x1b[0m\udcffü")
    assert logged(tmp_path / "log").endswith("label=a\\nb\\x1b[0m\\udcffü\n")


def test_a_faulty_log_call_says_where_it_stands(tmp_path: Path) -> None:
    logs.set_up(settings(tmp_path / "log"))
    (handler,) = (handler for handler in logging.getLogger().handlers if logs.is_ours(handler))
    handler.handle(logging.LogRecord("scd.x", logging.WARNING, __file__, 7, "%d", ("x",), None))
    assert "unprintable log record (TypeError) of scd.x, line 7\n" in logged(tmp_path / "log")


def test_a_traceback_has_neither_locals_nor_what_the_exception_quotes(tmp_path: Path) -> None:
    logs.set_up(settings(tmp_path / "log"))

    def fail(pin: str) -> int:
        return int(pin + "x")

    try:
        fail(SECRET)
    except ValueError:
        logging.getLogger("scd.x").exception("command failed")
    text = logged(tmp_path / "log")
    assert "ValueError, raised here:" in text
    assert "in fail" in text
    assert SECRET not in text


def test_what_led_to_an_exception_is_shown_the_same_way(tmp_path: Path) -> None:
    logs.set_up(settings(tmp_path / "log"))
    try:
        try:
            os.environ[SECRET]
        except KeyError as error:
            raise RuntimeError(SECRET) from error
    except RuntimeError:
        logging.getLogger("scd.x").exception("command failed")
    text = logged(tmp_path / "log")
    assert text.index("KeyError, raised here:") < text.index("RuntimeError, raised here:")
    assert SECRET not in text


@pytest.mark.parametrize(
    "message",
    [
        f"D {SECRET}",
        f"got D [{SECRET}"[4:],
        f"D [6 octets]{SECRET} octets]",
        f"chan_1 <- D {SECRET}",
        f"chan_1 -> D {SECRET}",
        f"unexpected {f'D {SECRET}'.encode()!r}",
        f'unexpected "D {SECRET}"',
        f"'D x' after <- D {SECRET}",
    ],
)
def test_a_data_line_in_any_message_is_withheld(message: str, tmp_path: Path) -> None:
    """The second line of defence: no caller should get this far."""
    logs.set_up(settings(tmp_path / "log"))
    logging.getLogger("scd.x").warning("%s", message)
    assert SECRET not in logged(tmp_path / "log")


# The socket


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A path that fits into sun_path."""
    return str(tmp_path_factory.mktemp("s") / "l")


def listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    listener.settimeout(20)
    return listener


def receive(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.settimeout(20)
    return connection


def test_lines_go_to_the_socket(short_path: str) -> None:
    with listen(short_path) as listener:
        logs.set_up(settings(f"socket://{short_path}"))
        logging.getLogger("scd.x").warning("one")
        logging.getLogger("scd.x").warning("two")
        with receive(listener) as connection:
            data = b""
            while data.count(b"\n") < 2:
                data += connection.recv(4096)
    assert [line.rsplit(b" ", 1)[1] for line in data.splitlines()] == [b"one", b"two"]


def test_without_listener_lines_are_dropped_and_counted(short_path: str) -> None:
    logs.set_up(settings(f"socket://{short_path}"))
    for _ in range(5):
        logging.getLogger("scd.x").warning("lost")
    logs.reopen()
    with listen(short_path) as listener:
        logging.getLogger("scd.x").warning("arrived")
        with receive(listener) as connection:
            data = b""
            while data.count(b"\n") < 2:
                data += connection.recv(4096)
    first, second = data.splitlines()
    assert first.endswith(b"5 log lines were lost")
    assert second.endswith(b"arrived")


def test_a_listener_that_does_not_read_never_blocks_the_daemon(short_path: str) -> None:
    with listen(short_path) as listener:
        logs.set_up(settings(f"socket://{short_path}"))
        for number in range(400):
            logging.getLogger("scd.x").warning("%d %s", number, "x" * 4000)
        with receive(listener) as connection:
            assert connection.recv(100).startswith(b"2")


def test_a_listener_that_left_is_found_again(short_path: str) -> None:
    logs.set_up(settings(f"socket://{short_path}"))
    with listen(short_path) as listener:
        logging.getLogger("scd.x").warning("one")
        receive(listener).close()
    os.unlink(short_path)
    logging.getLogger("scd.x").warning("two")
    with listen(short_path) as listener:
        logs.reopen()
        logging.getLogger("scd.x").warning("three")
        with receive(listener) as connection:
            data = connection.recv(4096)
            while data.count(b"\n") < 2:
                data += connection.recv(4096)
    assert b"1 log lines were lost" in data
    assert data.endswith(b"three\n")
