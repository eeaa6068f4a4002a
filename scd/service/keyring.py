"""Which of the user's OpenPGP keys is a token's key: looked up in gpg's public keyrings, which are only read."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from stat import S_ISREG

from scd.gcrypt.pubkey import PublicKey
from scd.service.keyblocks import Attached, Material, in_keybox, in_packets

__all__ = ["LONGEST_KEYRING", "Attached", "Keyring"]

log = logging.getLogger(__name__)

LONGEST_KEYRING = 256 << 20
"""Octets; a longer keyring is not looked into."""

_DATABASE_PATIENCE_S = 0.2
_OPENPGP_ROW = 1

_Identity = tuple[int, int, int] | None


class Keyring:
    """The public keyrings in the GnuPG home: pubring.kbx, pubring.gpg, and keyboxd's database. None: no home.

    Keyrings that gpg.conf names in other places are not looked into.
    """

    def __init__(self, home: str | None) -> None:
        self._files = {os.path.join(home, name): search for name, search in _SEARCHES.items()} if home else {}
        self._seen: tuple[_Identity, ...] = ()
        self._known: dict[PublicKey, tuple[Attached, ...]] = {}

    def attached(self, public: PublicKey, *, encryption: bool | None = None) -> Attached | None:
        """The OpenPGP key that has this public key; None when no keyring has it, or none can be read.

        A public key may be in several, on a curve in a signing and in an ECDH key: those are preferred that have
        `encryption`, among them the first in the keyring, which is there longest and no key imported later takes its
        place. Reads the files when one has changed since, and blocks for that.
        """
        now = tuple(map(_identity, self._files))
        if now != self._seen:
            self._seen = now
            self._known.clear()
        if public not in self._known:
            self._known[public] = tuple(self._found(public))
        found = self._known[public]
        return next((one for one in found if one.encryption == encryption), found[0] if found else None)

    def _found(self, public: PublicKey) -> Iterable[Attached]:
        try:
            material = Material.of(public)
        except ValueError:
            return
        for path, search in self._files.items():
            yield from search(path, public, material)


def _identity(path: str) -> _Identity:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _keybox(path: str, _public: PublicKey, material: Material) -> Iterable[Attached]:
    octets = _content(path)
    return in_keybox(octets, material) if material.is_in(octets) else ()


def _packets(path: str, _public: PublicKey, material: Material) -> Iterable[Attached]:
    octets = _content(path)
    return in_packets(octets, material) if material.is_in(octets) else ()


def _database(path: str, public: PublicKey, material: Material) -> Iterable[Attached]:
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
            rows = connection.execute(query, (public.keygrip, _OPENPGP_ROW)).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        log.info("op=keyring file=%s result=%s", path, error)
        return
    for (block,) in rows:
        if isinstance(block, bytes):
            yield from in_packets(block, material)


_SEARCHES: dict[str, Callable[[str, PublicKey, Material], Iterable[Attached]]] = {
    "pubring.kbx": _keybox,
    "pubring.gpg": _packets,
    os.path.join("public-keys.d", "pubring.db"): _database,
}


def _content(path: str) -> bytes:
    """The whole file; nothing of one that is not there, cannot be read, is too long or no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if S_ISREG(status.st_mode) and status.st_size <= LONGEST_KEYRING:
                return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        log.info("op=keyring file=%s result=%s", path, error.strerror)
        return b""
    log.info("op=keyring file=%s result=left alone: no file, or longer than %d octets", path, LONGEST_KEYRING)
    return b""
