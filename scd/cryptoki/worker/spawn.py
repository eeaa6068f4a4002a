"""Starts worker processes. Imports next to nothing: the daemon does this before it imports asyncio."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass

import scd
from scd.cryptoki.moduleconfig import ModuleConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

CHILD_DESCRIPTOR = 3
_INFO = 20  # logging.INFO
# The daemon's to obey, see `child.harden`; held back until the child ignores them.
GROUP_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)

# `-I` keeps PYTHONPATH, the working directory and the user's site-packages out of a process that handles PINs; the
# package's own place is therefore told by argument.
_BOOT = (
    "import gc, sys\n"
    "gc.disable()\n"  # until the module is loaded: nothing that the imports make is garbage
    "sys.path[0:0] = [sys.argv[1]] * (sys.argv[1] not in sys.path)\n"
    "from scd.cryptoki.worker.child import main\n"
    "main(int(sys.argv[2]))"
)


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A started worker: its process and our end of its socket, blocking, with Configure sent. Both are the caller's."""

    pid: int
    sock: socket.socket


def child_argv(name: str, boot: str = _BOOT) -> tuple[str, ...]:
    """The command line of a worker; `name` is there for whoever reads a process list."""
    where = os.path.dirname(os.path.dirname(os.path.abspath(scd.__file__)))
    return (sys.executable, "-I", "-c", boot, where, str(CHILD_DESCRIPTOR), f"scd-worker:{name}")


def spawn(config: ModuleConfig, *, log_level: int = _INFO, argv: tuple[str, ...] | None = None) -> WorkerProcess:
    """Start a worker and tell it which module to load; it answers Ready or Failure in its own time.

    `argv` replaces the worker's command line. Standard input is empty, standard output is our standard error, the
    environment is ours (modules are configured through it). The worker is killed when the thread that called this
    ends, so call it from the main thread, after any fork. Raises OSError.
    """
    import socket  # here, as the worker imports this file too and needs no sockets

    ours, theirs = socket.socketpair()
    try:
        pid = _start(argv or child_argv(config.name), theirs.fileno())
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    with suppress(OSError):  # it has ended already: whoever reads the socket will see
        ours.sendall(_configure(config, log_level))
    return WorkerProcess(pid, ours)


def _start(argv: tuple[str, ...], descriptor: int) -> int:
    # dup2 clears close-on-exec; all else that Python opened has it set, and what others left open the child
    # closes. The socket goes first: in a process without standard streams it may be one of 0 to 2 itself.
    actions = [(os.POSIX_SPAWN_DUP2, descriptor, CHILD_DESCRIPTOR), *_standard_streams()]
    return os.posix_spawn(
        argv[0],
        argv,
        os.environ,
        file_actions=actions,
        setsigmask=GROUP_SIGNALS,
        setsigdef=(signal.SIGALRM, signal.SIGCHLD),
    )


def _standard_streams() -> list[tuple[int, ...] | tuple[int, int, str, int, int]]:
    """A module's printf must not reach the Assuan stream, which is our standard output."""
    null = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    try:
        os.fstat(2)
    except OSError:
        return [null, *((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2))]
    return [null, (os.POSIX_SPAWN_DUP2, 2, 1)]


def _configure(config: ModuleConfig, log_level: int) -> bytes:
    # Imported here, while the child's interpreter starts on another processor.
    from scd.cryptoki.worker.frames import frame
    from scd.cryptoki.worker.messages import Configure, encode_request

    return frame(encode_request(Configure(config, log_level)), 0)
