"""Files that others wrote: what is read, and what is left alone without waiting for it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from scd.files import identity, opened


def test_a_file_of_the_greatest_length_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"octets")
    with opened(str(tmp_path / "f"), 6) as file:
        assert file.read() == b"octets"
        assert not os.get_inheritable(file.fileno())


def test_a_longer_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"octets")
    with pytest.raises(OSError, match="it is longer than 5 octets") as refused:
        opened(str(tmp_path / "f"), 5)
    assert (refused.value.errno, refused.value.filename) == (errno.EFBIG, str(tmp_path / "f"))


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe that nobody writes to"])
def test_what_is_no_file_is_refused_at_once(make: Callable[[str], None], tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    make(path)
    with pytest.raises(OSError, match="it is no regular file") as refused:
        opened(path, 6)
    assert refused.value.errno == errno.EINVAL


def test_nothing_stays_open_of_what_is_refused(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    for _ in range(3):
        with pytest.raises(OSError, match="no regular file"):
            opened(str(tmp_path), 6)
    assert (os.listdir("/proc/self/fd") if before else []) == before


def test_a_symbolic_link_is_followed_unless_the_caller_says_no(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"octets")
    (tmp_path / "link").symlink_to("f")
    opened(str(tmp_path / "link"), 6).close()
    with pytest.raises(OSError) as refused:  # noqa: PT011  # the system's own words
        opened(str(tmp_path / "link"), 6, os.O_NOFOLLOW)
    assert refused.value.errno == errno.ELOOP


def test_a_file_that_was_replaced_has_another_identity(tmp_path: Path) -> None:
    path, new = tmp_path / "f", tmp_path / "new"
    path.write_bytes(b"octets")
    new.write_bytes(b"others")
    before = identity(str(path))
    os.utime(new, ns=(before[0], before[0]))
    new.replace(path)
    assert identity(str(path)) != before
