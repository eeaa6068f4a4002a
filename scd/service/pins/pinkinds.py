"""A token's two PINs, the user's and the security officer's: how each is called, and what speaks of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scd.token.errors import PinBlocked, PinIncorrect, SoPinBlocked, SoPinIncorrect, TokenError
from scd.token.model import PinTries, TokenInfo
from scd.token.secrets import Pin


@dataclass(frozen=True, slots=True)
class PinKind:
    """One of the two.

    `name` is for people; `flags` are NEEDPIN's (protocol reference 4.2); `at_stake` completes "another wrong PIN locks
    …"; `remedy` is what to do then; `refused` and `blocked` are what the port raises for it; `has_limits`: the token
    tells how long it may be.
    """

    name: str
    flags: str
    at_stake: str
    remedy: str
    refused: type[TokenError]
    blocked: type[TokenError]
    tries: Callable[[TokenInfo], PinTries]
    has_limits: bool

    def require_unlocked(self, info: TokenInfo) -> None:
        """Raises `blocked`: nobody need be asked for what cannot be right."""
        if self.tries(info) is PinTries.LOCKED:
            raise self.blocked(f'the {self.name} of token "{info.id.label}" is locked: {self.remedy}')

    def unsendable(self, pin: Pin, info: TokenInfo) -> str:
        """Why this PIN is not even sent, for the person; empty when it may be."""
        if not pin:
            return "An empty PIN is not sent to the token."
        if self.has_limits and info.pin_min and len(pin) < info.pin_min:
            return f"The token's PINs have at least {info.pin_min} characters."
        if self.has_limits and info.pin_max and len(pin) > info.pin_max:
            return f"The token's PINs have at most {info.pin_max} characters."
        return ""


USER = PinKind(
    "PIN", "", "the token", "gpg --change-pin, 2, sets a new one with the Admin PIN (SO PIN)", PinIncorrect, PinBlocked,
    tries=lambda info: info.pin_tries, has_limits=True,
)  # fmt: skip
# gpg and its users know the security officer's as the Admin PIN. Its limits are its own (see the port).
OFFICER = PinKind(
    "Admin PIN (SO PIN)", "A", "it for ever", "nothing helps but to initialise the token anew",
    SoPinIncorrect, SoPinBlocked, tries=lambda info: info.so_pin_tries, has_limits=False,
)  # fmt: skip
