"""OpenPGP's three places: which key signs, decrypts and authenticates for a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scd.service.catalogue import Card, CardKey, Catalogue
from scd.service.usage import usage_letters


@dataclass(frozen=True, slots=True)
class Role:
    """One place: its number in OPENPGP.n, the attribute that names its key, the usage letter it asks for."""

    number: int
    attribute: str
    letter: str

    @property
    def place(self) -> str:
        return f"OPENPGP.{self.number}"


SIGN = Role(1, "$SIGNKEYID", "s")
ENCRYPT = Role(2, "$ENCRKEYID", "e")
AUTHENTICATE = Role(3, "$AUTHKEYID", "a")
ROLES = (SIGN, ENCRYPT, AUTHENTICATE)
BY_NAME = {name: role for role in ROLES for name in (role.place, role.attribute)}


class Roles:
    """`configured`: keygrips of openpgp-sign, openpgp-encr and openpgp-auth; they win wherever the key is."""

    def __init__(self, catalogue: Catalogue, configured: Mapping[Role, bytes]) -> None:
        self._catalogue = catalogue
        self._configured = configured

    def key(self, role: Role, card: Card | None) -> CardKey | None:
        """The key in this place: the configured one, else the card's first with the right usage."""
        grip = self._configured.get(role)
        if grip is not None:
            found = self._catalogue.find(grip.hex(), card)
            if found:
                return found[0]
        if card is None:
            return None
        return next((key for key in card.keys if role.letter in self.usage(key)), None)

    def usage(self, key: CardKey) -> str:
        """The letters shown for the key; the configured encryption key is shown as one."""
        return usage_letters(key.pair, prefer_encryption=self._configured.get(ENCRYPT) == key.pair.keygrip)
