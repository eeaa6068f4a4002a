"""Processes that are not our children: who they are, and waiting for their end without sleeping."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from pathlib import Path

_PATIENCE_S = 1.0


def children(pid: int) -> list[int]:
    """The processes `pid` has started and that still run (Linux, /proc)."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        return []
    return found


def descendants(pid: int) -> list[int]:
    """The children, and theirs."""
    below = children(pid)
    return below + [deeper for child in below for deeper in descendants(child)]


def command_line(pid: int) -> str:
    """What `pid` was started with, or an empty text when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def open_handles(pids: list[int]) -> dict[int, int]:
    """A pidfd for each process that is still there; a pid may be given to another, a pidfd may not."""
    handles = {}
    for pid in pids:
        try:
            handles[pid] = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
    return handles


def wait_for_end(handles: dict[int, int], timeout_s: float) -> list[int]:
    """Wait until the processes behind the pidfds have ended; gives those that have not. Closes the pidfds."""
    poll = select.poll()
    waiting = {fd: pid for pid, fd in handles.items()}
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    deadline = time.monotonic() + timeout_s
    while waiting and (left := deadline - time.monotonic()) > 0:
        for fd, _ in poll.poll(left * 1000):
            poll.unregister(fd)
            os.close(fd)
            del waiting[fd]
    for fd in waiting:
        os.close(fd)
    return sorted(waiting.values())


def end(pid: int, timeout_s: float = 10) -> None:
    """SIGTERM, repeated, and wait; SIGKILL for one that does not listen.

    Repeated, as gpg-agent 2.4.7 sleeps on when the signal comes while its last client is just leaving.
    """
    deadline = time.monotonic() + timeout_s
    while (left := deadline - time.monotonic()) > 0:
        handles = open_handles([pid])
        if not handles:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handles[pid], signal.SIGTERM)
        if not wait_for_end(handles, min(left, _PATIENCE_S)):
            return
    os.kill(pid, signal.SIGKILL)


def measured() -> dict[str, str]:
    """What makes a process with an environment of its own count for `make coverage`; nothing otherwise.

    Coverage's start-up file in .venv reads these variables, in the workers (`python -I`), too.
    """
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
