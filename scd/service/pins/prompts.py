"""The words a person reads above the PIN field: which token, which key, what for, how many tries."""

from __future__ import annotations

from scd.service.finding.catalogue import Card, CardKey
from scd.service.pins.pinkinds import USER, PinKind
from scd.token.model import PinTries, TokenInfo

LONGEST_PIN = 88
"""Octets: gpg-agent passes no more on, and cuts off the rest without a word (protocol reference 4.3)."""

_TRIES = {
    PinTries.FULL: "",
    PinTries.LOW: "A wrong {name} was entered before: many tokens lock it after a few.",
    PinTries.FINAL: "This is the LAST TRY: another wrong {name} locks {at_stake}.",
    PinTries.LOCKED: "The {name} is locked.",
}


def pin_prompt(
    card: Card, key: CardKey | None, purpose: str, tries: PinTries, notice: str = "", *, kind: PinKind = USER,
    each: bool = False,
) -> str:  # fmt: skip
    """The prompt's lines, plain text. `purpose` ends "The PIN is needed …"; `each`: the key wants it for every use."""
    lines = [
        notice,
        f"Please enter the {kind.name} of {_named(card)}",
        f"to {purpose}.",
        "",
        f"Number: {card.display}",
    ]
    if key is not None:
        lines.append(f"Key: {key.friendly_name} ({key.pair.public.algorithm})")
    if each:
        lines.append("This key asks for the PIN at each use.")
    if _TRIES[tries]:
        lines.append(_TRIES[tries].format(name=kind.name, at_stake=kind.at_stake))
    return "\n".join(lines[0 if notice else 1 :])


def pinpad_prompt(
    card: Card, key: CardKey | None, purpose: str, tries: PinTries, *, kind: PinKind = USER, new: PinKind | None = None
) -> str:
    """The same for a reader with its own keys; `new` is what it takes after that, None for nothing."""
    first = f"Please enter the {kind.name}"
    then = f"first, then the new {new.name}, " if new else ""
    text = pin_prompt(card, key, purpose, tries, kind=kind)
    return text.replace(f"{first} of token", f"{first} {then}at the reader's pin pad for token", 1)


def new_pin_prompt(card: Card, kind: PinKind, info: TokenInfo, notice: str = "") -> str:
    """The lines for a PIN that the token does not have yet. gpg-agent asks for it twice by itself."""
    lines = [notice, f"Please enter the new {kind.name} for {_named(card)}.", "", f"Number: {card.display}"]
    if kind.has_limits and info.pin_max:
        lines.append(f"It has {max(info.pin_min, 1)} to {min(info.pin_max, LONGEST_PIN)} characters.")
    return "\n".join(lines[0 if notice else 1 :])


def _named(card: Card) -> str:
    return f'token "{card.token.id.label or card.serial}"'
