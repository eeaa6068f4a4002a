"""Keys that a token hides until its PIN is given, known from before: by their stubs, and from an earlier login.

Without them a client that asks for such a key after a restart would be told that there is none, and never get as far as
the PIN. Whether a key is still on its token is seen after the login only; so nothing lists them but what clients choose
a key from, and a name that a visible key has taken over is not believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from scd.gcrypt.pubkey import PublicKey
from scd.service.finding.catalogue import Card, CardKey, Catalogue
from scd.service.finding.places import BY_NAME, ENCRYPT, Role
from scd.service.finding.serials import keyref, serial_mark, serialised
from scd.service.kept.labels import PLACES, key_label
from scd.service.kept.stubs import Stubs
from scd.token.model import KeyPair, TokenInfo


class HiddenKeys:
    """`recorded`: a card's metadata; `configured`: keygrips by place, as for `Places`."""

    def __init__(
        self, catalogue: Catalogue, stubs: Stubs, recorded: Callable[[Card], Mapping[str, bytes]],
        configured: Mapping[Role, bytes],
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._stubs = stubs
        self._recorded = recorded
        self._configured = configured
        self._shown: dict[str, dict[str, PublicKey]] = {}  # at the last login, by serial and keygrip

    def remember(self, before: Card, now: Card) -> None:
        """A login has just shown what is on the card: what was not to be seen before will be hidden again.

        Where it shows nothing new, the listing may have failed.
        """
        if now.objects is before.objects:
            return
        visible = {key.keygrip_hex for key in before.keys}
        self._shown[now.serial] = {
            key.keygrip_hex: key.pair.public for key in now.keys if key.keygrip_hex not in visible
        }

    def forget(self, card: Card) -> None:
        """The token is gone."""
        self._shown.pop(card.serial, None)

    def cards(self, name: str, first: Card | None) -> list[Card]:
        """The cards that may hide the key called `name`, so that a login may show it; `first` before the others."""
        keys = self.find(name, first)
        grips = {key.keygrip_hex for key in keys} | {name.upper()}
        return [
            card
            for card in self._hiding(first)
            if any(key.card is card for key in keys) or grips & self._recorded_grips(card)
        ]

    def find(self, name: str, first: Card | None) -> list[CardKey]:
        """The hidden keys with this keygrip, keyref or name in a stub."""
        wanted = name.upper()
        return [key for key, names in self._all(first) if wanted in key.names | names]

    def all(self, first: Card | None) -> list[CardKey]:
        """Those whose name no other key has meanwhile; `first`'s before the others."""
        return [key for key, names in self._all(first) if not self._has_lost(key, names)]

    def key(self, role: Role, card: Card, *, told: bool) -> CardKey | None:
        """The card's hidden key for this place: the one that configuration or record put there, with `told` no other;
        else one whose stub says so, else any that can do it.
        """
        mine = [(key, names) for key, names in self._all(card) if key.card is card]
        told_grips = self._told(role, card)
        chosen = [key for key, _ in mine if key.keygrip_hex in told_grips]
        if not told:
            free = [(key, names) for key, names in mine if not self._has_lost(key, names)]
            chosen += [key for key, names in free if role.place in names]
            chosen += [key for key, names in free if role.letter in key.capabilities]
        return chosen[0] if chosen else None

    def _all(self, first: Card | None) -> Iterator[tuple[CardKey, frozenset[str]]]:
        """Every hidden key with its names on its card in the stub."""
        hiding = list(self._hiding(first))
        if not hiding:
            return
        stubs = [(stub, [(self._card_of(*one), one[1]) for one in stub.on_cards]) for stub in self._stubs.all()]
        for card in hiding:
            visible = {key.keygrip_hex for key in card.keys}
            shown = self._shown.get(card.serial)
            publics = dict(shown or {})
            names: dict[str, frozenset[str]] = {}
            for stub, on_cards in stubs:
                here = frozenset(name for where, name in on_cards if where is card)
                if here and stub.public is not None and (shown is None or stub.keygrip_hex in shown):
                    publics[stub.keygrip_hex], names[stub.keygrip_hex] = stub.public, here
            for grip, public in publics.items():
                if grip not in visible:
                    known = names.get(grip, frozenset())
                    yield self._made(card, grip, public, known), known

    def _card_of(self, serial: str, name: str) -> Card | None:
        """Where LEARN lists several tokens, gpg-agent writes one serial number into all stubs; a full name is right."""
        for card in self._catalogue.cards:
            if name.startswith((f"P11.{serial_mark(card.serial)}", f"{serialised(card.token.id).upper()}/")):
                return card
        return self._catalogue.by_serial(serial)

    def _hiding(self, first: Card | None) -> Iterator[Card]:
        return (card for card in self._catalogue.ordered(first) if may_hide(card.token))

    def _made(self, card: Card, grip: str, public: PublicKey, names: frozenset[str]) -> CardKey:
        """Of what it may be used for nothing is known but its place."""
        encrypts = grip in self._told(ENCRYPT, card) or ENCRYPT.place in names
        pair = KeyPair(b"", "", public, False if encrypts else None, None, False, private_seen=False, certificate=None)
        own = keyref(card.serial, b"", pair.keygrip, unique=False)
        return CardKey(card, pair, next((name for name in sorted(names) if name.startswith("P11.")), own))

    def _told(self, role: Role, card: Card) -> frozenset[str]:
        """The keygrips that configuration and record name for the place."""
        configured = self._configured.get(role)
        return frozenset(
            {_recorded_grip(self._recorded(card), role.place)} | ({configured.hex().upper()} if configured else set())
        )

    def _recorded_grips(self, card: Card) -> frozenset[str]:
        recorded, start = self._recorded(card), key_label(b"")
        made = {label.removeprefix(start) for label in recorded if label.startswith(start)}
        return frozenset(made | {_recorded_grip(recorded, place) for place in PLACES})

    def _has_lost(self, key: CardKey, names: frozenset[str]) -> bool:
        """Whether a key that is to be seen has one of its names, or another key was put into its place."""
        recorded = self._recorded(key.card)
        if any(_recorded_grip(recorded, name) not in ("", key.keygrip_hex) for name in names & BY_NAME.keys()):
            return True
        return any(names & visible.names for visible in key.card.keys)


def _recorded_grip(recorded: Mapping[str, bytes], place: str) -> str:
    return recorded.get(place, b"").decode("ascii", "replace").partition(" ")[0]


def may_hide(token: TokenInfo) -> bool:
    """Whether a login can show more of the token."""
    return token.login_required and token.pin_initialized and not token.logged_in
