"""--supervised: the listening socket is handed over as descriptor 3 (sd_listen_fds(3)), and is not ours to remove."""

from __future__ import annotations

import os
import socket

from scd.daemon.doors import Doors

_DESCRIPTOR = 3
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
_HINT = "start scd by a systemd socket unit"


def handed_over() -> Doors:
    """The socket that we were started with; the variables that speak of it end here. Raises OSError."""
    pid, count, _ = (os.environ.pop(name, None) or None for name in _VARIABLES)
    if pid is not None and pid != str(os.getpid()):
        raise OSError(f"--supervised: LISTEN_PID is {pid}, another process than this one, {os.getpid()}; {_HINT}")
    if count is not None and count != "1":
        raise OSError(f"--supervised: LISTEN_FDS is {count}; give scd one socket, a UNIX stream socket")
    try:
        listener = socket.socket(fileno=_DESCRIPTOR)
        listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise OSError(f"--supervised: descriptor 3 is no socket ({error.strerror}); {_HINT}") from error
    if not listening or listener.family != socket.AF_UNIX or listener.type != socket.SOCK_STREAM:
        raise OSError(f"--supervised: descriptor 3 is no listening UNIX stream socket; {_HINT}")
    os.set_inheritable(_DESCRIPTOR, False)
    return Doors(listener=listener, path=_path(listener.getsockname()))


def _path(name: str | bytes) -> str | None:
    """None for an abstract or unnamed socket, which clients cannot be sent to by name."""
    text = os.fsdecode(name)
    return os.path.abspath(text) if text and not text.startswith("\0") else None
