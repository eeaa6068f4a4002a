"""The folder with our socket: private, unmistakably ours while we live, and gone afterwards.

The folder carries a lock for as long as the daemon lives, so that what a killed daemon left behind can be told from
what another one is using.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterable, Mapping

_VARIABLES = ("GNUPG_PKCS11_SOCKETDIR", "TMPDIR")
PREFIX = "scd-"
SOCKET = "S.scd"
_DIGITS = 10  # hexadecimal, in the folder's name
_REST = len(f"/{PREFIX}/{SOCKET}") + _DIGITS
_LONGEST = 107  # octets of sun_path without its NUL (unix(7))
_ATTEMPTS = 20


class SocketFolder:
    """A fresh folder with a listening socket in it.

    `path` is the socket's absolute name; `warnings` say which better place could not be used, and why.
    """

    def __init__(
        self, environ: Mapping[str, str], *, backlog: int, everyone: bool = False, last: str = "/tmp"
    ) -> None:  # fmt: skip
        """`everyone`: other uids may connect, to be told apart by their credentials. `last`: the place to try last.

        Raises OSError.
        """
        self.warnings: list[str] = []
        self._folder, self._lock = self._create((*(environ.get(name) for name in _VARIABLES), last))
        self.path = os.path.join(self._folder, SOCKET)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.listener.bind(self.path)
            os.chmod(self.path, 0o666 if everyone else 0o600)
            os.chmod(self._folder, 0o711 if everyone else 0o700)  # who is told the name may pass; nobody may look
            self.listener.listen(backlog)
        except OSError:
            self.remove()
            raise

    def _create(self, places: Iterable[str | None]) -> tuple[str, int]:
        # Absolute, since a daemon changes its working directory.
        for base in [os.path.abspath(place) for place in dict.fromkeys(places) if place]:
            if len(os.fsencode(base)) + _REST > _LONGEST:
                self.warnings.append(f"'{base}' is too long a path for the socket; looking for another place")
                continue
            try:
                return _new_folder(base)
            except OSError as error:
                self.warnings.append(f"no socket can be made in '{base}': {error.strerror}; looking for another place")
        raise OSError(f"no place for the socket: {'; '.join(self.warnings)}; set TMPDIR")

    def remove(self) -> None:
        """Close and delete everything; harmless when done twice."""
        if self._lock >= 0:
            self.listener.close()
            _delete(self._folder, self._lock)
            os.close(self._lock)
            self._lock = -1

    def abandon(self) -> None:
        """In a process that does not serve it, after a fork: let go, delete nothing."""
        self.listener.close()
        os.close(self._lock)
        self._lock = -1

    def clean_neighbours(self) -> None:
        """`clean_stale` where this folder lies; it takes a while where there are many files."""
        clean_stale(os.path.dirname(self._folder))


def _new_folder(base: str) -> tuple[str, int]:
    """A new folder in `base` and the descriptor that holds its lock. Raises OSError."""
    for _ in range(_ATTEMPTS):
        folder = os.path.join(base, PREFIX + os.urandom(_DIGITS // 2).hex())
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            continue
        # Before the lock is ours another daemon that starts may take the folder for a stale one.
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            os.chmod(folder, 0o700)  # whatever the umask is
            descriptor = _locked(folder)
            if _still_there(folder, descriptor):
                return folder, descriptor
            os.close(descriptor)
    raise OSError(0, f"{_ATTEMPTS} folders were taken away again")


def _locked(folder: str) -> int:
    """A descriptor that holds the folder's lock as long as it is open; BlockingIOError when it is another's."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _still_there(folder: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(folder), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def clean_stale(base: str) -> None:
    """Delete the folders that daemons of this user left in `base` when they were killed."""
    try:
        with os.scandir(base) as entries:
            left = [entry.path for entry in entries if _has_our_form(entry)]
    except OSError:
        return
    for folder in left:
        with contextlib.suppress(OSError):  # in use, or another daemon is cleaning, too
            descriptor = _locked(folder)
            try:
                if os.fstat(descriptor).st_uid == os.getuid() and set(os.listdir(descriptor)) <= {SOCKET}:
                    _delete(folder, descriptor)
            finally:
                os.close(descriptor)


def _has_our_form(entry: os.DirEntry[str]) -> bool:
    """A folder whose name we could have given."""
    begin, digits = entry.name[: len(PREFIX)], entry.name[len(PREFIX) :]
    formed = begin == PREFIX and len(digits) == _DIGITS and set(digits) <= set("0123456789abcdef")
    return formed and entry.is_dir(follow_symlinks=False)


def _delete(folder: str, descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.unlink(SOCKET, dir_fd=descriptor)
    with contextlib.suppress(OSError):
        os.rmdir(folder)
