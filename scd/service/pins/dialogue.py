"""Asking for PINs until the token takes one, so that no try is wasted and the person knows what is left."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from scd.service.finding.catalogue import Card, CardKey
from scd.service.pins.pinkinds import USER, PinKind
from scd.service.pins.prompts import pin_prompt, pinpad_prompt
from scd.token.errors import PinLengthInvalid, PinRequired, TokenError
from scd.token.model import PinTries, TokenId, TokenInfo
from scd.token.secrets import Pin

log = logging.getLogger(__name__)
T = TypeVar("T")

MOST_PROMPTS = 3
"""How often one command asks for one PIN before it gives up."""

REMEMBERED_S = 300.0
"""How long a refused PIN is not sent again: by then a person, and no script, has thought better of it."""

_WhichPin = tuple[str, TokenId, PinKind]


class Asker(Protocol):
    """Whoever can reach the person at the client."""

    async def pin(self, text: str, flags: str = "") -> Pin:
        """Ask for a PIN; `flags` as in protocol reference 4.2. Raises Canceled."""

    async def pinpad(self, text: str) -> None:
        """Show that the pin pad waits."""

    async def dismiss(self) -> None:
        """Take the pin pad's window away."""

    async def cache_get(self, slot: str) -> bytes | None:
        """What the client's own PIN cache holds; None when it is empty or the client has none."""

    async def cache_put(self, slot: str, value: bytes | None) -> None:
        """Put a value into that cache, None to empty it; nothing happens where there is none."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which PIN is wanted and what for, in the words of `pin_prompt`."""

    card: Card
    key: CardKey | None
    purpose: str
    kind: PinKind = USER
    each: bool = False

    @property
    def which(self) -> _WhichPin:
        return (self.card.module.name, self.card.token.id, self.kind)


async def present(card: Card) -> TokenInfo:
    """What the token says of itself now. Raises TokenNotPresent."""
    return await card.module.module.token(card.token.id)


@asynccontextmanager
async def at_pinpad(question: Question, info: TokenInfo, ask: Asker, new: PinKind | None = None) -> AsyncIterator[None]:
    """The client shows that the reader waits for the PIN, and for a `new` one. Raises `blocked` of the kind."""
    question.kind.require_unlocked(info)
    tries = question.kind.tries(info)
    text = pinpad_prompt(question.card, question.key, question.purpose, tries, kind=question.kind, new=new)
    async with shown(text, ask):
        yield


@asynccontextmanager
async def shown(text: str, ask: Asker) -> AsyncIterator[None]:
    """A window with this text at the client, for as long as the reader waits."""
    await ask.pinpad(text)
    try:
        yield
    finally:
        await ask.dismiss()


@dataclass(slots=True)
class _Refusal:
    """`counted`: the token's flags have told of it since."""

    digest: bytes
    at_s: float
    counted: bool = False


class Dialogue:
    """Knows a keyed digest of the PIN that each token refused last, so that the same one is not sent again.

    That ends after `REMEMBERED_S`, and when the token's flags, which have told of the refusal, tell of none any more:
    another program had the right PIN, or a new one was set.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = os.urandom(32)
        self._refused: dict[_WhichPin, _Refusal] = {}

    def digest(self, pin: Pin) -> bytes:
        """Tells PINs apart without keeping them."""
        return pin.digest(self._key)

    def is_refused(self, question: Question, pin: Pin, info: TokenInfo) -> bool:
        """Whether the token, which now shows `info`, refused this very PIN last."""
        refusal = self._refused.get(question.which)
        if refusal is None:
            return False
        told = question.kind.tries(info) is not PinTries.FULL
        if self._clock() - refusal.at_s >= REMEMBERED_S or (refusal.counted and not told):
            del self._refused[question.which]
            return False
        refusal.counted = refusal.counted or told
        return refusal.digest == self.digest(pin)

    async def note_refused(self, question: Question, digest: bytes) -> TokenInfo | None:
        """The token has refused it. Looks what it tells of that, and says in the log if it was the last try.

        Returns what the token says of itself now, None where it says nothing.
        """
        card, kind = question.card, question.kind
        refusal = self._refused[question.which] = _Refusal(digest, self._clock())
        info: TokenInfo | None = None
        with contextlib.suppress(TokenError):
            info = await present(card)
        tries = kind.tries(info) if info is not None else PinTries.FULL
        refusal.counted = tries is not PinTries.FULL
        locked = f", and it is locked now: {kind.remedy}" if tries is PinTries.LOCKED else ""
        _warn(card, f"{kind.name} refused{locked}")
        return info

    def forget(self, card: Card, *kinds: PinKind) -> None:
        """Any PIN may be right again: another one was set, or the token was away."""
        for kind in kinds:
            self._refused.pop((card.module.name, card.token.id, kind), None)

    async def right(
        self, question: Question, ask: Asker, use: Callable[[Pin], Awaitable[T]], info: TokenInfo | None = None
    ) -> T:
        """Ask for the PIN and `use` it, again after a wrong one, with what the token says of its tries.

        A PIN the token refused last is not sent: whoever repeats it (a script, gpg's loopback mode) would only spend
        the tries. The PIN is forgotten unless `use` hands it back. `info`: what the token said of itself just now.

        Raises Canceled, and `refused` or `blocked` of the kind.
        """
        card, kind, notice = question.card, question.kind, ""
        outside: bytes | None = None
        for _ in range(MOST_PROMPTS):
            info = info or await present(card)
            kind.require_unlocked(info)
            text = pin_prompt(
                card, question.key, question.purpose, kind.tries(info), notice, kind=kind, each=question.each
            )
            pin = await ask.pin(text, kind.flags)
            digest = self.digest(pin)
            if digest == outside or self.is_refused(question, pin, info):
                pin.forget()
                raise kind.refused(f'token "{info.id.label}" refused this very PIN before; it is not sent again')
            notice = kind.unsendable(pin, info)
            if notice:
                pin.forget()
                outside = digest
                continue
            result: object = None
            try:
                result = accepted = await use(pin)
            except kind.refused:
                info = await self.note_refused(question, digest)
                notice = f"The {kind.name} was refused."
            except kind.blocked:
                _warn(card, f"{kind.name} locked: {kind.remedy}")
                raise
            except PinRequired:
                if question.each:
                    raise
                info, notice = None, "The token had lost its login; it has to begin anew."
            except PinLengthInvalid:
                outside, notice = digest, "The token does not take a PIN of this length."
            else:
                self.forget(card, kind)
                return accepted
            finally:
                if result is not pin:
                    pin.forget()
        raise kind.refused(f'no right {kind.name} for token "{card.token.id.label}" in {MOST_PROMPTS} prompts')


def _warn(card: Card, result: str) -> None:
    log.warning("module=%s token=%s result=%s", card.module.name, card.token.id.label, result)
