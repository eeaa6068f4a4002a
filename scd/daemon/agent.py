"""Which program is at the other end.

Only gpg-agent 2.3 and later have a PIN cache; an operation fails when 2.2 is asked for it.
"""

from __future__ import annotations

import asyncio
import os

AGENT_PID = "_assuan_pipe_connect_pid"  # libassuan's name for the process at the other end of the pipe

_CACHE_SINCE = (2, 3)
_PATIENCE_S = 5.0


def process_at_the_pipe() -> int:
    """The process that made the pipe: what libassuan says, else our parent."""
    told = os.environ.get(AGENT_PID, "")
    return int(told) if told.isascii() and told.isdigit() else os.getppid()


def handle_of(pid: int) -> int | None:
    """A pidfd of the process, as long as it is the one that is meant; None when there is none."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


async def has_pin_cache(pid: int) -> bool:
    """Whether process `pid` is a gpg-agent with a PIN cache, by what its own program file says.

    The protocol has no way to ask the agent for its version (protocol reference 4.5).
    """
    program = f"/proc/{pid}/exe"
    try:
        if os.path.basename(os.readlink(program)).split()[0] != "gpg-agent":
            return False
        child = await asyncio.create_subprocess_exec(
            program, "--version", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
    except (OSError, IndexError):
        return False
    try:
        told, _ = await asyncio.wait_for(child.communicate(), _PATIENCE_S)
    except TimeoutError:
        child.kill()
        await child.wait()
        return False
    return version_in(told) >= _CACHE_SINCE


def version_in(told: bytes) -> tuple[int, ...]:
    """`gpg-agent (GnuPG) 2.4.7` in the first line to (2, 4, 7); () for anything else."""
    words = told.split(b"\n", 1)[0].split()
    numbers = words[-1].partition(b"-")[0].split(b".") if words else []
    return tuple(int(number) for number in numbers) if all(n.isdigit() for n in numbers) else ()
