"""Clients that come through the UNIX socket."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct

from scd.daemon.connection import Connection
from scd.daemon.daemon import Daemon
from scd.daemon.transport import SocketTransport
from scd.token.errors import reason

log = logging.getLogger(__name__)

_CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid (unix(7), SO_PEERCRED)
_PAUSE_S = 1.0


async def accept_clients(daemon: Daemon, listener: socket.socket, allowed: frozenset[int]) -> None:
    """Serve every client whose uid is `allowed`, until cancelled. Others find the connection closed."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    while True:
        try:
            client, _ = await loop.sock_accept(listener)
        except ConnectionAbortedError:
            continue
        except OSError as error:  # too many open files: the others must not suffer
            log.error("op=accept result=%s", reason(error))
            await asyncio.sleep(_PAUSE_S)
            continue
        _admit(daemon, client, allowed)


def _admit(daemon: Daemon, client: socket.socket, allowed: frozenset[int]) -> None:
    """Serve this client, or hang up. Whatever fails here costs nobody else."""
    try:
        pid, uid = peer(client)
        if uid in allowed:
            daemon.serve(Connection(daemon, SocketTransport(client), peer=pid).serve)
            return
        log.warning("op=accept result=refused uid=%d", uid)
    except OSError as error:
        log.error("op=accept result=%s: this client was not let in", reason(error))
    except Exception:  # one of the loops that must live
        log.exception("op=accept failed inside scd: this client was not let in")
    client.close()


def peer(client: socket.socket) -> tuple[int, int]:
    """Process and user at the other end, by the kernel's word. Raises OSError, where a security module forbids it."""
    pid, uid, _ = _CREDENTIALS.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(pid), int(uid)


def allowed_uids(uid_acl: int | None) -> frozenset[int]:
    """Our own uid, and the one of --uid-acl."""
    return frozenset({os.getuid()} if uid_acl is None else {os.getuid(), uid_acl})
