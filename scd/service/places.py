"""OpenPGP's three places: which key of a card signs, decrypts and authenticates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scd.gcrypt.pubkey import RsaPublicKey
from scd.service.catalogue import Card, CardKey, Catalogue
from scd.service.usage import usage_letters


@dataclass(frozen=True, slots=True)
class Role:
    """One place: its number in OPENPGP.n, the attribute that names its key, the usage letter it asks for, its name."""

    number: int
    attribute: str
    letter: str
    title: str

    @property
    def place(self) -> str:
        return f"OPENPGP.{self.number}"


SIGN = Role(1, "$SIGNKEYID", "s", "Signature key")
ENCRYPT = Role(2, "$ENCRKEYID", "e", "Encryption key")
AUTHENTICATE = Role(3, "$AUTHKEYID", "a", "Authentication key")
ROLES = (SIGN, ENCRYPT, AUTHENTICATE)
BY_NAME = {name: role for role in ROLES for name in (role.place, role.attribute)}

Recorded = Callable[[Card], Mapping[str, bytes]]
Occupants = Mapping[Role, CardKey]


class Places:
    """`configured`: keygrips of openpgp-sign, openpgp-encr and openpgp-auth; they win wherever the key is.

    `recorded`: a card's metadata, in which `OPENPGP.n` holds the keygrip of the key that was put there.
    """

    def __init__(self, catalogue: Catalogue, configured: Mapping[Role, bytes], recorded: Recorded) -> None:
        self._catalogue = catalogue
        self._configured = configured
        self._recorded = recorded
        self._known: dict[str, tuple[Card, Mapping[str, bytes], Occupants]] = {}  # by serial

    def occupants(self, card: Card) -> Occupants:
        """Which key is in which place of the card: the configured one, else the recorded one, else the one that fits
        best by certificate and CKA flags, else the first. A key has one place at most.
        """
        recorded = self._recorded(card)
        known = self._known.get(card.serial)
        if known is None or known[0] is not card or known[1] != recorded:
            known = (card, dict(recorded), self._placed(card))
            self._known[card.serial] = known
        return known[2]

    def _placed(self, card: Card) -> Occupants:
        placed: dict[Role, CardKey] = {}
        for chosen in (self._is_configured, self.is_recorded):
            for role in ROLES:
                free = (key for key in card.keys if key not in placed.values())
                found = next((key for key in free if chosen(role, key)), None)
                if role not in placed and found is not None:
                    placed[role] = found
        by_usage = [role for role in ROLES if role not in self._configured]
        displaced: list[CardKey] = []
        for role in by_usage:
            best = _fitting(role, [key for key in card.keys if key not in (*placed.values(), *displaced)])
            if best is not None and role not in placed:
                placed[role] = best
            elif best is not None:  # it does not push another key out of its place in turn
                displaced.append(best)
        for role in by_usage:
            best = _fitting(role, [key for key in displaced if key not in placed.values()])
            if best is not None and role not in placed:
                placed[role] = best
        return placed

    def _is_configured(self, role: Role, key: CardKey) -> bool:
        return self._configured.get(role) == key.pair.keygrip

    def is_recorded(self, role: Role, key: CardKey) -> bool:
        """Whether somebody put just this key into the place."""
        return self._recorded(key.card).get(role.place, b"").decode("ascii", "replace") == key.keygrip_hex

    def configured(self, role: Role, card: Card | None) -> CardKey | None:
        """The configuration's key for this place, if it is on any card; that of `card` before others."""
        grip = self._configured.get(role)
        found = self._catalogue.find(grip.hex(), card) if grip is not None else []
        return found[0] if found else None

    def key(self, role: Role, card: Card | None) -> CardKey | None:
        """The key for this purpose: the one in the place, else the card's first that can do it."""
        found = self.configured(role, card)
        if found is not None or card is None:
            return found
        return self.occupants(card).get(role) or next((k for k in card.keys if role.letter in self.usage(k)), None)

    def role(self, key: CardKey) -> Role | None:
        """The place the key has on its card."""
        return next((role for role, one in self.occupants(key.card).items() if one is key), None)

    def ref(self, key: CardKey, card: Card | None) -> str:
        """The key's name for a client that works with `card`: that of its place there, else its own."""
        role = self.role(key) if key.card is card else None
        return role.place if role else key.keyref

    def usage(self, key: CardKey) -> str:
        """The letters shown for the key; one in the encryption place is shown as a key for that."""
        return usage_letters(key.pair, prefer_encryption=self.role(key) is ENCRYPT)


def _fitting(role: Role, keys: Sequence[CardKey]) -> CardKey | None:
    """The best of these for the place."""
    fitting = (key for key in keys if role.letter in usage_letters(key.pair))
    return min(fitting, key=_RANKS[role], default=None)


def _bits(key: CardKey) -> frozenset[str]:
    certificate = key.pair.certificate
    return frozenset(certificate.key_usage or ()) if certificate else frozenset()


def _for_signatures(key: CardKey) -> bool:
    return "non_repudiation" not in _bits(key)


def _for_decryption(key: CardKey) -> int:
    letters = usage_letters(key.pair)
    return len(letters) if isinstance(key.pair.public, RsaPublicKey) else 0


def _in_order(_key: CardKey) -> int:
    return 0


# The smallest is the best; keys of the same rank stay in the card's order. PIV's 9C is for signatures in the law's
# sense, its 9A for logins; a key that can only decrypt is not kept waiting by one that can do everything.
_RANKS: dict[Role, Callable[[CardKey], int]] = {
    SIGN: _for_signatures,
    ENCRYPT: _for_decryption,
    AUTHENTICATE: _in_order,
}
