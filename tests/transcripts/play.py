"""Reads a transcript and plays the client's part of it against a daemon in memory.

A file has a head of `# Name: value` lines and then, with comments (`#`) and blank lines between them, lines of the
conversation: `C: ` what the client sends, `S: ` what the daemon must say. Placeholders in braces are those of
`cast.Names`; in S lines also `{*}` for any octets and `{N octets}` for so many. Data lines are compared unescaped, and
several in a row as one; the client's are cut to the length of a line. One command is sent at a time; `S: [closed]` is
the end of the connection. `! TOKEN FIELD=VALUE` changes a token behind the daemon's back.

In the head, `Reference` names the sections of the protocol reference that the conversation stands for, `Tokens` those
of `cast.TOKENS` that are present; `Configured` has the options openpgp-sign, -encr and -auth, as `sign=KEY` with a key
of the first token, and `deny-admin`.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from scd.daemon.daemon import Daemon
from scd.service.finding.catalogue import Catalogue
from scd.service.finding.places import AUTHENTICATE, ENCRYPT, SIGN, Role
from scd.service.finding.registry import RegisteredModule, Registry
from scd.service.kept.keyring import Keyring
from scd.service.kept.metadata import Metadata
from scd.service.kept.statefile import StateFile
from scd.service.operations import Service
from scd.service.pins.logins import Logins
from tests.daemon.memory import Client
from tests.fakes.fake_module import FakeModule
from tests.fakes.fake_token import FakeToken
from tests.harness.assuan_client import escape, unescape
from tests.transcripts.cast import SOCKET, TOKENS, Names

FOLDER = Path(__file__).parent
MODULE = "softhsm"
CLOSED = b"[closed]"
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_OCTETS = re.compile(r"(\d+) octets")
_SETDATA = re.compile(r"SETDATA (--append )?((?:[0-9A-F]{2})+)")
_FINAL = (b"OK", b"ERR", b"INQUIRE")
_VALUES = {"True": True, "False": False, "None": None}
_OPTIONS = {"sign": SIGN, "encr": ENCRYPT, "auth": AUTHENTICATE}
_PART_OF_LINE = re.compile(rb"(?:%..|[^%]){1,300}", re.DOTALL)


class Mismatch(AssertionError):
    """The daemon did not say what the transcript says."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the conversation: its number in the file, who speaks (C, S or !), the text after that."""

    number: int
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """A file's head, names in lower case, and its conversation."""

    path: Path
    head: dict[str, str]
    lines: tuple[Line, ...]

    @property
    def tokens(self) -> list[FakeToken]:
        """New tokens, as the head names them."""
        return [TOKENS[name]() for name in self.head.get("tokens", "").replace(",", " ").split()]


def read(path: Path) -> Transcript:
    """Parse a file. Raises ValueError with file and line for what is neither comment nor conversation."""
    head: dict[str, str] = {}
    lines: list[Line] = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        who, mark, rest = text[:1], text[1:3], text[3:]
        if who in ("C", "S") and mark in (": ", ":"):
            lines.append(Line(number, who, rest))
        elif text.startswith("! "):
            lines.append(Line(number, "!", text[2:]))
        elif text.startswith("#"):
            name, colon, value = text[1:].strip().partition(": ")
            if colon and not lines:
                head[name.lower()] = value
        elif text.strip():
            raise ValueError(f"{path}:{number}: neither `C: `, `S: `, `! ` nor `#`")
    return Transcript(path, head, tuple(lines))


def play(transcript: Transcript) -> None:
    """Run the whole conversation. Raises Mismatch, which names the first line that came otherwise."""
    asyncio.run(_Play(transcript).run())


class _Play:
    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._tokens = transcript.tokens
        self._names = Names(self._tokens)
        self._closed = False

    async def run(self) -> None:
        configured = self._transcript.head.get("configured", "").split()
        catalogue = Catalogue(Registry((RegisteredModule(MODULE, FakeModule(*self._tokens)),)))
        service = Service(catalogue, Logins(None), self._roles(configured), Metadata(StateFile(None)), Keyring(None))
        daemon = Daemon(service, deny_admin="deny-admin" in configured)
        daemon.socket_name = SOCKET
        client = Client(daemon)
        heard: list[bytes] = []
        spoke = ""
        for line in self._transcript.lines:
            if line.who == "S":
                if not heard and spoke == "S" and line.text.encode() != CLOSED:
                    raise self._mismatch(line, line.text, b"(nothing: it waits for the client)")
                heard = heard or await self._listen(client, line)
                self._compare(line, heard.pop(0))
            elif heard:
                raise self._mismatch(line, "nothing more from the daemon", heard[0])
            elif line.who == "C":
                client.send(self._line_for_client(line))
            else:
                self._change_token(line.text)
            spoke = line.who
        await self._see_silence(client, heard)
        client.task.cancel()
        await asyncio.gather(client.task, return_exceptions=True)

    def _roles(self, configured: list[str]) -> dict[Role, bytes]:
        pairs = (option.split("=", 1) for option in configured if "=" in option)
        return {_OPTIONS[name]: bytes.fromhex(self._names.value(f"grip:{key}").decode()) for name, key in pairs}

    async def _listen(self, client: Client, line: Line) -> list[bytes]:
        """All lines up to the next OK, ERR or INQUIRE, data lines joined and unescaped."""
        heard: list[bytes] = []
        while not heard or not (heard[-1] == CLOSED or heard[-1].startswith(_FINAL)):
            octets = await self._next(client, line, heard)
            if not octets.startswith(b"D "):
                heard.append(octets)
            elif heard and heard[-1].startswith(b"D "):
                heard[-1] += unescape(octets[2:])
            else:
                heard.append(b"D " + unescape(octets[2:]))
        return heard

    async def _next(self, client: Client, line: Line, heard: list[bytes]) -> bytes:
        try:
            return (await client.line()).encode("latin-1")
        except EOFError:
            self._closed = True
            return CLOSED
        except TimeoutError:
            raise self._mismatch(line, line.text, heard[-1] if heard else b"(nothing)") from None

    async def _see_silence(self, client: Client, heard: list[bytes]) -> None:
        end = Line(len(self._transcript.path.read_text(encoding="utf-8").splitlines()), "S", "")
        if heard:
            raise self._mismatch(end, "the end", heard[0])
        if not self._closed:
            client.send(b"NOP\n")
            self._compare(Line(end.number, "S", "OK"), (await self._listen(client, end))[0])

    def _compare(self, line: Line, heard: bytes) -> None:
        if not re.fullmatch(self._pattern(line), heard, re.DOTALL):
            raise self._mismatch(line, line.text, heard)

    def _pattern(self, line: Line) -> bytes:
        pieces = _PLACEHOLDER.split(line.text)
        pattern = b""
        for place, piece in enumerate(pieces):
            if place % 2 == 0:
                pattern += re.escape(piece.encode())
            elif piece == "*":
                pattern += b".*"
            elif count := _OCTETS.fullmatch(piece):
                pattern += b".{%d}" % int(count[1])
            else:
                pattern += re.escape(self._value(line, piece))
        return pattern

    def _line_for_client(self, line: Line) -> bytes:
        pieces = _PLACEHOLDER.split(line.text)
        data = line.text.startswith("D ")
        for place in range(1, len(pieces), 2):
            value = self._value(line, pieces[place])
            pieces[place] = (escape(value) if data else value).decode("latin-1")
        if named := _SETDATA.fullmatch("".join(pieces)):
            self._names.block = (self._names.block if named[1] else b"") + bytes.fromhex(named[2])
        octets = "".join(pieces).encode("latin-1")
        if not data:
            return octets + b"\n"
        return b"".join(b"D " + part + b"\n" for part in _PART_OF_LINE.findall(octets[2:]))

    def _value(self, line: Line, name: str) -> bytes:
        try:
            return self._names.value(name)
        except (KeyError, StopIteration, ValueError) as error:
            raise ValueError(f"{self._transcript.path}:{line.number}: {{{name}}} means nothing: {error!r}") from error

    def _change_token(self, text: str) -> None:
        label, _, assignment = text.partition(" ")
        name, _, value = assignment.partition("=")
        token = next(token for token in self._tokens if token.label == label)
        setattr(token, name, _VALUES[value] if value in _VALUES else _number_or_words(value))

    def _mismatch(self, line: Line, expected: str, heard: bytes) -> Mismatch:
        shown = heard.decode("utf-8", "backslashreplace")
        return Mismatch(f"{self._transcript.path.name}:{line.number}\n  expected: {expected}\n  came:     {shown!r}")


def _number_or_words(value: str) -> int | tuple[str, ...]:
    return int(value) if value.isdigit() else tuple(value.split(","))
