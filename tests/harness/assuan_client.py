"""A small Assuan client of its own, so that the daemon's codec is not tested with itself."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness import processes
from tests.harness.gnupg import scd_command
from tests.harness.tokens import REPOSITORY

PIN_REPLY_LENGTH = 90


class NoAnswer(AssertionError):
    """The daemon did not answer in time, or closed the connection."""


@dataclass(slots=True)
class Reply:
    """Everything up to the OK or ERR of one command.

    `code` is the gpg-error code without its source (0 for OK), `source` the source, `status` the S lines as
    keyword and rest, escapes left in; `inquiries` the INQUIRE lines without that word.
    """

    code: int = 0
    source: int = 0
    text: str = ""
    data: bytes = b""
    status: list[tuple[str, str]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    inquiries: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the command was answered with OK."""
        return self.code == 0

    def values(self, keyword: str) -> list[str]:
        """The rests of all S lines with this keyword, in order."""
        return [rest for word, rest in self.status if word == keyword]


def pin_reply(pin: str) -> bytes:
    """A PIN as gpg-agent sends it: 90 octets, NUL padded."""
    return pin.encode().ljust(PIN_REPLY_LENGTH, b"\0")


def escape(data: bytes) -> bytes:
    """Percent, CR and LF for a D line."""
    return data.replace(b"%", b"%25").replace(b"\r", b"%0D").replace(b"\n", b"%0A")


def unescape(data: bytes) -> bytes:
    """Undo the percent escapes."""
    first, *rest = data.split(b"%")
    return first + b"".join(bytes.fromhex(part[:2].decode()) + part[2:] for part in rest)


class AssuanClient:
    """One connection. `greeting` is the daemon's first line; every read has a deadline."""

    def __init__(self, read_fd: int, write_fd: int, timeout_s: float = 30) -> None:
        self._read_fd, self._write_fd, self._timeout_s = read_fd, write_fd, timeout_s
        self._buffer = b""
        self._poll = select.poll()
        self._poll.register(read_fd, select.POLLIN)
        self.greeting = self.read_line().decode(errors="replace")

    def send_raw(self, octets: bytes) -> None:
        """Write these octets as they are."""
        while octets:
            octets = octets[os.write(self._write_fd, octets) :]

    def read_line(self) -> bytes:
        """The next line without its LF. Raises NoAnswer."""
        deadline = time.monotonic() + self._timeout_s
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                raise NoAnswer(f"nothing within {self._timeout_s} s; so far {self._buffer[:200]!r}")
            received = os.read(self._read_fd, 65536)
            if not received:
                raise NoAnswer(f"connection closed after {self._buffer[:200]!r}")
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def transact(self, line: str | bytes, answers: Mapping[str, bytes | None] | None = None) -> Reply:
        """Send one command and read its reply; `answers` by INQUIRE keyword, None or no entry sends CAN."""
        self.send_raw((line.encode() if isinstance(line, str) else line) + b"\n")
        return self.read_reply(answers)

    def read_reply(self, answers: Mapping[str, bytes | None] | None = None) -> Reply:
        """Read up to OK or ERR."""
        reply = Reply()
        while True:
            word, _, rest = self.read_line().partition(b" ")
            match word:
                case b"OK":
                    reply.text = rest.decode(errors="replace")
                    return reply
                case b"ERR":
                    number, _, text = rest.partition(b" ")
                    reply.code, reply.source = int(number) & 0xFFFF, int(number) >> 24 & 0x7F
                    reply.text = text.decode(errors="replace")
                    return reply
                case b"D":
                    reply.data += unescape(rest)
                case b"S":
                    keyword, _, value = rest.decode(errors="replace").partition(" ")
                    reply.status.append((keyword, value))
                case b"INQUIRE":
                    reply.inquiries.append(rest.decode(errors="replace"))
                    self._answer(rest.partition(b" ")[0].decode(), answers or {})
                case _ if word.startswith(b"#"):
                    reply.comments.append((word + b" " + rest)[1:].decode(errors="replace").strip())
                case _:
                    raise NoAnswer(f"not an Assuan line: {word + b' ' + rest!r}")

    def _answer(self, keyword: str, answers: Mapping[str, bytes | None]) -> None:
        data = answers.get(keyword)
        if data is None:
            self.send_raw(b"CAN\n")
            return
        escaped = escape(data)
        chunks = [data] if len(escaped) <= 900 else [data[i : i + 300] for i in range(0, len(data), 300)]
        self.send_raw(b"".join(b"D " + escape(chunk) + b"\n" for chunk in chunks) + b"END\n")


@dataclass(frozen=True, slots=True)
class RunningScd:
    """A daemon started by `run_scd`, with the client on its stdin and stdout; `stderr` is a file."""

    process: subprocess.Popen[bytes]
    client: AssuanClient
    stderr: Path

    @contextlib.contextmanager
    def connect(self) -> Iterator[AssuanClient]:
        """A further client, through the socket that GETINFO socket_name tells."""
        with connect(Path(os.fsdecode(self.client.transact("GETINFO socket_name").data))) as client:
            yield client


@contextlib.contextmanager
def connect(path: Path, timeout_s: float = 30) -> Iterator[AssuanClient]:
    """A client on the daemon's UNIX socket."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        yield AssuanClient(peer.fileno(), peer.fileno(), timeout_s)


@contextlib.contextmanager
def run_scd(
    arguments: Sequence[str],
    env: Mapping[str, str],
    *,
    stderr: Path,
    command: Sequence[str] | None = None,
    timeout_s: float = 30,
) -> Iterator[RunningScd]:
    """Start the daemon with these arguments; it ends when its stdin closes at the end of the block.

    `env` is added to a bare environment; `command` starts another program instead, such as the incumbent.
    """
    bare = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(REPOSITORY)}
    with stderr.open("wb") as errors:
        process = subprocess.Popen(
            [*(command or scd_command()), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=bare | processes.measured() | dict(env),
        )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        try:
            client = AssuanClient(process.stdout.fileno(), process.stdin.fileno(), timeout_s)
            yield RunningScd(process, client, stderr)
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
