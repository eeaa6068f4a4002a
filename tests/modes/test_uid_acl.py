"""Who may connect: the daemon's own user, and the one of --uid-acl."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from tests.modes.stage import Stage

FRIEND, STRANGER = 1000, 65534
GREETED, HUNG_UP, NO_ENTRY = 10, 11, 12

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")


def knock(path: Path, uid: int) -> int:
    """What happens to another user who connects."""
    pid = os.fork()
    if pid == 0:
        os._exit(_as(uid, path))
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _as(uid: int, path: Path) -> int:
    try:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(20)
            peer.connect(str(path))
            return GREETED if peer.recv(3) == b"OK " else HUNG_UP
    except PermissionError:
        return NO_ENTRY


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_socket_is_private(stage: Stage) -> None:
    daemon = stage.start("--multi-server")
    daemon.greeted()
    path = stage.socket()

    assert (mode(path.parent), mode(path)) == (0o700, 0o600)
    assert knock(path, STRANGER) == NO_ENTRY
    daemon.hang_up()
    assert daemon.end() == 0


def test_modes_do_not_depend_on_the_umask(stage: Stage) -> None:
    daemon = stage.start("--multi-server", umask=0o777)
    daemon.greeted()
    path = stage.socket()

    assert (mode(path.parent), mode(path)) == (0o700, 0o600)
    daemon.hang_up()
    assert daemon.end() == 0


def test_another_user_is_refused_by_the_kernel_s_word_alone(stage: Stage) -> None:
    """Modes are one defence; this is the other."""
    daemon = stage.start("--multi-server")
    daemon.ready()
    path = stage.socket()
    path.parent.chmod(0o755)
    path.chmod(0o666)

    assert knock(path, STRANGER) == HUNG_UP
    assert knock(path, 0) == GREETED
    stage.wait_for_log(f"op=accept result=refused uid={STRANGER}")
    daemon.hang_up()
    assert daemon.end() == 0


def test_uid_acl_lets_one_user_in(stage: Stage) -> None:
    daemon = stage.start("--multi-server", "--uid-acl", str(FRIEND))
    daemon.ready()
    path = stage.socket()

    assert (mode(path.parent), mode(path)) == (0o711, 0o666)
    assert knock(path, FRIEND) == GREETED
    assert knock(path, 0) == GREETED
    assert knock(path, STRANGER) == HUNG_UP
    daemon.hang_up()
    assert daemon.end() == 0
    assert stage.folders() == []


def test_a_uid_beyond_two_billion_is_itself(stage: Stage) -> None:
    """uid_t has no sign; a container's users may be up there."""
    daemon = stage.start("--multi-server", "--uid-acl", "4000000000")
    daemon.ready()

    assert knock(stage.socket(), 4_000_000_000) == GREETED
    daemon.hang_up()
    assert daemon.end() == 0
