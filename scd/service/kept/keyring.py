"""Which of the user's OpenPGP keys is a token's key: looked up in gpg's public keyrings, which are only read."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator

from scd.files import Identity, identity, opened
from scd.gcrypt.pubkey import PublicKey
from scd.service.kept.keyblocks import Attached, Found, Wanted, in_keybox, in_packets

__all__ = ["LONGEST_KEYRING", "Attached", "Keyring"]

log = logging.getLogger(__name__)

LONGEST_KEYRING = 256 << 20
"""Octets; a longer keyring is not looked into."""

_DATABASE_PATIENCE_S = 0.2
_OPENPGP_ROW = 1


class Keyring:
    """The public keyrings in the GnuPG home: pubring.kbx, pubring.gpg, and keyboxd's database. None: no home.

    Keyrings that gpg.conf names in other places are not looked into.
    """

    def __init__(self, home: str | None) -> None:
        self._files = {os.path.join(home, name): search for name, search in _SEARCHES.items()} if home else {}
        self._seen: tuple[Identity | None, ...] = ()
        self._known: dict[PublicKey, tuple[Attached, ...]] = {}
        self._turn = asyncio.Lock()

    async def look(self, publics: Iterable[PublicKey]) -> None:
        """Find these public keys, all in one pass, unless they have been looked for since the files last changed.

        In a thread: a keyring of everybody one has ever met takes seconds.
        """
        wanted = frozenset(publics)
        async with self._turn:
            if self._identities() != self._seen or not wanted <= self._known.keys():
                await asyncio.to_thread(self.read, wanted)

    def read(self, publics: Iterable[PublicKey]) -> None:
        """As `look`, here and now."""
        seen = self._identities()
        found: dict[PublicKey, list[Attached]] = {public: [] for public in publics}
        for path, search in self._files.items():
            try:
                for public, attached in search(path, found):
                    found[public].append(attached)
            except FileNotFoundError:
                pass
            except OSError as error:
                log.info("op=keyring file=%s result=%s", path, error.strerror)
        self._known, self._seen = {public: tuple(every) for public, every in found.items()}, seen

    def attached(self, public: PublicKey, *, encryption: bool | None = None) -> Attached | None:
        """The OpenPGP key that has this public key, as `look` found it; None when no keyring has it, or can be read.

        A public key may be in several, on a curve in a signing and in an ECDH key: those are preferred that have
        `encryption`, among them the first in the keyring, which is there longest and no key imported later takes its
        place.
        """
        found = self._known.get(public, ())
        return next((one for one in found if one.encryption == encryption), found[0] if found else None)

    def _identities(self) -> tuple[Identity | None, ...]:
        return tuple(map(_identity, self._files))


def _identity(path: str) -> Identity | None:
    try:
        return identity(path)
    except OSError:
        return None


def _keybox(path: str, publics: Iterable[PublicKey]) -> Iterator[Found]:
    with opened(path, LONGEST_KEYRING) as file:
        yield from in_keybox(file, Wanted(publics))


def _packets(path: str, publics: Iterable[PublicKey]) -> Iterator[Found]:
    with opened(path, LONGEST_KEYRING) as file:
        yield from in_packets(file.read(), Wanted(publics))


def _database(path: str, publics: Iterable[PublicKey]) -> Iterator[Found]:
    """Its tables: kbx/backend-sqlite.c, GnuPG 2.4 and 2.5. A database that is being written to has nothing now."""
    if not os.path.exists(path):
        return
    import sqlite3
    from pathlib import Path

    query = (
        "SELECT keyblob FROM fingerprint JOIN pubkey USING (ubid) WHERE keygrip = ? AND type = ? ORDER BY pubkey.rowid"
    )
    try:
        connection = sqlite3.connect(
            f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, timeout=_DATABASE_PATIENCE_S
        )
        try:
            rows = [row for one in publics for row in connection.execute(query, (one.keygrip, _OPENPGP_ROW)).fetchall()]
        finally:
            connection.close()
    except sqlite3.Error as error:
        log.info("op=keyring file=%s result=%s", path, error)
        return
    wanted = Wanted(publics)
    for block in dict.fromkeys(block for (block,) in rows if isinstance(block, bytes)):
        yield from in_packets(block, wanted)


_SEARCHES: dict[str, Callable[[str, Iterable[PublicKey]], Iterator[Found]]] = {
    "pubring.kbx": _keybox,
    "pubring.gpg": _packets,
    os.path.join("public-keys.d", "pubring.db"): _database,
}
