"""What gpg-agent's key stubs say: on which card it saw a key last, and under which name.

GnuPG 2.2 asks for the card in the stub and for nothing else, so that a key's second copy on another token would be of
no use to it. Whoever holds a key whose stub names an absent card can stand in for that card.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from stat import S_ISREG

from scd.gcrypt.sexp import Parsed, parse
from scd.service.catalogue import Card, CardKey
from scd.token.errors import reason

log = logging.getLogger(__name__)

FOLDER = "private-keys-v1.d"
LONGEST_STUB = 65536  # octets
_SHADOWED = b"shadowed-private-key"
_CANONICAL = b"(%d:%s" % (len(_SHADOWED), _SHADOWED)
_PROTOCOL = b"t1-v1"

Place = tuple[str, str]
"""A card's serial number and a key's name on it, both in upper case."""


class Stubs:
    """The stubs in the GnuPG home, read anew each time, and only those of keys that are at hand. None: no home."""

    def __init__(self, home: str | None) -> None:
        self._folder = os.path.join(home, FOLDER) if home else None

    def stand_in(self, serial: str, cards: Iterable[Card]) -> Card | None:
        """The card for a client that asks for the absent `serial`: the first that holds a key whose stub names it."""
        wanted = serial.upper()
        for card in cards:
            if any(wanted == named for key in card.keys for named, _ in self.places(key.keygrip_hex)):
                log.info("card=%s stands in for %s", card.serial, wanted)
                return card
        return None

    def key(self, serial: str, name: str, keys: Iterable[CardKey]) -> CardKey | None:
        """The first of `keys` that was called `name` on the card `serial`, by its stub."""
        wanted = (serial.upper(), name.upper())
        return next((key for key in keys if wanted in self.places(key.keygrip_hex)), None)

    def places(self, keygrip_hex: str) -> frozenset[Place]:
        """Where the key's stub says that it is; none without a stub, or for one that cannot be read."""
        if self._folder is None:
            return frozenset()
        path = os.path.join(self._folder, f"{keygrip_hex}.key")
        found: set[Place] = set()
        try:
            found.update(_places(_content(path)))
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            log.info("op=stub file=%s result=%s", path, reason(error))
        return frozenset(found)


def _content(path: str) -> bytes:
    """Nothing of what is no file, or too long. Raises OSError."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        return file.read() if S_ISREG(status.st_mode) and status.st_size <= LONGEST_STUB else b""


def _places(stub: bytes) -> Iterator[Place]:
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
            yield _place(words[0], words[1])
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


def _in_key(key: tuple[Parsed, ...]) -> Iterator[Place]:
    """`(shadowed-private-key (<algorithm> … (shadowed t1-v1 (<serial> <name> …))))`."""
    for algorithm in key[1:]:
        for entry in algorithm if isinstance(algorithm, tuple) else ():
            match entry:
                case (b"shadowed", protocol, (bytes(serial), bytes(name), *_)) if protocol == _PROTOCOL:
                    yield _place(serial.hex().encode(), name)


def _place(serial: bytes, name: bytes) -> Place:
    return serial.decode("latin-1").upper(), name.decode("latin-1").upper()
