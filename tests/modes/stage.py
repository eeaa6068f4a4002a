"""A stage for daemons in any mode: a home, a place for sockets, and nobody left on it at the end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.harness import processes
from tests.harness.assuan_client import AssuanClient, connect
from tests.harness.gnupg import scd_command
from tests.harness.tokens import REPOSITORY, Minted

DEADLINE_S = 15.0
NO_MODULE = "providers none\nprovider-none-library /nonexistent/none.so\n"
"""A configuration that starts quickly, since no module is loaded."""

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_STEP_S = 0.01


class TooLate(AssertionError):
    """What was waited for did not come."""


def eventually(what: Callable[[], Any], why: str, deadline_s: float = DEADLINE_S) -> Any:
    """The first true value that `what` gives, asked again and again."""
    until = time.monotonic() + deadline_s
    while not (value := what()):
        if time.monotonic() > until:
            raise TooLate(f"not within {deadline_s} s: {why}")
        time.sleep(_STEP_S)
    return value


def softhsm(tokens: Minted, *, workers: int = 1) -> str:
    """A configuration with the test tokens."""
    return f"providers hsm\nprovider-hsm-library {tokens.module}\nprovider-hsm-workers {workers}\n"


class Stage:
    """`home` has a scd.conf; `sockets` is where sockets go, by TMPDIR. Open to other users, as a socket may be."""

    def __init__(self, config: str = NO_MODULE) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="stage-", dir="/tmp"))
        self.root.chmod(0o755)
        self.home, self.sockets = self.root / "home", self.root / "s"
        self.home.mkdir(mode=0o700)
        self.sockets.mkdir(mode=0o755)
        self.log = self.root / "log"
        self.errors = self.root / "stderr"
        self.env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(REPOSITORY),
            "GNUPGHOME": str(self.home),
            "TMPDIR": str(self.sockets),
            "HOME": str(self.root),
        } | processes.measured()
        self.configure(config)
        self._before = set(processes.children(os.getpid()))
        self._started: list[Running] = []

    def configure(self, config: str) -> None:
        """Replace scd.conf; `config` may overrule the log and its verbosity."""
        self.config = config
        (self.home / "scd.conf").write_text(f"verbose\nlog-file {self.log}\n{config}", encoding="utf-8")

    def start(
        self,
        *arguments: str,
        env: Mapping[str, str | None] | None = None,
        command: Sequence[str] | None = None,
        **options: Any,
    ) -> Running:
        """Start scd; standard input and output are pipes unless `options`, those of Popen, say otherwise."""
        streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with self.errors.open("ab") as errors:
            streams["stderr"] = errors
            words = [*(command or scd_command()), *arguments]
            running = Running(self, subprocess.Popen(words, env=self._environment(env), **streams | options))
            self._started.append(running)
            return running

    def run(
        self, *arguments: str, env: Mapping[str, str | None] | None = None, command: Sequence[str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run scd to its end, without input."""
        words = [*(command or scd_command()), *arguments]
        return subprocess.run(
            words, env=self._environment(env), stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S
        )

    def _environment(self, more: Mapping[str, str | None] | None) -> dict[str, str]:
        merged: dict[str, str | None] = {**self.env, **(more or {})}
        return {name: value for name, value in merged.items() if value is not None}

    @property
    def said(self) -> str:
        """Everything on standard error so far."""
        return self.errors.read_text(errors="replace") if self.errors.exists() else ""

    @property
    def logged(self) -> str:
        """The log so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_for_log(self, text: str, times: int = 1) -> None:
        """Until the log shows it so often."""
        try:
            eventually(lambda: self.logged.count(text) >= times, f"{text!r} in the log")
        except TooLate as error:
            raise TooLate(f"{error}, which is:\n{self.logged}") from None

    def folders(self, below: Path | None = None) -> list[Path]:
        """The socket folders there are."""
        return sorted((below or self.sockets).glob("scd-*"))

    def socket(self) -> Path:
        """The only socket, as soon as it is there."""
        (folder,) = eventually(self.folders, "a socket folder")
        path: Path = folder / "S.scd"
        eventually(path.exists, "a socket")
        return path

    def close(self) -> None:
        """See everybody end within the deadline, orphans included; AssertionError names those who had to be killed."""
        for running in self._started:
            running.hang_up()
        left = [pid for pid in processes.children(os.getpid()) if pid not in self._before]
        names = {pid: processes.command_line(pid) or "a zombie" for pid in left}
        late = processes.wait_for_end(processes.open_handles(left), DEADLINE_S / 2)
        for pid in late:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        for running in self._started:
            running.process.wait()
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        shutil.rmtree(self.root)
        assert not late, f"still running: {[names[pid] for pid in late]}"


class Running:
    """One daemon whose process is our child."""

    def __init__(self, stage: Stage, process: subprocess.Popen[bytes]) -> None:
        self.stage = stage
        self.process = process
        self.pid = process.pid

    def greeted(self) -> AssuanClient:
        """The client at its standard input and output, greeted."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        return AssuanClient(self.process.stdout.fileno(), self.process.stdin.fileno(), DEADLINE_S)

    def ready(self) -> AssuanClient:
        """As `greeted`, and its loop listens to signals by now."""
        client = self.greeted()
        assert client.transact("NOP").ok
        return client

    @contextlib.contextmanager
    def connected(self) -> Iterator[AssuanClient]:
        """A client at its socket."""
        with connect(self.stage.socket(), DEADLINE_S) as client:
            yield client

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """The end of its standard input, and nobody at its standard output."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def end(self, deadline_s: float = DEADLINE_S) -> int:
        """Its exit status, when it ends by itself."""
        status = self.process.wait(deadline_s)
        if status:
            sys.stderr.write(self.stage.said)  # for the report, should that be a surprise
        return status

    def workers(self) -> list[int]:
        """The processes it has started and not yet reaped."""
        return processes.children(self.pid)


@contextlib.contextmanager
def reaping_orphans() -> Iterator[None]:
    """Orphans come to this process meanwhile, so that none gets lost."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def is_running(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for_end(pid: int) -> None:
    """Until a process that is not our child, or is an orphan, has ended."""
    assert not processes.wait_for_end(processes.open_handles([pid]), DEADLINE_S), f"{pid} goes on"
