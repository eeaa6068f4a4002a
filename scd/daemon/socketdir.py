"""The folder with our socket: private, unmistakably ours while we live, and gone afterwards.

The folder carries a lock for as long as the daemon lives, so that what a killed daemon left behind can be told from
what another one is using.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import tempfile
from collections.abc import Mapping

PREFIX = "scd-"
SOCKET = "S.scd"
_LONGEST = 107  # octets of sun_path without its NUL (unix(7))
_ATTEMPTS = 5


class SocketFolder:
    """A fresh folder with a listening socket in it. `path` is the socket's name."""

    def __init__(self, environ: Mapping[str, str], *, backlog: int, everyone: bool = False) -> None:
        """`everyone`: other uids may connect, to be told apart by their credentials. Raises OSError."""
        self._folder, self._lock = _create(environ)
        self.path = os.path.join(self._folder, SOCKET)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.listener.bind(self.path)
            os.chmod(self.path, 0o666 if everyone else 0o600)
            os.chmod(self._folder, 0o755 if everyone else 0o700)
            self.listener.listen(backlog)
        except OSError:
            self.remove()
            raise

    def remove(self) -> None:
        """Close and delete everything; harmless when done twice."""
        self.listener.close()
        _delete(self._folder)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def abandon(self) -> None:
        """In a process that does not serve it, after a fork: let go, delete nothing."""
        self.listener.close()
        os.close(self._lock)
        self._lock = -1


def _create(environ: Mapping[str, str]) -> tuple[str, int]:
    problem: OSError | None = None
    for base in _bases(environ):
        clean_stale(base)
        for _ in range(_ATTEMPTS):
            try:
                folder = tempfile.mkdtemp(prefix=PREFIX, dir=base)
                return folder, _locked(folder)
            except FileNotFoundError as error:  # a daemon that starts right now took it for a stale one
                problem = error
            except OSError as error:
                problem = error
                break
    raise OSError(f"no folder for the socket: {problem}")


def _bases(environ: Mapping[str, str]) -> list[str]:
    """Candidates in order; those in which the socket's name would be too long are left out."""
    named = [environ.get("GNUPG_PKCS11_SOCKETDIR"), environ.get("TMPDIR"), "/tmp"]
    usual = len(f"/{PREFIX}xxxxxxxx/{SOCKET}")
    return [base for base in named if base and len(os.fsencode(base)) + usual <= _LONGEST]


def _locked(folder: str) -> int:
    """A descriptor that holds the folder's lock; it must stay open. Raises OSError when somebody else has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def clean_stale(base: str) -> None:
    """Delete the folders that daemons of this user left behind when they were killed."""
    try:
        entries = [e.path for e in os.scandir(base) if e.name.startswith(PREFIX) and e.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for folder in entries:
        with contextlib.suppress(OSError):
            if os.lstat(folder).st_uid == os.getuid() and set(os.listdir(folder)) <= {SOCKET}:
                descriptor = _locked(folder)
                _delete(folder)
                os.close(descriptor)


def _delete(folder: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(folder, SOCKET))
    with contextlib.suppress(OSError):
        os.rmdir(folder)
