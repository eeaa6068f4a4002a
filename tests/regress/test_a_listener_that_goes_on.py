"""An OSError from SO_PEERCRED, which a security module can forbid, ended the accept loop without a word."""

from __future__ import annotations

import ctypes
import errno
import platform
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.modes.stage import DEADLINE_S, Stage, reaping_orphans

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER = 22, 38, 2  # linux/prctl.h
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h: ld w abs, jeq k, ret k
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000  # linux/seccomp.h
_NUMBER, _ARCHITECTURE, _THIRD_ARGUMENT = 0, 4, 32  # offsets in struct seccomp_data
_GETSOCKOPT = {"x86_64": (0xC000003E, 55), "aarch64": (0xC00000B7, 209)}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with reaping_orphans():
        made = Stage()
        yield made
        made.close()


def without_peer_credentials() -> None:
    """In this process, from now on, SO_PEERCRED is `Permission denied`."""
    architecture, getsockopt = _GETSOCKOPT[platform.machine()]
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, 5, architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 0, 3, getsockopt),
        (_LOAD, 0, 0, _THIRD_ARGUMENT),
        (_EQUAL, 0, 1, socket.SO_PEERCRED),
        (_RETURN, 0, 0, _ERRNO | errno.EACCES),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(_PR_SET_SECCOMP, _FILTER, program, 0, 0) == 0


@pytest.mark.skipif(platform.machine() not in _GETSOCKOPT, reason="the number of getsockopt is not known here")
def test_a_client_whose_credentials_cannot_be_read_costs_itself_alone(stage: Stage) -> None:
    daemon = stage.start("--multi-server", preexec_fn=without_peer_credentials)
    pipe = daemon.ready()
    path = stage.socket()
    for times in (1, 2):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE_S)
            client.connect(str(path))
            assert client.recv(100) == b""
        stage.wait_for_log("op=accept result=Permission denied: this client was not let in", times)
    assert path.exists()
    assert pipe.transact("NOP").ok
    daemon.hang_up()
    assert daemon.end() == 0
