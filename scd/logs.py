"""The log: where it goes and how a line looks.

To be imported after the greeting only. Modules log through `logging.getLogger(__name__)`; nothing here is needed
for that. Whatever happens to the log, a full disk, a vanished listener, the daemon goes on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
import sys
import time
import traceback
from collections.abc import Iterator

from scd.config.debug import EVERYTHING, DebugFlag
from scd.config.settings import Settings
from scd.trace import TRACE

_ROOT = "scd"
_SOCKET = "socket://"

# Which loggers speak at DEBUG for which of GnuPG's flags; the others have no counterpart here.
_LOGGERS_OF_FLAG = {
    DebugFlag.IPC: (TRACE,),
    DebugFlag.CACHE: ("scd.service",),
    DebugFlag.CARD: ("scd.cryptoki", "scd.token"),
    DebugFlag.CARDIO: ("scd.cryptoki",),
    DebugFlag.READER: ("scd.daemon",),
    DebugFlag.APP: ("scd.service", "scd.daemon.commands"),
}

_PREFIX_OF_LEVEL = {logging.DEBUG: "DBG: ", logging.INFO: ""}

# How a data line may stand inside a message: as it is, behind an arrow of the trace, or in a repr.
_DATA_MARKS = ("<- D ", "-> D ", "'D ", '"D ')

_RETRY_S = 1.0
_BACKLOG_OCTETS = 64 * 1024


def set_up(settings: Settings) -> None:
    """Send the log where the settings say, at their level; a former destination is closed.

    A destination that cannot be opened is replaced by stderr, with a warning.
    """
    root = logging.getLogger()
    _drop_handlers(root)
    handler, complaint = _handler(settings.log_file)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(_ROOT).setLevel(_level(settings))
    for names in _LOGGERS_OF_FLAG.values():
        for name in names:
            logging.getLogger(name).setLevel(logging.NOTSET)
    for flag, names in _LOGGERS_OF_FLAG.items():
        for name in names if flag in settings.debug else ():
            logging.getLogger(name).setLevel(logging.DEBUG)
    if DebugFlag.IPC not in settings.debug:
        logging.getLogger(TRACE).setLevel(logging.INFO)
    if complaint:
        logging.getLogger(__name__).warning("%s", complaint)


def reopen() -> None:
    """Open the log file anew, for those who have just moved the old one away; a socket is connected anew."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, (_FileHandler, _SocketHandler)):
            handler.reopen()


class _Formatter(logging.Formatter):
    """GnuPG's line: `2026-11-22 10:00:00 scd[PID] text`, on stderr `scd[PID]: text`; control characters escaped."""

    def __init__(self, *, dated: bool) -> None:
        super().__init__()
        self._dated = dated

    def format(self, record: logging.LogRecord) -> str:
        text = _PREFIX_OF_LEVEL.get(record.levelno, f"{record.levelname}: ")
        text += _printable(_without_data(_message(record)))
        if record.exc_info and record.exc_info[1]:
            text = "\n  ".join((text, *map(_printable, _origin(record.exc_info[1]))))
        if not self._dated:
            return f"scd[{os.getpid()}]: {text}"
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        return f"{when} scd[{os.getpid()}] {text}"


def _message(record: logging.LogRecord) -> str:
    """The message, or where the faulty call stands: a slip in a log call must not end a command."""
    try:
        return record.getMessage()
    except Exception as error:  # whatever a caller's arguments may raise
        return f"unprintable log record ({type(error).__name__}) of {record.name}, line {record.lineno}"


def _origin(error: BaseException | None) -> Iterator[str]:
    """Where it was raised, and what led to it, in the order of time.

    Not the exceptions' own texts: they may quote what was given to them, as int() and KeyError do.
    """
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.insert(0, error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for one in chain:
        yield f"{type(one).__name__}, raised here:"
        for entry in traceback.format_tb(one.__traceback__):
            yield from entry.rstrip("\n").split("\n")


def _without_data(text: str) -> str:
    """The message without what looks like an Assuan data line, should one ever get this far."""
    begin = 0 if text.startswith("D ") else -1
    for mark in _DATA_MARKS:
        place = text.find(mark)
        if place >= 0 and (begin < 0 or place < begin):
            begin = place + mark.index("D ")
    if begin < 0 or _is_redacted(text[begin:]):
        return text
    octets = text[begin + len("D ") :].encode("utf-8", "surrogatepass")
    return f"{text[:begin]}D [{len(octets)} octets]"


def _is_redacted(data_line: str) -> bool:
    number = data_line.removeprefix("D [").removesuffix(" octets]")
    return number.isdigit() and data_line == f"D [{number} octets]"


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class _Handler(logging.Handler):
    """What all destinations share: a line becomes octets, and an error in the log is nobody's error."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError, ValueError):  # let the line go: there is no other place to say it
            self.send((self.format(record) + "\n").encode("utf-8", "backslashreplace"))

    def send(self, line: bytes) -> None:
        """Write one line, its line feed included. OSError lets it go."""
        raise NotImplementedError

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other threads' lines out for a while."""
        self.acquire()
        try:
            yield
        finally:
            self.release()


class _NowhereHandler(_Handler):
    """For a program that was started without stderr."""

    def send(self, line: bytes) -> None:
        return None


class _DescriptorHandler(_Handler):
    """Writes to an open descriptor that belongs to somebody else, such as stderr."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.setFormatter(_Formatter(dated=False))
        self._descriptor = descriptor

    def send(self, line: bytes) -> None:
        os.write(self._descriptor, line)


class _FileHandler(_Handler):
    """Appends to a file of mode 0600. OSError when it cannot be opened."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.setFormatter(_Formatter(dated=True))
        self._path = path
        self._descriptor = _open_log(path)

    def send(self, line: bytes) -> None:
        while line and self._descriptor >= 0:
            line = line[os.write(self._descriptor, line) :]

    def reopen(self) -> None:
        try:
            fresh = _open_log(self._path)
        except OSError:
            return  # the old file is better than none
        with self.held():
            old, self._descriptor = self._descriptor, fresh
        os.close(old)

    def close(self) -> None:
        with self.held():
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
        super().close()


def _open_log(path: str) -> int:
    """A descriptor for appending; without blocking, as the file may be a FIFO that nobody reads."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(path, flags, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        with contextlib.suppress(PermissionError):  # somebody else's file; its owner chose the mode
            os.fchmod(descriptor, 0o600)
    return descriptor


class _SocketHandler(_Handler):
    """Sends to a UNIX stream socket such as watchgnupg's: connects when there is something to say, never waits.

    Without a listener lines are dropped, and the next connection is told how many.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.setFormatter(_Formatter(dated=True))
        self._path = path
        self._socket: socket.socket | None = None
        self._waiting = b""
        self._lost = 0
        self._next_try = 0.0

    def send(self, line: bytes) -> None:
        if self._socket is None and not self._connect():
            self._lost += 1
            return
        if len(self._waiting) + len(line) > _BACKLOG_OCTETS:
            self._lost += 1
        else:
            self._waiting += line
        self._flush()

    def _connect(self) -> bool:
        if time.monotonic() < self._next_try:
            return False
        self._next_try = time.monotonic() + _RETRY_S
        attempt = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            attempt.setblocking(False)
            attempt.connect(self._path)
        except OSError:
            attempt.close()
            return False
        self._socket = attempt
        if self._lost:
            self._waiting = f"scd[{os.getpid()}]: {self._lost} log lines were lost\n".encode()
            self._lost = 0
        return True

    def _flush(self) -> None:
        while self._socket and self._waiting:
            try:
                sent = self._socket.send(self._waiting, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return
            except OSError:
                self._hang_up()
                return
            self._waiting = self._waiting[sent:]

    def _hang_up(self) -> None:
        if self._socket:
            self._socket.close()
        self._lost += self._waiting.count(b"\n")
        self._socket, self._waiting = None, b""

    def reopen(self) -> None:
        with self.held():
            self._hang_up()
            self._next_try = 0.0

    def close(self) -> None:
        with self.held():
            self._hang_up()
        super().close()


def _drop_handlers(root: logging.Logger) -> None:
    """Close what an earlier set_up() installed; handlers of others, a test's for example, stay."""
    for handler in list(root.handlers):
        if isinstance(handler, _Handler):
            root.removeHandler(handler)
            handler.close()


def _handler(log_file: str | None) -> tuple[logging.Handler, str]:
    """The destination, and what is to be said when it is not the one that was asked for."""
    if log_file is None:
        return _stderr(), ""
    if log_file.startswith(_SOCKET):
        return _SocketHandler(log_file.removeprefix(_SOCKET)), ""
    try:
        return _FileHandler(log_file), ""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return _stderr(), f"cannot write the log file '{log_file}': {reason}; logging to stderr"


def _stderr() -> logging.Handler:
    """stderr as it is now, or nothing if the program was started without one."""
    try:
        return _DescriptorHandler(sys.stderr.fileno()) if sys.stderr else _NowhereHandler()
    except (OSError, ValueError):  # closed, or a stand-in without a descriptor
        return _NowhereHandler()


def _level(settings: Settings) -> int:
    if settings.verbosity > 1 or settings.debug == EVERYTHING:
        return logging.DEBUG
    if settings.verbosity or settings.debug:
        return logging.INFO
    return logging.ERROR if settings.quiet else logging.WARNING
