"""What GnuPG sets on a card and wants to find again: on the token where it keeps data, else in the state file.

The token's own value counts, since it goes where the token goes. Only a value that was set here while the token could
not be written to comes before the one it was set over, as long as the token has that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from scd.service.finding.catalogue import Card
from scd.service.kept.labels import longest
from scd.service.kept.statefile import StateFile, StateFileError
from scd.token.errors import InvalidData, NotSupported, TokenError, TokenFull, TokenReadOnly
from scd.token.model import TokenId, TokenObjects

log = logging.getLogger(__name__)

_OVER = " over"
"""Behind a label of the state file: the token's value over which the one in the file was set."""

_ELSEWHERE = (NotSupported, TokenReadOnly, TokenFull)

_Place = tuple[str, TokenId]
_Values = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read, and the listing the token had then: a token that was away has a new one."""

    objects: TokenObjects
    values: _Values


class Metadata:
    """Values by label for each card; labels and their limits: `scd.service.kept.labels`."""

    def __init__(self, state: StateFile) -> None:
        self._state = state
        self._known: dict[_Place, _Known] = {}
        self._said: dict[_Place, str] = {}
        self._forgotten = 0

    def known(self, card: Card) -> Mapping[str, bytes] | None:
        """What was read of the card; None where it has to be read."""
        known = self._known.get(_place(card))
        return known.values if known is not None and known.objects is card.objects else None

    async def of(self, card: Card) -> Mapping[str, bytes]:
        """All values of the card by label. Never prompts, never raises; what cannot be read is logged and not there.

        Read once, and again after the token was away, its listing changed, or `forget`.
        """
        known = self.known(card)
        if known is not None:
            return known
        forgotten = self._forgotten
        try:
            held = await _held(card)
            values = _merged(held, self._state.read(card.token.id))
        except StateFileError as error:
            self._say(card, error)
            return held
        except TokenError as error:
            self._say(card, error)
            return self._beside(card)
        if forgotten == self._forgotten:  # else it was changed while it was read
            self._known[_place(card)] = _Known(card.objects, values)
        return values

    async def write(self, card: Card, label: str, value: bytes | None, *, on_token: bool = True) -> None:
        """Set one value, or delete it with None.

        On the token if `on_token`, it is not write-protected and takes it, else in the state file. A token that has it
        so already is left alone. Raises PinRequired for the caller to log in and call again, InvalidData for a label
        that is none of ours and for a value that is too long, StateFileError, and the port's other errors.
        """
        if value is not None and len(value) > longest(label):
            raise InvalidData(f"{label} has room for {longest(label)} octets, not {len(value)}")
        held = (await _held(card)).get(label)
        try:
            if on_token and not card.token.write_protected and await self._took(card, label, value, held):
                await self._uncover(card, label, may_fail=value != held)
            else:
                await self._beside_it(card, label, value, held)
        finally:
            self.forget(card)

    def forget(self, card: Card) -> None:
        """Read anew what the card has when it is asked for next."""
        self._forgotten += 1
        self._known.pop(_place(card), None)

    async def _took(self, card: Card, label: str, value: bytes | None, held: bytes | None) -> bool:
        """Whether the token has the value now."""
        if value == held:
            return True
        try:
            await card.module.module.write_data(card.token.id, label, value)
        except _ELSEWHERE as error:
            log.info("token=%s op=write_data label=%s result=%s: kept in the home", card.token.id.label, label, error)
            return False
        return True

    async def _beside_it(self, card: Card, label: str, value: bytes | None, held: bytes | None) -> None:
        """Where the token has the value after all, the file says nothing."""
        await self._keep(card, label, value if value != held else None)
        await self._keep(card, label + _OVER, held if value != held else None)

    async def _uncover(self, card: Card, label: str, *, may_fail: bool) -> None:
        """Take it out of the file, where it would not count beside a new value on the token if that failed."""
        try:
            await self._keep(card, label, None)
            await self._keep(card, label + _OVER, None)
        except StateFileError as error:
            if not may_fail:
                raise
            self._say(card, error)

    async def _keep(self, card: Card, label: str, value: bytes | None) -> None:
        """In a thread: the disk, or another process that writes, may take its time."""
        await asyncio.to_thread(self._state.write, card.token.id, label, value)

    def _beside(self, card: Card) -> _Values:
        try:
            return _merged({}, self._state.read(card.token.id))
        except StateFileError as error:
            self._say(card, error)
            return {}

    def _say(self, card: Card, error: TokenError) -> None:
        """Once for each card, until there is something else to say."""
        if self._said.get(_place(card)) != str(error):
            self._said[_place(card)] = str(error)
            log.warning("module=%s token=%s op=read_data result=%s", card.module.name, card.token.id.label, error)


def _place(card: Card) -> _Place:
    return card.module.name, card.token.id


async def _held(card: Card) -> _Values:
    """What is on the token."""
    try:
        return {one.label: one.value for one in await card.module.module.read_data(card.token.id)}
    except NotSupported:
        return {}


def _merged(held: _Values, beside: _Values) -> _Values:
    merged = {label: value for label, value in beside.items() if not label.endswith(_OVER)}
    for label, value in held.items():
        if beside.get(label + _OVER) != value:
            merged[label] = value
    return merged
