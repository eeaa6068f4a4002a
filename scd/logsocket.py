"""The log on a UNIX stream socket, such as watchgnupg's: `log-file socket://PATH`."""

from __future__ import annotations

import os
import socket
from logging import LogRecord
from logging.handlers import SocketHandler

_RETRY_S = 1.0
_BACKLOG_OCTETS = 64 * 1024


class SocketLog(SocketHandler):
    """The library's handler, for text, and never waiting: it connects when there is something to say.

    Without a listener lines are dropped, and the next connection is told how many.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, None)
        self.retryStart, self.retryMax = _RETRY_S, _RETRY_S
        self._waiting = b""
        self._lost = 0

    def makePickle(self, record: LogRecord) -> bytes:
        """What the library's handler sends: here it is the line."""
        return (self.format(record) + "\n").encode("utf-8", "backslashreplace")

    def makeSocket(self, timeout: float = 0.0) -> socket.socket:
        """Connect without waiting. Raises OSError, after which the library tries again when a second has passed."""
        connected: socket.socket = super().makeSocket(timeout)
        if self._lost:
            self._waiting = f"scd[{os.getpid()}]: {self._lost} log lines were lost\n".encode()
            self._lost = 0
        return connected

    def send(self, s: bytes) -> None:  # type: ignore[override]  # it is given what makePickle made
        """Send what the socket takes, and keep the rest, up to a limit, for the next time."""
        if self.sock is None:
            self.createSocket()
        if self.sock is None or len(self._waiting) + len(s) > _BACKLOG_OCTETS:
            self._lost += 1
        else:
            self._waiting += s
        try:
            while self.sock is not None and self._waiting:
                self._waiting = self._waiting[self.sock.send(self._waiting) :]
        except BlockingIOError:
            pass
        except OSError:
            self._hang_up()

    def reopen(self) -> None:
        """Connect anew at the next line."""
        self.acquire()
        try:
            self._hang_up()
            self.retryTime = None
        finally:
            self.release()

    def _hang_up(self) -> None:
        if self.sock is not None:
            self.sock.close()
        self._lost += self._waiting.count(b"\n")
        self.sock, self._waiting = None, b""

    def handleError(self, record: LogRecord) -> None:
        """Let the line go: there is no other place to say it."""
