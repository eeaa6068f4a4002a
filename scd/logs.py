"""The log: where it goes and how a line looks.

To be imported after the greeting only. Modules log through `logging.getLogger(__name__)`; nothing here is needed
for that. Whatever happens to the log, a full disk, a vanished listener, the daemon goes on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from io import FileIO, TextIOWrapper

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
    for handler in filter(is_ours, logging.getLogger().handlers):
        again: Callable[[], None] | None = getattr(handler, "reopen", None)
        if again is not None:
            again()


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


def _open_log(path: str) -> int:
    """A descriptor for appending; without blocking, as the file may be a FIFO that nobody reads."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        with contextlib.suppress(PermissionError):  # somebody else's file; its owner chose the mode
            os.fchmod(descriptor, 0o600)
    return descriptor


def _writer(descriptor: int, *, closes: bool) -> TextIOWrapper:
    """Text without a buffer: what a full disk refuses must not come back with the next line, or at the end."""
    return TextIOWrapper(FileIO(descriptor, "w", closefd=closes), "utf-8", "backslashreplace", write_through=True)


class _Stream(logging.StreamHandler[TextIOWrapper]):
    """A descriptor that belongs to somebody else, such as stderr's."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Let the line go: there is no other place to say it."""


class _File(logging.FileHandler):
    """Appends to a file of mode 0600. OSError when it cannot be opened."""

    def _open(self) -> TextIOWrapper:
        return _writer(_open_log(self.baseFilename), closes=True)

    def reopen(self) -> None:
        """Go on in a new file of the same name; where there can be none, the old one is better than none."""
        with contextlib.suppress(OSError):
            old = self.setStream(self._open())
            if old is not None:
                old.close()

    def handleError(self, record: logging.LogRecord) -> None:
        """Let the line go."""


def _drop_handlers(root: logging.Logger) -> None:
    """Close what an earlier set_up() installed; handlers of others, a test's for example, stay."""
    for handler in filter(is_ours, list(root.handlers)):
        root.removeHandler(handler)
        handler.close()


def is_ours(handler: logging.Handler) -> bool:
    """Whether set_up() made it."""
    return isinstance(handler.formatter, _Formatter)


def _handler(log_file: str | None) -> tuple[logging.Handler, str]:
    """The destination, and what is to be said when it is not the one that was asked for."""
    if log_file is None:
        return _stderr(), ""
    if log_file.startswith(_SOCKET):
        from scd.logsocket import SocketLog  # few have one

        return _formatted(SocketLog(log_file.removeprefix(_SOCKET))), ""
    try:
        return _formatted(_File(log_file)), ""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return _stderr(), f"cannot write the log file '{log_file}': {reason}; logging to stderr"


def _stderr() -> logging.Handler:
    """stderr as it is now, or nothing if the program was started without one."""
    try:
        stream = _writer(sys.stderr.fileno(), closes=False) if sys.stderr else None
    except (OSError, ValueError):  # closed, or a stand-in without a descriptor
        stream = None
    return _formatted(_Stream(stream) if stream else logging.NullHandler(), dated=False)


def _formatted(handler: logging.Handler, *, dated: bool = True) -> logging.Handler:
    handler.setFormatter(_Formatter(dated=dated))
    return handler


def _level(settings: Settings) -> int:
    if settings.verbosity > 1 or settings.debug == EVERYTHING:
        return logging.DEBUG
    if settings.verbosity or settings.debug:
        return logging.INFO
    return logging.ERROR if settings.quiet else logging.WARNING
