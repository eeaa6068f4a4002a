"""A worker whose module does what the data to be signed say: `python -I misbehaving.py DESCRIPTOR`.

It is the real worker's loop around another module, as every vendor's could be.
"""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker import child, frames
from scd.cryptoki.worker.messages import Answer, encode_reply
from scd.token.errors import ModuleUnavailable, PinRequired, WrongKeyUsage
from scd.token.model import TokenId, TokenInfo, TokenObjects
from scd.token.port import DecryptRequest, SignRequest
from scd.token.secrets import Pin
from tests.worker.unchanging import INFO, Unchanging

DESCRIPTOR = 3
SECRET = "not-for-any-log-602214"


def hang() -> bytes:
    """For ever, within C."""
    ctypes.CDLL(None).select(0, None, None, None, None)
    return b""


def crash() -> bytes:
    """A null pointer."""
    ctypes.string_at(0)
    return b""


def leave() -> bytes:
    """exit(7), as some vendors do on licence trouble."""
    os._exit(7)


def say() -> bytes:
    """printf."""
    libc = ctypes.CDLL(None)
    libc.puts(b"OK Pleased to meet you, says the module")
    libc.fflush(None)
    return b"said"


def send(octets: bytes) -> bytes:
    """Write into the daemon's socket behind the worker's back."""
    os.write(DESCRIPTOR, octets)
    return b"sent"


def fail() -> bytes:
    """A bug, with something secret in its message."""
    raise ValueError(f"cannot use {SECRET}")


def need_pin() -> bytes:
    """Always-authenticate."""
    raise PinRequired("PIN, please", context=True)


def refuse() -> bytes:
    """Any other error of the port."""
    raise WrongKeyUsage("not this way")


def log_wrongly() -> bytes:
    """With a format that does not fit, as a slip of ours might."""
    logging.getLogger("some.module").warning("%d tokens", SECRET)
    return b"logged"


def log() -> bytes:
    """Two records, one of them too quiet to be sent."""
    logging.getLogger("some.module").debug("quiet")
    logging.getLogger("some.module").warning("tokens=%d\nand more", 2)
    return b"logged"


def flood() -> bytes:
    """Records for the log, for ever."""
    while True:
        logging.getLogger("some.module").warning("once more")


def speak_at_length() -> bytes:
    """One record that is as long as a file."""
    logging.getLogger("some.module").warning("long " * 100_000)
    return b"logged"


def mutter() -> bytes:
    """An error whose words, a path's for example, are not all Unicode."""
    raise WrongKeyUsage("not with /tmp/\udcff")


def raw(header: bytes) -> bytes:
    """A reply of which the worker's own code knows nothing."""
    return frames.frame(len(header).to_bytes(4, "big") + header, 1)


def close_socket() -> bytes:
    """Some modules close all descriptors they do not know."""
    os.closerange(DESCRIPTOR, 64)
    return hang()


def fork_and_exit() -> bytes:
    """A helper process of the module's keeps the socket open until the daemon closes its end."""
    if os.fork() == 0:
        while os.read(DESCRIPTOR, 100):
            pass
    os._exit(0)


def descriptors() -> bytes:
    """The open ones."""
    return " ".join(os.listdir("/proc/self/fd")).encode()


def confinement() -> bytes:
    """Core limit and dumpable flag."""
    dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE
    return repr((resource.getrlimit(resource.RLIMIT_CORE), dumpable)).encode()


BEHAVIOUR: dict[bytes, Callable[[], bytes]] = {
    b"hang": hang,
    b"abort": lambda: os.abort(),
    b"crash": crash,
    b"leave": leave,
    b"say": say,
    b"garbage": lambda: send(frames.frame(b"\0\0\0\4nope", 1)),
    b"oversize": lambda: send(b"\xff" * 8),
    b"twice": lambda: send(frames.frame(encode_reply(Answer(b"first"), "sign"), 1)),
    b"fail": fail,
    b"need pin": need_pin,
    b"refuse": refuse,
    b"log": log,
    b"log wrongly": log_wrongly,
    b"flood": flood,
    b"speak at length": speak_at_length,
    b"mutter": mutter,
    b"a record too long": lambda: send(raw(b'["LogRecord",[30,"a","' + b"x" * 5000 + b'"]]')),
    b"a name too long": lambda: send(raw(b'["LogRecord",[30,"' + b"x" * 5000 + b'","a"]]')),
    b"surrogate": lambda: send(raw(rb'["Failure",["WrongKeyUsage","\ud800",false]]')),
    b"surrogate in the log": lambda: send(raw(rb'["LogRecord",[30,"a","\uDFFF"]]')),
    b"close socket": close_socket,
    b"fork and exit": fork_and_exit,
    b"pid": lambda: str(os.getpid()).encode(),
    b"descriptors": descriptors,
    b"confinement": confinement,
    b"environment": lambda: os.environ.get("SCD_TEST_WORD", "").encode(),
    b"big": lambda: bytes(frames.MAX_BODY),
    b"stdin": lambda: os.read(0, 10),
}


class Misbehaving(Unchanging):
    """A module; `init_args` say what is wrong with loading or leaving it."""

    def __init__(self, config: ModuleConfig) -> None:
        self._config = config
        if config.init_args == "missing":
            raise ModuleUnavailable(f"cannot load {config.library}")
        if config.init_args in ("load hang", "load crash"):
            BEHAVIOUR[config.init_args.removeprefix("load ").encode()]()

    def note(self) -> None:
        """Called by whatever may change a token."""
        if self._config.init_args and self._config.init_args.startswith("change "):
            BEHAVIOUR[self._config.init_args.removeprefix("change ").encode()]()

    def tokens(self) -> tuple[TokenInfo, ...]:
        return ()

    def token(self, token: TokenId) -> TokenInfo:
        return INFO

    def slots_changed(self) -> bool | None:
        return BEHAVIOUR[b"hang"]() == b"" if self._config.init_args == "hang in events" else None

    def objects(self, token: TokenId, known: int = 0) -> TokenObjects | None:
        return None if known == 1 else TokenObjects((), (), (), 1)

    def login(self, token: TokenId, pin: Pin | None) -> None:
        self.note()

    def logout(self, token: TokenId) -> None:
        pass

    def sign(self, request: SignRequest) -> bytes:
        return BEHAVIOUR[request.data]()

    def decrypt(self, request: DecryptRequest) -> bytes:
        return request.data

    def close(self) -> None:
        if self._config.init_args == "hang at the end":
            hang()


if __name__ == "__main__":
    signal.alarm(60)  # no test leaves one of these behind
    child.harden(DESCRIPTOR)
    child.serve(Misbehaving, DESCRIPTOR)
