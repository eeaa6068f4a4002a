"""Files that other programs or people wrote: read without waiting, and only what can be what it should be."""

from __future__ import annotations

import errno
import os
from stat import S_ISREG
from typing import BinaryIO

Identity = tuple[int, int, int]
"""What changes when a file does: its time of modification, its length, its inode."""


def opened(path: str, most: int, flags: int = 0) -> BinaryIO:
    """Open a regular file of at most `most` octets for reading; it is the caller's to close.

    `flags` are added to those of open(2). Raises OSError: EINVAL for what is no regular file, and is not waited for,
    should it be a pipe; EFBIG for what is longer.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    try:
        status = os.fstat(descriptor)
        if not S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        if status.st_size > most:
            raise OSError(errno.EFBIG, f"it is longer than {most} octets", path)
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def identity(path: str) -> Identity:
    """The file's identity now. Raises OSError."""
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size, status.st_ino
