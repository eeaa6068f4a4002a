"""One living worker process as the event loop sees it: its socket, its deadline, its end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from scd.cryptoki.worker.frames import FrameError, FrameSplitter, frame
from scd.cryptoki.worker.messages import LONGEST_RECORD, LogRecord, Reply, Request, decode_reply, encode_request
from scd.cryptoki.worker.spawn import WorkerProcess
from scd.token.errors import InvalidData, ModuleCrashed, ModuleTimeout, TokenError
from scd.token.port import Call

_PORTION = 65536  # more than twice as much is mapped and unmapped by malloc each time
_LAST_WORDS = 256  # portions; somebody else may still hold the socket and go on for ever

MOST_RECORDS = 1000
"""Log records of a worker from one question to the next."""

GRACE_S = 3.0
"""For a call that is under way when its worker has to end: SoftHSM 2.6.1 empties a token's file and writes it anew at
each login, and a process that is killed in between leaves an empty one."""

OnLog = Callable[[LogRecord], None]


class Child:
    """A worker between its start and its end; there is no way back, a new one takes its place.

    One question at a time: whoever calls `ask` sees to that. `name` is the module's, for messages. `on_end` is
    called once, as soon as nothing can be asked any more; `gone` is set when the process is reaped. `grace_s`: how
    long the module may go on with what it does when the worker has to end.
    """

    def __init__(
        self, process: WorkerProcess, name: str, on_log: OnLog, on_end: Callable[[], None], grace_s: float = GRACE_S
    ) -> None:
        self.pid = process.pid
        self.alive = True
        self.gone = asyncio.Event()
        self._name = name
        self._reason: TokenError | None = None
        self._sock = process.sock
        self._on_log = on_log
        self._on_end = on_end
        self._grace_s = grace_s
        self._splitter = FrameSplitter()
        self._unsent = memoryview(b"")
        self._number = 0  # of the question that is or was out last; Configure's to begin with
        self._method = ""  # whose answer is expected; Configure and Close are no methods
        self._answer: asyncio.Future[Reply] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._end_of_grace: asyncio.TimerHandle | None = None
        self._timeout_s = 0.0
        self._deadline = 0.0  # of the question that is out, by the loop's clock
        self._records = 0  # for the log, since the last question
        self._when_idle: Callable[[], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._sock.setblocking(False)
        self._loop.add_reader(self._sock, self._readable)
        self._pidfd = self._watch()

    @property
    def busy(self) -> bool:
        """A question is out, even if nobody waits for the answer any more."""
        return self._answer is not None

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call back as soon as the question that is out is answered or the worker has ended."""
        self._when_idle = callback

    def ask(self, request: Request, timeout_s: float) -> asyncio.Future[Reply]:
        """The answer to come. It fails with ModuleCrashed or ModuleTimeout; cancelling it stops nothing."""
        try:
            octets = frame(encode_request(request), self._number + 1)
        except FrameError as error:
            raise InvalidData(f"module {self._name}: the request cannot be sent: {error}") from error
        self._number = (self._number + 1) % (1 << 32)
        answer = self.expect(timeout_s)
        self._method = request.method if isinstance(request, Call) else ""
        self._unsent = memoryview(octets)
        self._write()
        return answer

    def expect(self, timeout_s: float) -> asyncio.Future[Reply]:
        """The answer to what was sent already: Configure, by `spawn`."""
        self._answer = self._loop.create_future()
        self._records = 0
        self._timeout_s = timeout_s
        self._deadline = self._loop.time() + timeout_s
        # One timer serves many questions: to arm and cancel one for each costs more than the rest of this method.
        if self._timer is None or self._timer.when() > self._deadline:
            self._arm()
        return self._answer

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._check_deadline)

    @property
    def ending(self) -> str:
        """Why it ended, as far as is known."""
        return str(self._reason or f"module {self._name}: its worker ended")

    def end(self, why: TokenError | None = None) -> None:
        """Close its socket, by which it ends as soon as the module lets it; after the grace it is killed.

        The question that is out fails with `why` at once, else when the process is reaped.
        """
        self._reason = why or self._reason
        if self.alive:
            self._let_go()
            self._end_of_grace = self._loop.call_later(self._grace_s, self._kill)
        if why is not None:
            self._fail(why)

    def _let_go(self) -> None:
        self.alive = False
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        self._on_end()

    def _watch(self) -> int | None:
        try:
            pidfd = os.pidfd_open(self.pid)
        except OSError:
            return None  # an old kernel, or SIGCHLD is ignored and the process has ended already
        self._loop.add_reader(pidfd, self._exited)
        return pidfd

    def _kill(self) -> None:
        try:
            if self._pidfd is None:
                os.kill(self.pid, signal.SIGKILL)
            else:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it ended by itself
        if self._pidfd is None:  # nobody tells us of its end
            self._reap()

    def _exited(self) -> None:
        """The process has ended: its last words first, then its status."""
        for _ in range(_LAST_WORDS):
            if not self.alive or not self._readable():
                break
        self._reap()

    def _reap(self) -> None:
        if self.gone.is_set():
            return
        why = ModuleCrashed(f"module {self._name}: its worker {_how_it_ended(self.pid)}")
        self.gone.set()
        self._reason = self._reason or why
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
        if self.alive:
            self._let_go()
        self._fail(why)
        for timer in (self._timer, self._end_of_grace):
            if timer is not None:
                timer.cancel()

    def _check_deadline(self) -> None:
        self._timer = None
        if self._answer is None:
            return
        if self._loop.time() < self._deadline:
            self._arm()
            return
        timeout_s = self._timeout_s
        self.end(ModuleTimeout(f"module {self._name} did not answer within {timeout_s:g} s; its worker was ended"))

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.end()
            return
        if self._unsent:
            self._loop.add_writer(self._sock, self._write_rest)

    def _write_rest(self) -> None:
        self._loop.remove_writer(self._sock)
        self._write()

    def _readable(self) -> bool:
        """Take what there is; False when there was nothing."""
        try:
            octets = self._sock.recv(_PORTION)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            octets = b""
        if not octets:
            self.end()
            return False
        try:
            for number, body in self._splitter.feed(octets):
                if self.alive:
                    self._take(number, decode_reply(body, self._method))
        except FrameError as error:
            self.end(ModuleCrashed(f"module {self._name}: its worker sent a bad frame and was ended: {error}"))
        return True

    def _take(self, number: int, reply: Reply) -> None:
        if isinstance(reply, LogRecord):
            self._log(reply)
        elif self._answer is None or number != self._number:
            self.end(ModuleCrashed(f"module {self._name}: its worker spoke out of turn and was ended"))
        else:
            answer = self._settle()
            if not answer.done():
                answer.set_result(reply)

    def _log(self, record: LogRecord) -> None:
        """A worker that writes without end would fill the disk, and leave the loop no time for anybody else."""
        self._records += 1
        if self._records > MOST_RECORDS or max(len(record.logger), len(record.text)) > LONGEST_RECORD:
            self.end(ModuleCrashed(f"module {self._name}: its worker floods the log and was ended"))
        else:
            self._on_log(record)

    def _fail(self, error: TokenError) -> None:
        if self._answer is not None:
            answer = self._settle()
            if not answer.done():
                answer.set_exception(error)

    def _settle(self) -> asyncio.Future[Reply]:
        """The question is no longer out."""
        answer, self._answer = self._answer, None
        if answer is None:
            raise RuntimeError("no question is out")
        if self._when_idle is not None:
            callback, self._when_idle = self._when_idle, None
            self._loop.call_soon(callback)
        return answer


def _how_it_ended(pid: int) -> str:
    """Reap; called when the process has ended or was killed, so this does not wait noticeably."""
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        return "ended"  # SIGCHLD is ignored: the kernel reaped it
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with status {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
