"""OpenPGP's three places: which key of a card signs, decrypts and authenticates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from scd.gcrypt.pubkey import RsaPublicKey
from scd.service.finding.catalogue import Card, CardKey, Catalogue
from scd.service.finding.usage import usage_letters


@dataclass(frozen=True, slots=True)
class Role:
    """One place: its number in OPENPGP.n, the attribute that names its key, the usage letter it asks for, its name, and
    which of the options openpgp-… names its key.
    """

    number: int
    attribute: str
    letter: str
    title: str
    option: str

    @property
    def place(self) -> str:
        return f"OPENPGP.{self.number}"


SIGN = Role(1, "$SIGNKEYID", "s", "Signature key", "sign")
ENCRYPT = Role(2, "$ENCRKEYID", "e", "Encryption key", "encr")
AUTHENTICATE = Role(3, "$AUTHKEYID", "a", "Authentication key", "auth")
ROLES = (SIGN, ENCRYPT, AUTHENTICATE)
BY_NAME = {name: role for role in ROLES for name in (role.place, role.attribute)}

Recorded = Callable[[Card], Mapping[str, bytes]]
Occupants = Mapping[Role, CardKey]


class Places:
    """`configured`: keygrips of openpgp-sign, openpgp-encr and openpgp-auth; each counts on the card that has the key,
    and other cards keep their own places.

    `recorded`: a card's metadata, in which `OPENPGP.n` holds what `put` or `found` say of the key there.
    """

    def __init__(self, catalogue: Catalogue, configured: Mapping[Role, bytes], recorded: Recorded) -> None:
        self._catalogue = catalogue
        self._configured = configured
        self._recorded = recorded
        self._known: dict[str, tuple[Card, Mapping[str, bytes], Occupants]] = {}  # by serial

    @property
    def wanted(self) -> Mapping[Role, bytes]:
        """The configuration's keygrips, whether there are such keys or not."""
        return self._configured

    def occupants(self, card: Card) -> Occupants:
        """Which key is in which place of the card: the configured one, else the recorded one; on a card with no key
        that was put into its place as many of the others as possible are filled too. A key has one place at most.
        """
        recorded = self._recorded(card)
        known = self._known.get(card.serial)
        if known is None or known[0] is not card or known[1] != recorded:
            known = (card, dict(recorded), self._placed(card))
            self._known[card.serial] = known
        return known[2]

    def _placed(self, card: Card) -> Occupants:
        placed: dict[Role, CardKey] = {}
        for chosen in (self._is_configured, self._is_recorded):
            for role in ROLES:
                found = next((key for key in card.keys if key not in placed.values() and chosen(role, key)), None)
                if role not in placed and found is not None:
                    placed[role] = found
        if any(self.was_put(role, key) for role, key in placed.items()):
            return placed
        free = [key for key in card.keys if key not in placed.values()]
        return placed | _matched([role for role in ROLES if role not in placed], free)

    def _is_configured(self, role: Role, key: CardKey) -> bool:
        return self._configured.get(role) == key.pair.keygrip

    def _is_recorded(self, role: Role, key: CardKey) -> bool:
        return self._recorded(key.card).get(role.place) in (put(key), found(key))

    def was_put(self, role: Role, key: CardKey) -> bool:
        """Whether GENKEY or WRITEKEY put just this key into the place."""
        return self._recorded(key.card).get(role.place) == put(key)

    def why(self, role: Role, key: CardKey) -> str:
        """Why the key is in the place, in words for the log."""
        if self._is_configured(role, key):
            return f"named by openpgp-{role.option}"
        if self.was_put(role, key):
            return "generated or written there"
        if self._is_recorded(role, key):
            return "found there when another key was put beside it"
        return f"the card's best for '{role.letter}' by certificate and attributes"

    def why_empty(self, role: Role) -> str:
        """The same of a place without a key."""
        grip = self._configured.get(role)
        if grip is not None:
            return f"empty: this card has no key {grip.hex().upper()}, which openpgp-{role.option} names"
        return f"empty: no key is left that may '{role.letter}', or other places were filled by generating or writing"

    def unrecorded(self, card: Card) -> Occupants:
        """The places that were filled without anybody's word; they will not stay so once another is recorded."""
        return {
            role: key
            for role, key in self.occupants(card).items()
            if not self._is_configured(role, key) and not self._is_recorded(role, key)
        }

    def configured(self, card: Card) -> dict[Role, CardKey]:
        """Those of the card's places that the configuration gives to a key of this card."""
        return {role: key for role, key in self.occupants(card).items() if self._is_configured(role, key)}

    def elsewhere(self, role: Role, card: Card) -> CardKey | None:
        """The configuration's key for this place when another card has it, and `card` has one for another place."""
        if role in self.configured(card) or not self.configured(card):
            return None
        return self._anywhere(role)

    def _anywhere(self, role: Role) -> CardKey | None:
        grip = self._configured.get(role)
        found = self._catalogue.find(grip.hex()) if grip is not None else []
        return found[0] if found else None

    def key(self, role: Role, card: Card | None) -> CardKey | None:
        """The key for this purpose: the one in the place, else the card's first that can do it, one without a place
        before the others. Without a card only a configured key can be meant.
        """
        if card is None:
            return self._anywhere(role)
        occupants = self.occupants(card)
        if role in occupants:
            return occupants[role]
        able = [key for key in card.keys if role.letter in self.usage(key)]
        return min(able, key=lambda key: key in occupants.values(), default=None)

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


def put(key: CardKey) -> bytes:
    """The record of a key that was put into a place."""
    return key.keygrip_hex.encode()


def found(key: CardKey) -> bytes:
    """The record of a key that was found to fit into a place, and stays there when others are put beside it."""
    return f"{key.keygrip_hex} found".encode()


def _matched(roles: Sequence[Role], keys: Sequence[CardKey]) -> dict[Role, CardKey]:
    """As many places filled as possible, each with a key of its own; signing before decrypting before the rest.

    Of equals the first wins: the best key for the first place, then for the second. The other places take two keys at
    most, so that of three candidates for a place one is always free, and no more need to be tried.
    """
    able = [[key for key in keys if _may(role, key)] for role in roles]
    choices: list[list[CardKey | None]] = [
        [*sorted(found, key=_RANKS[role])[: len(roles)], None] for role, found in zip(roles, able, strict=True)
    ]
    fillings = (filling for filling in product(*choices) if _is_without_twice(filling))
    best = max(fillings, key=lambda filling: (-filling.count(None), [key is not None for key in filling]))
    return {role: key for role, key in zip(roles, best, strict=True) if key is not None}


def _may(role: Role, key: CardKey) -> bool:
    """Whether the place may be given to the key unasked.

    What is encrypted to a key that cannot decrypt is lost. Before login a curve's key may say nothing of CKA_DERIVE,
    and pkcs11-tool writes such keys without it: then a certificate has to say so.
    """
    if role.letter not in key.capabilities:
        return False
    if role is not ENCRYPT or isinstance(key.pair.public, RsaPublicKey) or key.pair.can_decrypt is not None:
        return True
    usage = key.pair.certificate.key_usage if key.pair.certificate else None
    return "s" not in key.capabilities or "key_agreement" in (usage or ())


def _is_without_twice(filling: Sequence[CardKey | None]) -> bool:
    grips = [key.pair.keygrip for key in filling if key is not None]
    return len(set(grips)) == len(grips)


def _signing_rank(key: CardKey) -> bool:
    """PIV's 9C is for signatures in the law's sense, its 9A for logins."""
    certificate = key.pair.certificate
    return "non_repudiation" not in ((certificate.key_usage if certificate else None) or ())


def _decrypting_rank(key: CardKey) -> tuple[bool, bool]:
    """A key that can only decrypt is not kept waiting by one that can do everything."""
    return "s" in key.capabilities, key.pair.can_decrypt is not True


def _no_rank(_key: CardKey) -> bool:
    return False


# The smallest is the best; keys of the same rank stay in the card's order.
_RANKS: dict[Role, Callable[[CardKey], bool | tuple[bool, bool]]] = {
    SIGN: _signing_rank,
    ENCRYPT: _decrypting_rank,
    AUTHENTICATE: _no_rank,
}
