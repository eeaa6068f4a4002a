"""New PINs: the user's, changed by the user or set by the security officer, and the officer's own."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from scd.service.finding.catalogue import Card
from scd.service.pins.dialogue import Asker, Question, at_pinpad, present
from scd.service.pins.logins import Logins, require_user_pin
from scd.service.pins.newpin import NewPin
from scd.service.pins.pinkinds import OFFICER, USER, PinKind
from scd.token.model import TokenId, TokenInfo
from scd.token.port import TokenModule
from scd.token.secrets import Pin

log = logging.getLogger(__name__)

_Setter = Callable[[TokenId, Pin | None, Pin | None], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PinChange:
    """One way to a new PIN: whose is `asked`, whose is `replaced`, what for, and the port's method that does it."""

    asked: PinKind
    replaced: PinKind
    purpose: str
    setter: Callable[[TokenModule], _Setter]


CHANGE = PinChange(USER, USER, "change it", lambda module: module.change_pin)
RESET = PinChange(OFFICER, USER, "set a new PIN", lambda module: module.reset_pin)
CHANGE_OFFICERS = PinChange(OFFICER, OFFICER, "change it", lambda module: module.change_so_pin)


class PinChanges:
    """All of them hold the token's turn, so that no two prompts for one token are open at a time."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins

    async def carry_out(self, change: PinChange, card: Card, ask: Asker) -> None:
        """Ask for the present and the new PIN, and have the token take the new one.

        A wrong present PIN and an unsuitable new one are asked for again, each on its own. The user's login stays with
        CHANGE and ends with the others. Raises Canceled, PinUnsuitable, PinNotSet, and what `asked` raises.
        """
        module, token = card.module.module, card.token.id
        setter = change.setter(module)
        question = Question(card, None, change.purpose, change.asked)
        async with self._logins.turn(card):
            info = await present(card)
            if change.asked is USER:
                require_user_pin(info)
            if info.pinpad:
                async with at_pinpad(question, info, ask, change.replaced):
                    await setter(token, None, None)
            else:
                await self._with_both(question, change.replaced, ask, setter, info)
            await self._done(change, card, ask)

    async def _with_both(
        self, question: Question, replaced: PinKind, ask: Asker, setter: _Setter, info: TokenInfo
    ) -> None:
        token = question.card.token.id
        new = NewPin(self._logins.dialogue, question.card, replaced, ask)

        async def with_old(old: Pin) -> None:
            await new.store(lambda pin: setter(token, old, pin))

        try:
            await self._logins.dialogue.right(question, ask, with_old, info)
        finally:
            new.forget()

    async def _done(self, change: PinChange, card: Card, ask: Asker) -> None:
        log.info("module=%s token=%s op=passwd result=ok", card.module.name, card.token.id.label)
        if change.asked is OFFICER:
            self._logins.ended(card)
        if change.replaced is USER:
            await self._logins.replaced(card, ask)

    async def check_officers(self, card: Card, ask: Asker) -> None:
        """Ask for the officer's PIN and have the token compare it. Ends the user's login."""
        module, token = card.module.module, card.token.id
        question = Question(card, None, "verify it", OFFICER)
        async with self._logins.turn(card):
            info = await present(card)
            if info.pinpad:
                async with at_pinpad(question, info, ask):
                    await module.check_so_pin(token, None)
            else:
                await self._logins.dialogue.right(question, ask, lambda pin: module.check_so_pin(token, pin), info)
            self._logins.ended(card)
