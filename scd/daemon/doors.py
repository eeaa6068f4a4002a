"""The ways into one daemon, made before the greeting and used by the event loop later; what is said there first."""

from __future__ import annotations

import signal
import socket
from dataclasses import dataclass, field

from scd.daemon.socketdir import SocketFolder

GREETING = b"OK PKCS#11 smart-card server for GnuPG ready\n"
"""As gnupg-pkcs11-scd greets. Written out, since what makes lines would have to be imported before it can be sent."""

OBEYED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1})
"""The signals that the event loop reacts to; they wait from the start until it does, so that nothing is left behind."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Doors:
    """Where clients come in.

    `stdio`: the one at standard input, whose end is the daemon's. `listener` listens at `path` (None for a socket
    without a name in the file system); `folder` is where it lies, unless it is somebody else's. `program` is a pidfd:
    the daemon ends with that process. `warnings` are for the log.
    """

    stdio: bool = False
    listener: socket.socket | None = None
    path: str | None = None
    folder: SocketFolder | None = None
    program: int | None = None
    warnings: list[str] = field(default_factory=list)

    @staticmethod
    def in_folder(folder: SocketFolder, *, stdio: bool = False, program: int | None = None) -> Doors:
        """A socket of our own, and perhaps more."""
        return Doors(stdio, folder.listener, folder.path, folder, program, folder.warnings)

    def close(self) -> None:
        """No further client comes in. May be called again."""
        if self.folder is not None:
            self.folder.remove()
        elif self.listener is not None:
            self.listener.close()
