"""A small Assuan client that costs the same for whichever daemon it talks to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class Writer(Protocol):
    """What the client writes to: a pipe without buffer, or a socket's file."""

    def write(self, octets: bytes, /) -> object: ...
    def flush(self) -> None: ...


class Reader(Protocol):
    """What the client reads from: a buffered binary file."""

    def readline(self) -> bytes: ...


class Refused(Exception):
    """The daemon answered ERR, or went away."""


@dataclass(slots=True)
class Answer:
    """What one command gave: status lines without `S `, and the D lines' octets joined."""

    status: list[bytes] = field(default_factory=list)
    data: bytes = b""


@dataclass(slots=True)
class Client:
    """One connection. NEEDPIN is answered with `pin`; any other inquiry with nothing."""

    reader: Reader
    writer: Writer
    pin: bytes

    def greeting(self) -> None:
        """Wait for the daemon's first OK."""
        self._read(b"the greeting")

    def command(self, line: bytes) -> Answer:
        """Send one line and read until OK; raises `Refused` for ERR."""
        self._send(line)
        return self._read(line)

    def sign(self, keygrip: bytes, digest_info_hex: bytes) -> bytes:
        """SETDATA and PKSIGN, each waiting for its answer as gpg-agent does; the signature."""
        self.command(b"SETDATA " + digest_info_hex)
        return self.command(b"PKSIGN --hash=sha256 " + keygrip).data

    def _send(self, line: bytes) -> None:
        self.writer.write(line + b"\n")
        self.writer.flush()

    def _read(self, asked: bytes) -> Answer:
        answer, chunks = Answer(), []
        while True:
            line = self.reader.readline()
            word, _, rest = line.rstrip(b"\n").partition(b" ")
            if word == b"D":
                chunks.append(_unescape(rest))
            elif word == b"S":
                answer.status.append(rest)
            elif word == b"INQUIRE":
                self._send(b"D " + self.pin + b"\nEND" if rest.startswith(b"NEEDPIN") else b"END")
            elif word == b"OK":
                answer.data = b"".join(chunks)
                return answer
            elif word != b"#":
                raise Refused(
                    f"{asked.split(b' ')[0].decode()}: {line.decode(errors='replace').strip() or 'no answer'}"
                )


def _unescape(octets: bytes) -> bytes:
    head, *parts = octets.split(b"%")
    return head + b"".join(bytes.fromhex(part[:2].decode()) + part[2:] for part in parts)
