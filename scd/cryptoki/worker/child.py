"""The worker's own side: one process, one thread, one PKCS#11 module. Not imported by the daemon."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import resource
import select
import signal
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker.frames import FrameError, FrameSplitter, frame
from scd.cryptoki.worker.messages import (
    LONGEST_RECORD,
    Answer,
    Close,
    Configure,
    Failure,
    LogRecord,
    Ready,
    Reply,
    Request,
    decode_request,
    encode_reply,
)
from scd.cryptoki.worker.spawn import GROUP_SIGNALS
from scd.token.errors import TokenError, TokenFailure
from scd.token.port import Call

ModuleFactory = Callable[[ModuleConfig], Any]
"""Makes a synchronous implementation of the port, as `InProcessModule` is one."""

FINALIZE_LIMIT_S = 2  # a module that hangs in C_Finalize is ended by SIGALRM
_PORTION = 65536
_MANY_DESCRIPTORS = 65536
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_DUMPABLE = 4


def main(descriptor: int) -> NoReturn:
    """What the daemon starts: serve the real module on the socket `descriptor`."""
    harden(descriptor)

    def load(config: ModuleConfig) -> Any:
        from scd.cryptoki.module import InProcessModule  # only once we are hardened

        return InProcessModule(config)

    serve(load, descriptor, prepare)


def prepare() -> None:
    """Import what the first listing needs, asn1crypto above all: the daemon is still busy with its own imports."""
    import scd.cryptoki.finding.certificates  # noqa: F401


def harden(descriptor: int) -> None:
    """Keep what this process knows to itself, and make it go when the daemon goes.

    Signals that a terminal or a service manager sends to the whole group are the daemon's to obey: it lets its
    clients finish. The worker ends by the end of its socket, as soon as the module lets it.
    """
    for number in GROUP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    os.closerange(descriptor + 1, limit if limit > 0 else _MANY_DESCRIPTORS)
    os.set_inheritable(descriptor, False)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)
    _die_in_time_when_orphaned()
    if _is_alone(descriptor):
        os._exit(0)  # the daemon ended before it could take us with it


def _is_alone(descriptor: int) -> bool:
    """Nobody is at the socket's other end."""
    hung_up = select.poll()
    hung_up.register(descriptor, 0)
    return any(events & select.POLLHUP for _, events in hung_up.poll(0))


def _die_in_time_when_orphaned() -> None:
    """The kernel tells of the daemon's end by SIGQUIT, on which SIGALRM ends this process after three seconds.

    Whatever the module is at, it has so long to finish it (see `process.GRACE_S`). A handler of Python's would not run
    before it returns. libc's alarm(2) is the handler, which is called with the signal's number: SIGQUIT's is 3, and
    that is the number of seconds.
    """
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    libc.signal.restype = ctypes.c_void_p
    libc.signal(signal.SIGQUIT, ctypes.cast(libc.alarm, ctypes.c_void_p))
    _prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _prctl(option: int, value: int) -> None:
    """Linux only, and no reason to give up elsewhere."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def serve(factory: ModuleFactory, descriptor: int, meanwhile: Callable[[], None] = lambda: None) -> NoReturn:
    """Load what the first request names, answer requests until Close or the socket's end; then the process ends.

    `meanwhile` is called once the module is loaded and the daemon has been told.
    """
    channel = _Channel(descriptor)
    try:
        _converse(factory, channel, meanwhile)
    except (OSError, FrameError):
        pass  # the daemon is gone, or talks nonsense: nobody is left to tell
    finally:
        os._exit(0)  # no atexit handlers, no destructors: modules crash in them (OpenSSL's are the best known)


class _Channel:
    """Frames over the socket, one at a time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._splitter = FrameSplitter()
        self._waiting: list[tuple[int, bytes]] = []
        self._number = 0
        self._method = ""

    def receive(self) -> Request | None:
        """The next request, None at the end of the socket."""
        while not self._waiting:
            octets = os.read(self._descriptor, _PORTION)
            if not octets:
                return None
            self._waiting = self._splitter.feed(octets)
        self._number, body = self._waiting.pop(0)
        request = decode_request(body)
        self._method = request.method if isinstance(request, Call) else ""
        return request

    def send(self, reply: Reply) -> None:
        """The whole frame; blocks while the daemon is slow."""
        try:
            octets = frame(encode_reply(reply, self._method), self._number)
        except FrameError as error:
            failure = Failure.of(TokenFailure(f"the answer cannot be sent: {error}"))
            octets = frame(encode_reply(failure, self._method), self._number)
        view = memoryview(octets)
        while view:
            view = view[os.write(self._descriptor, view) :]


def _converse(factory: ModuleFactory, channel: _Channel, meanwhile: Callable[[], None]) -> None:
    first = channel.receive()
    if not isinstance(first, Configure):
        return
    _forward_logs(channel, first.log_level)
    module: Any = None

    def load() -> Reply:
        nonlocal module
        module = factory(first.config)
        return Ready()

    channel.send(_guarded(load))
    if module is None:
        channel.receive()  # the daemon hears the reason first and our end afterwards
        return
    meanwhile()
    gc.freeze()
    gc.enable()  # see spawn.py
    while (request := channel.receive()) is not None:
        if isinstance(request, Close):
            signal.alarm(FINALIZE_LIMIT_S)
            module.close()
            channel.send(Ready())
            return
        channel.send(_guarded(partial(_work, module, request)))


def _work(module: Any, request: Request) -> Reply:
    if not isinstance(request, Call):
        raise TokenFailure(f"{type(request).__name__} has no place here")
    try:
        return Answer(getattr(module, request.method)(*request.arguments))
    finally:
        for pin in request.pins():
            pin.forget()


def _guarded(work: Callable[[], Reply]) -> Reply:
    """The loop must live: whatever the module's code raises becomes an answer."""
    try:
        return work()
    except TokenError as error:
        return Failure.of(error)
    except Exception as error:  # one of the three loops that must live
        # Not the exception's own text: it may quote what it was given.
        logging.getLogger(__name__).error("op=worker result=%s %s", type(error).__name__, _where(error))
        return Failure.of(TokenFailure(f"internal error in the worker: {type(error).__name__}"))


def _where(error: Exception) -> str:
    """Where it happened, innermost last, without source lines and values."""
    frames = traceback.extract_tb(error.__traceback__)
    return " ".join(f"{os.path.basename(one.filename)}:{one.lineno}:{one.name}" for one in frames)


class _Forwarder(logging.Handler):
    """Log records as frames to the daemon."""

    def __init__(self, channel: _Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception as error:  # whatever a caller's arguments may raise; what is being done goes on
            text = f"unprintable log record ({type(error).__name__}) of {record.name}, line {record.lineno}"
        with contextlib.suppress(OSError):  # without listeners what is being done goes on to its end all the same
            self._channel.send(LogRecord(record.levelno, record.name, text[:LONGEST_RECORD]))


def _forward_logs(channel: _Channel, level: int) -> None:
    root = logging.getLogger()
    root.handlers = [_Forwarder(channel)]
    root.setLevel(level)
