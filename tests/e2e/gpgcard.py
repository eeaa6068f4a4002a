"""gpg-card (GnuPG 2.4 and later) as people use it: its commands, and what it lists, parsed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tests.harness.gnupg import GnupgHome, Result
from tests.harness.terminal import Exchange, on_terminal

PLACES = ("OPENPGP.1", "OPENPGP.2", "OPENPGP.3")
_TITLES = ("Signature key", "Encryption key", "Authentication key")

needs_gpg_card = pytest.mark.skipif(
    shutil.which("gpg-card") is None, reason="gpg-card is not installed (GnuPG 2.4, package gpg or gnupg)"
)


@dataclass(slots=True)
class ListedKey:
    """One key of `gpg-card list`. `keygrip` is None for an empty place; `usage` as in `sign,cert`.

    `details` are the other lines below it, by name; `used_for` the lines of its OpenPGP and X.509 keys.
    """

    keygrip: str | None
    details: dict[str, str] = field(default_factory=dict)

    @property
    def algorithm(self) -> str:
        """GnuPG's name of the key's kind; for an empty place, of the next key made there."""
        return self.details["algorithm"]

    @property
    def keyref(self) -> str:
        """The name under which the card knows the key."""
        return self.details["keyref"].split()[0]

    @property
    def usage(self) -> set[str]:
        """What the key is for: sign, cert, auth, encr."""
        found = re.search(r"\((.*)\)", self.details["keyref"])
        return set(found[1].split(",")) if found else set()


@dataclass(frozen=True, slots=True)
class Listing:
    """`gpg-card list` of one card: `about` by the names of its lines, `keys` by keyref, in order."""

    about: dict[str, str]
    keys: dict[str, ListedKey]


def gpg_card(home: GnupgHome, *words: str, check: bool = True) -> Result:
    """gpg-card with a command, several of them separated by `--`."""
    return home.run("gpg-card", *words, check=check)


def gpg_card_on_terminal(home: GnupgHome, *words: str, answers: Sequence[Exchange], check: bool = True) -> str:
    """gpg-card with a command that asks questions; it has no --command-fd."""
    return on_terminal(home, "gpg-card", *words, answers=answers, check=check)


def listing(home: GnupgHome, *words: str) -> Listing:
    """What `gpg-card list` shows."""
    return parsed(gpg_card(home, "list", *words).out)


def parsed(text: str) -> Listing:
    """The lines of a listing by their names; the lines below a key belong to it."""
    about: dict[str, str] = {}
    keys: list[ListedKey] = []
    for line in text.splitlines():
        name, _, value = (part.strip(" .") for part in line.partition(":"))
        if line.startswith("      "):
            keys[-1].details.setdefault(name, value)
        elif name in _TITLES or name.startswith("Key "):
            keys.append(ListedKey(value if len(value) == 40 else None))
        else:
            about[name] = line.partition(":")[2].strip()
    return Listing(about, {key.keyref: key for key in keys})
