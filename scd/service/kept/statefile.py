"""A small file in the GnuPG home for what scd keeps about tokens that keep nothing themselves.

It is written whole beside the old one and takes its place, under a lock and after it was read again, so that several
daemons of one home lose nothing of each other's. What it holds: `statetext`.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from scd.files import opened
from scd.service.kept.statetext import State, as_text, changed, from_text
from scd.token.errors import TokenError
from scd.token.model import TokenId

STATE_FILE = "scd-state.json"
"""The file's name in the GnuPG home."""

LONGEST_FILE = 1 << 20
"""Octets; what is longer was not written by scd."""

PATIENCE_S = 5.0
"""How long a write waits for another process's."""

_PAUSE_S = 0.02
_ADVICE = {
    errno.ENOENT: "make the directory, or name another with --homedir",
    errno.ENOTDIR: "the home has to be a directory",
    errno.EACCES: "let scd's user write there",
    errno.EPERM: "let scd's user write there",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room on the disk",
    errno.EINVAL: "move it away",
    errno.EFBIG: "it is not scd's: move it away",
    errno.ELOOP: "scd follows no symbolic link there: put the file itself in its place",
}


class StateFileError(TokenError):
    """The state file cannot be read or written; the message names it and what to do. It was left as it is."""


class StateFile:
    """Values by token and label. `path` None keeps them in memory only."""

    def __init__(self, path: str | None, *, patience_s: float = PATIENCE_S) -> None:
        self.path = path
        self._patience_s = patience_s
        self._memory: State = {}

    def read(self, token: TokenId) -> dict[str, bytes]:
        """All values of the token by label; none without a file. Raises StateFileError."""
        return dict(self._load().get(token, {}))

    def write(self, token: TokenId, label: str, value: bytes | None) -> None:
        """Set one value, or delete it with None; what others have written stays. Raises StateFileError.

        Blocks for the disk, and up to `patience_s` for another process. Where nothing changes nothing is touched.
        """
        wanted = changed(self._load(), token, label, value)
        if wanted is None:
            return
        if self.path is None:
            self._memory = wanted
            return
        with _told(self.path, "written"), _locked(self.path, self._patience_s):
            wanted = changed(self._load(), token, label, value)
            if wanted is not None:
                _replace(self.path, as_text(wanted))

    def _load(self) -> State:
        if self.path is None:
            return self._memory
        octets = _content(self.path)
        try:
            return from_text(octets)
        except ValueError as error:
            raise StateFileError(f"{self.path}: {error}; mend it or move it away, it is not overwritten") from error


@contextmanager
def _told(path: str, done: str) -> Iterator[None]:
    """Turn the system's errors into one that says what to do."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0)
        reason = f"{error.strerror or error}" + (f"; {advice}" if advice else "")
        raise StateFileError(f"{path} cannot be {done}: {reason}") from error


def _content(path: str) -> bytes:
    """What is in the file, nothing when there is none. Raises StateFileError."""
    with _told(path, "read"), suppress(FileNotFoundError), opened(path, LONGEST_FILE, os.O_NOFOLLOW) as file:
        return file.read()
    return b""


@contextmanager
def _locked(path: str, patience_s: float) -> Iterator[None]:
    """Keep other processes from writing. The lock file stays: who deletes one takes it from under another's feet."""
    import fcntl

    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + patience_s
        while True:  # flock() itself knows no deadline
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise StateFileError(f"{path} is being written by another process for too long") from None
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(descriptor)


def _replace(path: str, octets: bytes) -> None:
    """Write a new file, see it on the disk, and let it take the place of the old one."""
    new = f"{path}.new"
    with suppress(FileNotFoundError):
        os.unlink(new)  # of a writer that was killed; nobody else writes under the lock
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(descriptor)
        os.replace(new, path)
    except OSError:
        with suppress(OSError):
            os.unlink(new)
        raise
    _settle(os.path.dirname(path) or ".")


def _settle(directory: str) -> None:
    """See the new name on the disk; some file systems cannot be asked that, and nothing is lost but certainty."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
