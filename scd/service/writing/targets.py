"""Where a new key is to go: one of OpenPGP's places, a key that is there already, or a CKA_ID that is free."""

from __future__ import annotations

from dataclasses import dataclass

from scd.service.finding.catalogue import Card, CardKey, Catalogue
from scd.service.finding.places import BY_NAME, ROLES, Places, Role
from scd.service.finding.serials import serial_mark

_LONGEST_ID = 32


@dataclass(frozen=True, slots=True)
class Target:
    """`role`: the place that is meant, None for a key outside of them; `present`: the key that is there; `cka_id`: the
    one asked for by name, None where any free one will do.
    """

    card: Card
    role: Role | None
    present: CardKey | None
    cka_id: bytes | None

    @property
    def name(self) -> str:
        """For messages."""
        if self.role is not None:
            return self.role.place
        return self.present.keyref if self.present else f"CKA_ID {(self.cka_id or b'').hex().upper()}"


def target(name: str, card: Card, catalogue: Catalogue, places: Places) -> Target | None:
    """What `name` means for a client that works with `card`.

    `1` to `3` and `OPENPGP.n` are places; an id, keyref or keygrip is the key; `P11.<the card's mark><hex>` of no key
    is a free CKA_ID. None for everything else.
    """
    role = _role(name)
    if role is not None:
        return Target(card, role, places.occupants(card).get(role), None)
    found = catalogue.find(name, card)
    if found:
        return Target(found[0].card, None, found[0], found[0].pair.cka_id)
    for one in catalogue.ordered(card):
        cka_id = _free_id(name, one)
        if cka_id:
            return Target(one, None, None, cka_id)
    return None


def _role(name: str) -> Role | None:
    return BY_NAME.get(name.upper()) or next((role for role in ROLES if name == str(role.number)), None)


def _free_id(name: str, card: Card) -> bytes | None:
    start = f"P11.{serial_mark(card.serial)}"
    if not name.upper().startswith(start):
        return None
    try:
        cka_id = bytes.fromhex(name[len(start) :])
    except ValueError:
        return None
    return cka_id if len(cka_id) <= _LONGEST_ID else None
