"""Where each key lives: from whatever a client calls a key to module, token and key."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from scd.service.finding.registry import NOTHING, RegisteredModule, Registry
from scd.service.finding.serials import display_serial, helper_id, keyref, wire_serial
from scd.service.finding.usage import capabilities
from scd.token.model import Certificate, KeyPair, TokenId, TokenInfo, TokenObjects
from scd.token.port import KeyAddress

log = logging.getLogger(__name__)

Whereabouts = tuple[str, TokenId]
"""A module's name and one of its tokens."""


@dataclass(frozen=True)
class CardKey:
    """A key pair with its names on the wire."""

    card: Card
    pair: KeyPair
    keyref: str

    @cached_property
    def keygrip_hex(self) -> str:
        return self.pair.keygrip.hex().upper()

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """Letters of `scae`: all that the key can do, whatever is shown of it."""
        return capabilities(self.pair)

    @cached_property
    def address(self) -> KeyAddress:
        return KeyAddress(self.card.token.id, self.pair.cka_id, self.pair.public)

    @property
    def friendly_name(self) -> str:
        """The certificate's subject, else the label."""
        certificate = self.pair.certificate
        return (certificate.subject if certificate else "") or self.pair.label or self.keyref

    @cached_property
    def names(self) -> frozenset[str]:
        """Everything this key answers to, in upper case."""
        cka_id, grip = self.pair.cka_id, self.pair.keygrip
        own = keyref(self.card.serial, cka_id, grip, unique=False)
        return frozenset(
            name.upper() for name in (self.keyref, own, self.keygrip_hex, helper_id(self.card.token.id, cka_id))
        )


@dataclass(frozen=True)
class CardCertificate:
    """A certificate that belongs to no key, with its id on the wire."""

    card: Card
    certificate: Certificate
    keyref: str

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(name.upper() for name in (self.keyref, helper_id(self.card.token.id, self.certificate.cka_id)))


@dataclass(frozen=True, eq=False)
class Card:
    """A token as clients see it: a card with a serial number."""

    module: RegisteredModule
    token: TokenInfo
    serial: str
    objects: TokenObjects

    @property
    def whereabouts(self) -> Whereabouts:
        """By what the card is known in tables, whatever it shows: two modules may have equal tokens."""
        return self.module.name, self.token.id

    @property
    def display(self) -> str:
        return display_serial(self.token.id, self.serial)

    @cached_property
    def keys(self) -> tuple[CardKey, ...]:
        times = Counter(pair.cka_id for pair in self.objects.keys)
        return tuple(
            CardKey(self, pair, keyref(self.serial, pair.cka_id, pair.keygrip, unique=times[pair.cka_id] == 1))
            for pair in self.objects.keys
        )

    @cached_property
    def named(self) -> Mapping[str, list[CardKey]]:
        """The keys by each of their names, in upper case."""
        named: dict[str, list[CardKey]] = {}
        for key in self.keys:
            for name in key.names:
                named.setdefault(name, []).append(key)
        return named

    @cached_property
    def certificates(self) -> tuple[CardCertificate, ...]:
        """Those without a key; named by their content, since their CKA_ID may be another's."""
        return tuple(
            CardCertificate(self, one, keyref(self.serial, b"", hashlib.sha256(one.der).digest(), unique=False))
            for one in self.objects.certificates
        )


class Catalogue:
    """All cards that are present, refreshed on demand. `listed`: they have been looked for at least once.

    `preferred`: keygrips; a card that holds one of these keys comes before others as the default.
    """

    def __init__(self, registry: Registry, preferred: Iterable[bytes] = ()) -> None:
        self.registry = registry
        self._preferred = frozenset(preferred)
        self.cards: tuple[Card, ...] = ()
        self.listed = False
        self._aliases: dict[str, str] = {}
        self._default: str | None = None
        self._said: set[tuple[str, str]] = set()

    async def rescan(self, *, again: bool = False) -> None:
        """See which tokens are present, and what is on new ones; with `again` on all of them."""
        await self.registry.rescan(again=again)
        self._rebuild()

    async def notice(self, *modules: RegisteredModule) -> None:
        """As `rescan`, but only of those modules, of all by default, in which something may have come or gone."""
        await self.registry.notice(*modules)
        self._rebuild()

    async def reread(self) -> None:
        """Read everything anew that is on the tokens known to be present."""
        await asyncio.gather(*(entry.reread() for entry in self.registry.modules))
        self._rebuild()

    async def relist(self, card: Card) -> None:
        """List one token again, after a login has made more of it visible."""
        entry, token = card.module, card.token.id
        entry.objects[token] = await entry.listed(token)
        self._rebuild()

    def _rebuild(self) -> None:
        cards: dict[str, Card] = {}
        aliases: dict[str, str] = {}
        for entry in self.registry.modules:
            first: str | None = None
            for token in entry.tokens:
                serial = wire_serial(token.id, entry.serials)
                if token.initialized and serial in cards and token.id != cards[serial].token.id:
                    self._say_twice(cards[serial], entry, token)
                    serial = wire_serial(token.id, {})
                if not token.initialized:
                    aliases[serial] = entry.name
                elif serial not in cards:
                    cards[serial] = self._kept(Card(entry, token, serial, entry.objects.get(token.id, NOTHING)))
                    first = first or serial
            self._resolve(aliases, entry.name, first)
        self._aliases = {alias: serial for alias, serial in aliases.items() if alias not in cards}
        self.cards = tuple(cards.values())
        self.listed = True

    @staticmethod
    def _resolve(aliases: dict[str, str], module: str, first: str | None) -> None:
        """gnupg-pkcs11-scd wrote the serial of an empty slot into stubs; it stands for the module's first token."""
        for alias in [a for a, owner in aliases.items() if owner == module]:
            if first is None:
                del aliases[alias]
            else:
                aliases[alias] = first

    def _kept(self, new: Card) -> Card:
        """The card of before when nothing changed, with what it has computed."""
        for old in self.cards:
            if old.module is new.module and old.token == new.token and old.objects is new.objects:
                return old
        return new

    def _say_twice(self, seen: Card, entry: RegisteredModule, token: TokenInfo) -> None:
        """Once: two tokens with one serial number in the configuration."""
        if (entry.name, seen.serial) in self._said:
            return
        self._said.add((entry.name, seen.serial))
        log.warning(
            "module=%s token=%s: its configured serial is that of token=%s of module=%s; it goes by its own",
            entry.name,
            token.id.label,
            seen.token.id.label,
            seen.module.name,
        )

    def default(self) -> Card | None:
        """The card of clients that choose none: one with a preferred key, else the same one as long as it is present,
        else the first with keys.
        """
        chosen = min(self.cards, key=self._rank_as_default, default=None)
        self._default = chosen.serial if chosen else None
        return chosen

    def _rank_as_default(self, card: Card) -> tuple[bool, bool, bool]:
        preferred = bool(self._preferred) and any(key.pair.keygrip in self._preferred for key in card.keys)
        return not preferred, card.serial != self._default, not card.keys

    def by_serial(self, serial: str) -> Card | None:
        """The card with this serial number, or the one an old stub's serial stands for."""
        wanted = serial.upper()
        wanted = self._aliases.get(wanted, wanted)
        return next((card for card in self.cards if card.serial == wanted), None)

    def title(self, card: Card) -> str:
        """The token's label; with digits of the serial number where another card has it, too, or it is empty."""
        label = card.token.id.label
        alone = all(one is card or one.token.id.label != label for one in self.cards)
        return label if label and alone else card.display

    def keys(self, first: Card | None = None) -> Iterator[CardKey]:
        """All keys of all cards, those of `first` before the others."""
        for card in self.ordered(first):
            yield from card.keys

    def ordered(self, first: Card | None) -> Iterable[Card]:
        """All cards, `first` before the others."""
        return sorted(self.cards, key=lambda card: first is None or card.serial != first.serial)

    def find(self, name: str, first: Card | None = None) -> list[CardKey]:
        """The keys called `name`.

        Keygrip, keyref or an id of gnupg-pkcs11-scd, in any case; several tokens may hold one.
        """
        wanted = name.upper()
        return [key for card in self.ordered(first) for key in card.named.get(wanted, ())]

    def find_certificate(self, name: str, first: Card | None = None) -> Certificate | None:
        """The certificate called `name`; a key's name stands for its certificate."""
        for key in self.find(name, first):
            if key.pair.certificate is not None:
                return key.pair.certificate
        wanted = name.upper()
        for card in self.ordered(first):
            for one in card.certificates:
                if wanted in one.names:
                    return one.certificate
        return None
