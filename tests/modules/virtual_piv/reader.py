"""The card in the virtual reader: vpcd listens on a TCP port, a connection to it is an inserted card.

vpcd's protocol (vsmartcard 3.3): each message has its length in two octets before it. One octet is a control word
(0 power off, 1 power on, 2 reset, 4 asks for the ATR), anything longer a command APDU; only the last two are answered.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.modules.virtual_piv.applet import ATR, Applet

PORT = 0x8C7B
_POWER_OFF, _POWER_ON, _RESET, _GET_ATR = 0, 1, 2, 4
_PATIENCE_S = 20


class VirtualCard:
    """`applet` in the reader at `port` of this host; not inserted at first."""

    def __init__(self, applet: Applet, port: int = PORT) -> None:
        self.applet = applet
        self._port = port
        self._peer: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._powered = threading.Event()

    def insert(self) -> None:
        """Put the card in; returns when the reader has powered it."""
        self._powered.clear()
        self._peer = socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE_S)
        self._peer.settimeout(None)
        self._thread = threading.Thread(target=self._serve, args=(self._peer,), name="virtual PIV card", daemon=True)
        self._thread.start()
        if not self._powered.wait(_PATIENCE_S):
            raise TimeoutError(f"the reader did not power the card within {_PATIENCE_S} s")

    def remove(self) -> None:
        """Pull the card out, whatever it is doing."""
        if self._peer is None or self._thread is None:
            return
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)
        self._thread.join(_PATIENCE_S)
        self._peer.close()
        self._peer = self._thread = None
        self.applet.reset()

    def _serve(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):  # the card was pulled, or the reader is gone
            while True:
                answer = self._react(_receive(peer))
                if answer is not None:
                    peer.sendall(len(answer).to_bytes(2, "big") + answer)

    def _react(self, message: bytes) -> bytes | None:
        if len(message) > 1:
            return self.applet.answer(message)
        if message[0] == _GET_ATR:
            return ATR
        if message[0] in (_POWER_ON, _POWER_OFF, _RESET):
            self.applet.reset()
        if message[0] == _POWER_ON:
            self._powered.set()
        return None


def _receive(peer: socket.socket) -> bytes:
    return _exactly(peer, int.from_bytes(_exactly(peer, 2), "big"))


def _exactly(peer: socket.socket, length: int) -> bytes:
    octets = b""
    while len(octets) < length:
        portion = peer.recv(length - len(octets))
        if not portion:
            raise EOFError
        octets += portion
    return octets
