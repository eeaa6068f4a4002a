"""The words a person reads above the PIN field: which token, which key, what for, how many tries."""

from __future__ import annotations

from scd.service.catalogue import Card, CardKey
from scd.token.model import PinTries

_TRIES = {
    PinTries.FULL: "",
    PinTries.LOW: "A wrong PIN was entered before: fewer tries are left.",
    PinTries.FINAL: "This is the LAST TRY: another wrong PIN locks the token.",
    PinTries.LOCKED: "The PIN is locked.",
}


def pin_prompt(
    card: Card, key: CardKey | None, purpose: str, tries: PinTries, notice: str = "", *, each: bool = False
) -> str:
    """The prompt's lines, plain text. `purpose` ends "The PIN is needed …"; `each`: the key wants it for every use."""
    lines = [
        notice,
        f'Please enter the PIN of token "{card.token.id.label or card.serial}"',
        f"to {purpose}.",
        "",
        f"Number: {card.display}",
    ]
    if key is not None:
        lines.append(f"Key: {key.friendly_name} ({key.pair.public.algorithm})")
    if each:
        lines.append("This key asks for the PIN at each use.")
    if _TRIES[tries]:
        lines.append(_TRIES[tries])
    return "\n".join(lines[0 if notice else 1 :])


def pinpad_prompt(card: Card, key: CardKey | None, purpose: str, tries: PinTries) -> str:
    """The same for a reader with its own keys."""
    return pin_prompt(card, key, purpose, tries).replace(
        "Please enter the PIN of token", "Please enter the PIN at the reader's pin pad for token", 1
    )
