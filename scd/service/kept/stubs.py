"""What gpg-agent's key stubs say: on which card it saw a key last, and under which name.

GnuPG 2.2 asks for the card in the stub and for nothing else, so that a key's second copy on another token would be of
no use to it. Whoever holds a key whose stub names an absent card can stand in for that card.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scd.files import Identity, identity, opened
from scd.gcrypt.pubkey import PublicKey
from scd.gcrypt.sexp import Parsed, parse
from scd.service.finding.catalogue import Card, CardKey
from scd.token.errors import reason

log = logging.getLogger(__name__)

FOLDER = "private-keys-v1.d"
LONGEST_STUB = 65536  # octets
_HEAD = 2048  # octets, in which a key file says what kind of key it is; the public half, if long, comes first
_SHADOWED = b"shadowed-private-key"
_CANONICAL = b"(%d:%s" % (len(_SHADOWED), _SHADOWED)
_PROTOCOL = b"t1-v1"
_FILE_NAME = re.compile(r"([0-9A-F]{40})\.key")
_KYBER = re.compile(rb"private-key\s*\((?:\d+:)?(?:kyber|ml-?kem)", re.IGNORECASE)
"""The beginning of such a key in all of gpg-agent's forms: `Key: (private-key (kyber768 …`, `(8:kyber768`."""

OnCard = tuple[str, str]
"""A card's serial number and a key's name on it, both in upper case."""


@dataclass(frozen=True, slots=True)
class Stub:
    """One key's stub: where the key was seen, and its public half, which is that of the keygrip; None if not shown."""

    keygrip_hex: str
    on_cards: frozenset[OnCard]
    public: PublicKey | None


class Stubs:
    """The stubs in the GnuPG home; each file is read when it is asked for, again when it has changed. None: no home."""

    def __init__(self, home: str | None) -> None:
        self._folder = os.path.join(home, FOLDER) if home else None
        self._known: dict[str, tuple[Identity, Stub]] = {}

    def stand_in(self, serial: str, cards: Iterable[Card]) -> Card | None:
        """The card for a client that asks for the absent `serial`: the first that holds a key whose stub names it."""
        wanted = serial.upper()
        for card in cards:
            if any(wanted == named for key in card.keys for named, _ in self.on_cards(key.keygrip_hex)):
                log.info("card=%s stands in for %s", card.serial, wanted)
                return card
        return None

    def key(self, serial: str, name: str, keys: Iterable[CardKey]) -> CardKey | None:
        """The first of `keys` that was called `name` on the card `serial`, by its stub."""
        wanted = (serial.upper(), name.upper())
        return next((key for key in keys if wanted in self.on_cards(key.keygrip_hex)), None)

    def on_cards(self, keygrip_hex: str) -> frozenset[OnCard]:
        """Where the key's stub says that it is; none without a stub, or for one that cannot be read."""
        return self.stub(keygrip_hex).on_cards

    def stub(self, keygrip_hex: str) -> Stub:
        """All that the key's stub says."""
        grip = keygrip_hex.upper()
        if self._folder is None:
            return Stub(grip, frozenset(), None)
        path = os.path.join(self._folder, f"{grip}.key")
        try:
            now = identity(path)
            if grip not in self._known or self._known[grip][0] != now:
                self._known[grip] = (now, _read(grip, _content(path), path))
            return self._known[grip][1]
        except FileNotFoundError:
            self._known.pop(grip, None)
        except OSError as error:
            log.info("op=stub file=%s result=%s", path, reason(error))
        return Stub(grip, frozenset(), None)

    def all(self) -> list[Stub]:
        """Every stub that names a card; in the order of their keygrips."""
        try:
            names = os.listdir(self._folder) if self._folder else []
        except OSError:  # a home without keys
            return []
        grips = sorted(match[1] for name in names if (match := _FILE_NAME.fullmatch(name)))
        return [stub for stub in map(self.stub, grips) if stub.on_cards]

    def has_kyber_key(self) -> bool:
        """Whether gpg-agent may come for one half of a Kyber key: the other half has to be a file of its own (2.5)."""
        if self._folder is None:
            return False
        with contextlib.suppress(OSError), os.scandir(self._folder) as files:
            return any(_is_kyber_key(file.path) for file in files if file.name.endswith(".key"))
        return False


def _is_kyber_key(path: str) -> bool:
    try:
        return _KYBER.search(_content(path, _HEAD)) is not None
    except OSError:
        return False


def _content(path: str, length: int = -1) -> bytes:
    """Its first octets, or all. Raises OSError."""
    with opened(path, LONGEST_STUB) as file:
        return file.read(length)


def _read(grip: str, octets: bytes, path: str) -> Stub:
    """What was found before the first thing that is malformed counts; a public key only if it is that of the name."""
    on_cards: set[OnCard] = set()
    public: PublicKey | None = None
    try:
        for found in _said(octets):
            if isinstance(found, tuple):
                on_cards.add(found)
            elif found.keygrip.hex().upper() == grip:
                public = found
    except ValueError as error:
        log.info("op=stub file=%s result=%s", path, reason(error))
    return Stub(grip, frozenset(on_cards), public)


def _said(stub: bytes) -> Iterator[OnCard | PublicKey]:
    """Both of gpg-agent's forms (GnuPG 2.2, agent/findkey.c): `Token:` lines and `Key:`, or an S-expression alone.

    A private key that is no stub is not parsed. Raises ValueError.
    """
    if stub.startswith(b"("):
        if stub.startswith(_CANONICAL):
            yield from _in_key(parse(stub))
        return
    for name, value in _entries(stub):
        words = value.split()
        if name == b"token" and len(words) >= 2:
            yield _on_card(words[0], words[1])
        elif name == b"key" and words and words[0] == b"(" + _SHADOWED:
            from scd.gcrypt.sexptext import parse_text  # the start can do without it

            yield from _in_key(parse_text(value))


def _entries(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The names, in lower case, and values of GnuPG's extended form; a line that begins with a blank goes on."""
    name, value = b"", b""
    for line in text.splitlines(keepends=True):
        if line[:1] in (b" ", b"\t"):
            value += line
        elif not line.startswith(b"#") and b":" in line:
            if name:
                yield name, value
            name, _, value = line.partition(b":")
            name = name.lower()
    if name:
        yield name, value


def _in_key(key: tuple[Parsed, ...]) -> Iterator[OnCard | PublicKey]:
    """`(shadowed-private-key (<algorithm> … (shadowed t1-v1 (<serial> <name> …))))`."""
    for algorithm in key[1:]:
        for entry in algorithm if isinstance(algorithm, tuple) else ():
            match entry:
                case (b"shadowed", protocol, (bytes(serial), bytes(name), *_)) if protocol == _PROTOCOL:
                    yield _on_card(serial.hex().encode(), name)
    from scd.gcrypt.pubsexp import public_in  # the start can do without it

    yield public_in(key)


def _on_card(serial: bytes, name: bytes) -> OnCard:
    return serial.decode("latin-1").upper(), name.decode("latin-1").upper()
