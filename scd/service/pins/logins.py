"""Logins: one per token, kept by the token, ended by us in time.

A PIN is forgotten as soon as the token has it. What stays is whether the token is logged in (the lease), and what
`Dialogue` keeps of refused PINs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from scd import tasks
from scd.service.finding.catalogue import Card, CardKey, Whereabouts
from scd.service.pins.dialogue import Asker, Dialogue, Question, at_pinpad, present
from scd.service.pins.pincache import PinCache
from scd.service.pins.pinkinds import OFFICER, USER
from scd.token.errors import PinIncorrect, PinLengthInvalid, PinNotSet, PinRequired, TokenError
from scd.token.model import PinTries, TokenInfo
from scd.token.secrets import Pin

__all__ = ["Asker", "Logins", "require_user_pin"]

log = logging.getLogger(__name__)
T = TypeVar("T")


class Logins:
    """`lease_s`: how long a login is kept; None for ever, 0 for one operation only. `cache`: use-gnupg-pin-cache."""

    def __init__(self, lease_s: float | None, cache: PinCache | None = None) -> None:
        self.lease_s = lease_s
        self.cache = cache
        self.dialogue = Dialogue()
        self._locks: dict[Whereabouts, asyncio.Lock] = {}
        self._timers: dict[Whereabouts, asyncio.TimerHandle] = {}

    async def log_in(self, card: Card, key: CardKey | None, purpose: str, ask: Asker) -> Pin | None:
        """Log in, unless it has been done meanwhile. Returns the accepted PIN, for an always-authenticate key's
        first use.

        One prompt at a time per token: others wait here and then find the token logged in.
        """
        async with self.turn(card):
            info = await present(card)
            if info.logged_in:
                return None
            require_user_pin(info)
            if info.pinpad:
                async with at_pinpad(Question(card, key, purpose), info, ask):
                    await card.module.module.login(card.token.id, None)
                pin = None
            else:
                pin = await self.with_pin(card, key, purpose, ask, lambda typed: self._accepted(card, typed), info=info)
            self._start_lease(card)
            return pin

    def turn(self, card: Card) -> asyncio.Lock:
        """One prompt at a time per token: whoever talks to the person about its PINs holds this."""
        return self._locks.setdefault(card.whereabouts, asyncio.Lock())

    async def _accepted(self, card: Card, pin: Pin) -> Pin:
        await card.module.module.login(card.token.id, pin)
        return pin

    async def with_pin(
        self, card: Card, key: CardKey | None, purpose: str, ask: Asker, use: Callable[[Pin], Awaitable[T]],
        *, each: bool = False, info: TokenInfo | None = None,
    ) -> T:  # fmt: skip
        """Ask for the PIN and `use` it; see `Dialogue.right`. `each`: it is for one use of a key, with no cache.

        Raises PinIncorrect, PinBlocked or Canceled.
        """
        question = Question(card, key, purpose, each=each)
        cache = None if each else self.cache
        if cache is not None:
            info = info or await present(card)
            tried, info = await self._with_cached_pin(cache, question, ask, use, info)
            if tried is not None:
                return tried[0]

        async def used(pin: Pin) -> T:
            result = await use(pin)
            if cache is not None:
                await ask.cache_put(cache.slot(card), cache.seal(pin))
            return result

        return await self.dialogue.right(question, ask, used, info)

    async def _with_cached_pin(
        self, cache: PinCache, question: Question, ask: Asker, use: Callable[[Pin], Awaitable[T]], info: TokenInfo
    ) -> tuple[tuple[T] | None, TokenInfo | None]:
        """The result with the PIN of the client's cache, None when there is none or it is refused, which ends it there;
        and what is known of the token then, None where it is to be asked anew.

        It is tried once, and not at all after a wrong PIN: what is left of the tries belongs to the person.
        """
        if info.pin_tries is not PinTries.FULL:
            return None, info
        slot = cache.slot(question.card)
        pin = cache.unseal(await ask.cache_get(slot))
        if pin is None:
            return None, info
        used: tuple[T] | None = None
        now: TokenInfo | None = info
        try:
            if not self.dialogue.is_refused(question, pin, info):
                digest = self.dialogue.digest(pin)
                try:
                    used = (await use(pin),)
                except (PinIncorrect, PinLengthInvalid):
                    now = await self.dialogue.note_refused(question, digest)
                except PinRequired:
                    now = None
                    log.info("token=%s op=login result=the token had lost it", info.id.label)
        finally:
            if used is None:  # whatever went wrong, it would be sent again and again with nobody looking on
                await ask.cache_put(slot, None)
        return used, now

    def _start_lease(self, card: Card) -> None:
        self._cancel_timer(card.whereabouts)
        log.info("module=%s token=%s op=login result=ok", card.module.name, card.token.id.label)
        if self.lease_s:
            loop = asyncio.get_running_loop()
            self._timers[card.whereabouts] = loop.call_later(self.lease_s, self._expire, card)

    def _expire(self, card: Card) -> None:
        tasks.start("logout", self.log_out(card))

    async def operation_done(self, card: Card, *, at_once: bool = False) -> None:
        """End the lease `at_once`, or where `pin-cache 0` asks for that."""
        if at_once or self.lease_s == 0:
            await self.log_out(card)

    async def log_out(self, card: Card) -> None:
        """End the login; a token that cannot hear it has lost it anyway."""
        self._cancel_timer(card.whereabouts)
        try:
            await card.module.module.logout(card.token.id)
        except TokenError as error:
            log.info("module=%s token=%s op=logout result=%s", card.module.name, card.token.id.label, error)

    async def forget_cached(self, card: Card, ask: Asker) -> None:
        """Empty the client's cache of this token's PIN."""
        if self.cache is not None:
            await ask.cache_put(self.cache.slot(card), None)

    async def replaced(self, card: Card, ask: Asker) -> None:
        """The user's PIN is another one: what is kept of the last one is worth nothing, in whosever cache it lies."""
        self.dialogue.forget(card, USER)
        if self.cache is not None:
            self.cache.renew()
        await self.forget_cached(card, ask)

    def ended(self, card: Card) -> None:
        """Something else has ended the login."""
        self._cancel_timer(card.whereabouts)

    def forget(self, card: Card) -> None:
        """The token is gone: drop its timer and what is known of refused PINs."""
        self._cancel_timer(card.whereabouts)
        self.dialogue.forget(card, USER, OFFICER)
        if self.cache is not None:
            self.cache.renew()

    def _cancel_timer(self, which: Whereabouts) -> None:
        timer = self._timers.pop(which, None)
        if timer is not None:
            timer.cancel()


def require_user_pin(info: TokenInfo) -> None:
    """Raises PinNotSet, with what to do about it."""
    if not info.pin_initialized:
        raise PinNotSet(f'token "{info.id.label}" has no user PIN yet; PASSWD --nullpin sets one with the SO PIN')
