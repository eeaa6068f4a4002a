"""Logins and the PINs that make them: one login per token, kept by the token, ended by us in time.

A PIN is forgotten as soon as the token has it. What stays is whether the token is logged in (the lease) and a keyed
digest of the PIN it refused last, so that the same one is never sent again.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from scd.service.catalogue import Card, CardKey
from scd.service.pincache import PinCache
from scd.service.prompts import pin_prompt, pinpad_prompt
from scd.token.errors import (
    PinBlocked,
    PinIncorrect,
    PinLengthInvalid,
    PinNotSet,
    TokenError,
    TokenNotPresent,
)
from scd.token.model import PinTries, TokenId, TokenInfo
from scd.token.secrets import Pin

log = logging.getLogger(__name__)
T = TypeVar("T")

MOST_PROMPTS = 3
"""How often one command asks before it gives up."""

_Place = tuple[str, TokenId]


class Asker(Protocol):
    """Whoever can reach the person at the client."""

    async def pin(self, text: str) -> Pin:
        """Ask for a PIN; raises Canceled."""

    async def pinpad(self, text: str) -> None:
        """Show that the pin pad waits."""

    async def dismiss(self) -> None:
        """Take the pin pad's window away."""

    async def cache_get(self, slot: str) -> bytes | None:
        """What the client's own PIN cache holds; None when it is empty or the client has none."""

    async def cache_put(self, slot: str, value: bytes | None) -> None:
        """Put a value into that cache, None to empty it; nothing happens where there is none."""


class Logins:
    """`lease_s`: how long a login is kept; None for ever, 0 for one operation only. `cache`: use-gnupg-pin-cache."""

    def __init__(self, lease_s: float | None, cache: PinCache | None = None) -> None:
        self.lease_s = lease_s
        self.cache = cache
        self._key = os.urandom(32)
        self._refused: dict[_Place, bytes] = {}
        self._locks: dict[_Place, asyncio.Lock] = {}
        self._timers: dict[_Place, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def log_in(self, card: Card, key: CardKey | None, purpose: str, ask: Asker) -> Pin | None:
        """Log in, unless it has been done meanwhile. Returns the accepted PIN, for an always-authenticate key's
        first use.

        One prompt at a time per token: others wait here and then find the token logged in.
        """
        async with self._locks.setdefault(_place(card), asyncio.Lock()):
            info = await self._info(card)
            if info.logged_in:
                return None
            if not info.pin_initialized:
                raise PinNotSet(f'token "{info.id.label}" has no user PIN yet; initialise it with its own tool')
            if info.pinpad:
                await self._at_pinpad(card, key, purpose, info, ask)
                pin = None
            else:
                pin = await self.with_pin(card, key, purpose, ask, lambda typed: self._accepted(card, typed))
            self._start_lease(card)
            return pin

    async def _accepted(self, card: Card, pin: Pin) -> Pin:
        await card.module.module.login(card.token.id, pin)
        return pin

    async def _at_pinpad(self, card: Card, key: CardKey | None, purpose: str, info: TokenInfo, ask: Asker) -> None:
        await ask.pinpad(pinpad_prompt(card, key, purpose, info.pin_tries))
        try:
            await card.module.module.login(card.token.id, None)
        finally:
            await ask.dismiss()

    async def with_pin(
        self, card: Card, key: CardKey | None, purpose: str, ask: Asker, use: Callable[[Pin], Awaitable[T]],
        *, each: bool = False,
    ) -> T:  # fmt: skip
        """Ask for the PIN and `use` it, again after a wrong one, with what the token says of its tries.

        A PIN the token refused last is not sent: whoever repeats it (a script, gpg's loopback mode) would only spend
        the tries. Raises PinIncorrect, PinBlocked or Canceled.
        """
        if self.cache is not None and not each:
            tried = await self._with_cached_pin(self.cache, card, ask, use)
            if tried is not None:
                return tried[0]
        notice = ""
        outside: bytes | None = None
        for _ in range(MOST_PROMPTS):
            info = await self._info(card)
            if info.pin_tries is PinTries.LOCKED:
                raise PinBlocked(f'the PIN of token "{info.id.label}" is locked')
            pin = await ask.pin(pin_prompt(card, key, purpose, info.pin_tries, notice, each=each))
            digest = self._digest(pin)
            self._refuse_repetition(card, digest, outside)
            notice = _length_notice(pin, info)
            if notice:
                pin.forget()
                outside = digest
                continue
            result: object = None
            try:
                result = accepted = await use(pin)
            except PinIncorrect:
                self._refused[_place(card)] = digest
                log.warning("module=%s token=%s op=login result=PIN refused", card.module.name, info.id.label)
                notice = "The PIN was refused."
            except PinLengthInvalid:
                outside, notice = digest, "The token does not take a PIN of this length."
            else:
                self._refused.pop(_place(card), None)
                if self.cache is not None and not each:
                    await ask.cache_put(self.cache.slot(card), self.cache.seal(pin))
                return accepted
            finally:
                if result is not pin:  # a login hands it on for a first use of an always-authenticate key
                    pin.forget()
        raise PinIncorrect(f'no right PIN for token "{card.token.id.label}" in {MOST_PROMPTS} prompts')

    async def _with_cached_pin(
        self, cache: PinCache, card: Card, ask: Asker, use: Callable[[Pin], Awaitable[T]]
    ) -> tuple[T] | None:
        """The result with the PIN of the client's cache; None when there is none or it is refused, which ends it there.

        It is tried once, and not at all after a wrong PIN: what is left of the tries belongs to the person.
        """
        if (await self._info(card)).pin_tries is not PinTries.FULL:
            return None
        pin = cache.unseal(await ask.cache_get(cache.slot(card)))
        if pin is None:
            return None
        digest = self._digest(pin)
        if digest != self._refused.get(_place(card)):
            try:
                return (await use(pin),)
            except (PinIncorrect, PinLengthInvalid):
                self._refused[_place(card)] = digest
        await ask.cache_put(cache.slot(card), None)
        return None

    def _refuse_repetition(self, card: Card, digest: bytes, outside: bytes | None) -> None:
        if digest in (self._refused.get(_place(card)), outside):
            raise PinIncorrect(f'token "{card.token.id.label}" refused this very PIN before; it is not sent again')

    def _digest(self, pin: Pin) -> bytes:
        return pin.digest(self._key)

    async def _info(self, card: Card) -> TokenInfo:
        for info in await card.module.module.tokens():
            if info.id == card.token.id:
                return info
        raise TokenNotPresent(f'token "{card.token.id.label}" is not present')

    def _start_lease(self, card: Card) -> None:
        self._cancel_timer(_place(card))
        log.info("module=%s token=%s op=login result=ok", card.module.name, card.token.id.label)
        if self.lease_s:
            loop = asyncio.get_running_loop()
            self._timers[_place(card)] = loop.call_later(self.lease_s, self._expire, card)

    def _expire(self, card: Card) -> None:
        ending = asyncio.create_task(self.log_out(card))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def operation_done(self, card: Card) -> None:
        """End the lease at once where `pin-cache 0` asks for it."""
        if self.lease_s == 0:
            await self.log_out(card)

    async def log_out(self, card: Card) -> None:
        """End the login; a token that cannot hear it has lost it anyway."""
        self._cancel_timer(_place(card))
        try:
            await card.module.module.logout(card.token.id)
        except TokenError as error:
            log.info("module=%s token=%s op=logout result=%s", card.module.name, card.token.id.label, error)

    async def forget_cached(self, card: Card, ask: Asker) -> None:
        """Empty the client's cache of this token's PIN."""
        if self.cache is not None:
            await ask.cache_put(self.cache.slot(card), None)

    def forget(self, card: Card) -> None:
        """The token is gone: drop its timer and what is known of refused PINs."""
        self._cancel_timer(_place(card))
        self._refused.pop(_place(card), None)
        if self.cache is not None:
            self.cache.renew()

    def _cancel_timer(self, place: _Place) -> None:
        timer = self._timers.pop(place, None)
        if timer is not None:
            timer.cancel()


def _place(card: Card) -> _Place:
    return (card.module.name, card.token.id)


def _length_notice(pin: Pin, info: TokenInfo) -> str:
    """Why this PIN is not even sent; empty when it may be."""
    if not pin:
        return "An empty PIN is not sent to the token."
    if info.pin_min and len(pin) < info.pin_min:
        return f"The token's PINs have at least {info.pin_min} characters."
    if info.pin_max and len(pin) > info.pin_max:
        return f"The token's PINs have at most {info.pin_max} characters."
    return ""
