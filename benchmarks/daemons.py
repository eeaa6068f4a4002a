"""Starting the two daemons the way gpg-agent does, and what a running one costs in memory."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import Client, Refused
from tests.harness.tokens import Minted

HUNG_AFTER_S = 60
CONFIG = "providers softhsm\nprovider-softhsm-library {library}\n"


@dataclass(frozen=True, slots=True)
class Program:
    """One of the two daemons: its name in the tables and its command line without options."""

    name: str
    command: tuple[str, ...]


def ours() -> Program:
    """scd as `make setup` installs it beside this Python, else from the source tree."""
    script = Path(sys.executable).with_name("scd")
    return Program("scd", (str(script),) if script.exists() else (sys.executable, "-m", "scd"))


def incumbent() -> Program | None:
    """gnupg-pkcs11-scd, if it is installed."""
    found = shutil.which("gnupg-pkcs11-scd")
    return Program("gnupg-pkcs11-scd", (found,)) if found else None


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that has greeted; `client` speaks over its standard input and output."""

    process: subprocess.Popen[bytes]
    client: Client
    greeting_s: float

    def socket_name(self) -> bytes:
        """Where further clients connect; asked over `client`, so by one thread only."""
        return self.client.command(b"GETINFO socket_name").data

    @contextlib.contextmanager
    def connect(self, socket_name: bytes) -> Iterator[Client]:
        """One more client, over the daemon's socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
            end.connect(socket_name)
            with end.makefile("rb") as reader, end.makefile("wb") as writer:
                client = Client(reader, writer, self.client.pin)
                client.greeting()
                yield client
                client.command(b"BYE")


@contextlib.contextmanager
def started(program: Program, tokens: Minted, token: str, config: str = "") -> Iterator[Running]:
    """A daemon of its own in a throw-away home, both reading the same gnupg-pkcs11-scd.conf, and `config`."""
    with tempfile.TemporaryDirectory(prefix="scd-bench-") as home:
        Path(home, "gnupg-pkcs11-scd.conf").write_text(CONFIG.format(library=tokens.module) + config)
        environ = {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": home, "GNUPGHOME": home}
        environ |= {"GNUPG_PKCS11_SOCKETDIR": home, "PYTHONPATH": os.getcwd(), **tokens.env}
        command = [*program.command, "--multi-server", "--homedir", home]
        log_file = Path(home, "stderr")
        with log_file.open("wb") as log:
            begin = time.perf_counter()
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environ)
            hung = threading.Timer(HUNG_AFTER_S, process.kill)  # the client then reads an end of file
            hung.start()
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                client = Client(process.stdout, process.stdin, tokens.tokens[token].pin.encode())
                client.greeting()
                yield Running(process, client, time.perf_counter() - begin)
                client.command(b"BYE")
            except Refused as error:
                raise Refused(f"{program.name}: {error}\n{log_file.read_text(errors='replace')[-2000:]}") from error
            finally:
                hung.cancel()
                _end(process)


def bare_python_s() -> float:
    """Seconds for `python3 -S -c pass`, the unit in which a greeting is counted."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-S", "-c", "pass"], check=True)
    return time.perf_counter() - begin


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB of a daemon and its largest worker, and of the daemon with all its processes."""

    rss: float
    pss: float
    all_pss: float


def memory(process_id: int) -> Memory:
    """Read /proc/PID/smaps_rollup of the daemon and every process below it."""
    daemon, *others = [_rollup(one) for one in (process_id, *_descendants(process_id))]
    rss, pss = max(others, default=(0.0, 0.0))
    return Memory(daemon[0] + rss, daemon[1] + pss, daemon[1] + sum(one[1] for one in others))


def _rollup(process_id: int) -> tuple[float, float]:
    lines = Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return kib["Rss"] / 1024, kib["Pss"] / 1024


def _descendants(process_id: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{process_id}/task").iterdir():
        children += [int(word) for word in (task / "children").read_text().split()]
    return children + [below for child in children for below in _descendants(child)]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes and wait; the incumbent may take a second, and neither is let to stay."""
    with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
        process.communicate(timeout=10)
    if process.poll() is None:
        process.kill()
        process.wait()
