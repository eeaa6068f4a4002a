"""Asking for the PIN that a token is to have, until the token likes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from scd.service.finding.catalogue import Card
from scd.service.pins.dialogue import MOST_PROMPTS, Asker, Dialogue, present
from scd.service.pins.pinkinds import PinKind
from scd.service.pins.prompts import new_pin_prompt
from scd.token.errors import PinLengthInvalid, PinUnsuitable
from scd.token.secrets import Pin


class NewPin:
    """A PIN that the token is to have: asked for when it is first needed, and anew as long as the token refuses it.

    It outlives a wrong old PIN, after which it is not asked for again. Whoever makes one calls `forget` in the end.
    """

    def __init__(self, dialogue: Dialogue, card: Card, kind: PinKind, ask: Asker) -> None:
        self._dialogue = dialogue
        self._card = card
        self._kind = kind
        self._ask = ask
        self._pin: Pin | None = None
        self._unsuitable: set[bytes] = set()
        self._notice = ""
        self._prompts = 0

    async def store(self, store: Callable[[Pin], Awaitable[None]]) -> None:
        """`store` it. Raises Canceled; PinUnsuitable for the same unsuitable one twice, or when none would do."""
        while True:
            pin = self._pin or await self._typed()
            try:
                await store(pin)
            except PinLengthInvalid:
                self._reject(pin, "The token does not take a PIN of this length.")
            except PinUnsuitable:
                self._reject(pin, "The token does not take this PIN: too simple, or with unsuitable characters.")
            else:
                return

    async def _typed(self) -> Pin:
        label = self._card.token.id.label
        while self._prompts < MOST_PROMPTS:
            self._prompts += 1
            info = await present(self._card)
            text = new_pin_prompt(self._card, self._kind, info, self._notice)
            pin = await self._ask.pin(text, f"{self._kind.flags}N")
            if self._dialogue.digest(pin) in self._unsuitable:
                pin.forget()
                raise PinUnsuitable(f'token "{label}": the same unsuitable PIN again; the PIN is not changed')
            notice = self._kind.unsendable(pin, info)
            if not notice:
                self._pin = pin
                return pin
            self._reject(pin, notice)
        raise PinUnsuitable(f'token "{label}": no suitable PIN in {MOST_PROMPTS} prompts; the PIN is not changed')

    def _reject(self, pin: Pin, notice: str) -> None:
        self._unsuitable.add(self._dialogue.digest(pin))
        self._notice = notice
        self.forget()
        pin.forget()

    def forget(self) -> None:
        """Overwrite it."""
        if self._pin is not None:
            self._pin.forget()
            self._pin = None
