"""What GnuPG sets on a card and wants to find again: on the token where it keeps data, else in the state file.

The token's own value counts, since it goes where the token goes. Only a value that was set here while the token could
not be written to comes before the one it was set over, as long as the token has that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scd.service.finding.catalogue import Card, Whereabouts
from scd.service.kept.labels import longest
from scd.service.kept.statefile import StateFile, StateFileError
from scd.token.errors import InvalidData, NotSupported, PinRequired, TokenError, TokenFull, TokenReadOnly
from scd.token.model import DataObject, DataRecord, TokenObjects

log = logging.getLogger(__name__)

_OVER = " over"
"""Behind a label of the state file: the token's value over which the one in the file was set."""

_ELSEWHERE = (NotSupported, TokenReadOnly, TokenFull)

_Values = Mapping[str, bytes]
_Records = Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True)
class _Known:
    """What was on the token, what counts, and the listing the token had then: one that was away has a new one."""

    objects: TokenObjects
    held: _Values
    values: _Values


class Metadata:
    """Values by label for each card; labels and their limits: `scd.service.kept.labels`."""

    def __init__(self, state: StateFile) -> None:
        self._state = state
        self._known: dict[Whereabouts, _Known] = {}
        self._said: dict[Whereabouts, str] = {}
        self._forgotten = 0

    def known(self, card: Card) -> Mapping[str, bytes] | None:
        """What was read of the card; None where it has to be read."""
        known = self._known.get(card.whereabouts)
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
        except TokenError as error:
            self._say(card, error)
            return self._beside(card)
        return self._noted(card, held, remember=forgotten == self._forgotten)  # else it was changed while it was read

    def _noted(self, card: Card, held: _Values, *, remember: bool = True) -> _Values:
        """What counts, where this is on the token."""
        try:
            values = _merged(held, self._state.read(card.token.id))
        except StateFileError as error:
            self._say(card, error)
            return held
        if remember:
            self._known[card.whereabouts] = _Known(card.objects, held, values)
        return values

    async def write(self, card: Card, records: _Records, *, on_token: bool = True) -> None:
        """Set these values, None to delete one.

        All of them on the token if `on_token`, it is not write-protected and takes them, else in the state file. A
        token that has them so already is left alone. What is there afterwards is known then, and not read again.
        Raises PinRequired for the caller to log in and call again, InvalidData for a label that is none of ours and for
        a value that is too long, StateFileError, and the port's other errors.
        """
        for label, value in records.items():
            if value is not None and len(value) > longest(label):
                raise InvalidData(f"{label} has room for {longest(label)} octets, not {len(value)}")
        now: _Values | None = None
        try:
            if on_token and not card.token.write_protected:
                now = await self._put(card, records)
            if now is None:
                now = await self._put_beside(card, records)
        except PinRequired:  # nothing was changed
            raise
        except BaseException:
            self.forget(card)
            raise
        self.forget(card)
        self._noted(card, now)

    def forget(self, card: Card) -> None:
        """Read anew what the card has when it is asked for next."""
        self._forgotten += 1
        self._known.pop(card.whereabouts, None)

    async def _put(self, card: Card, records: _Records) -> _Values | None:
        """What is on the token with these values, None where it does not take them.

        Only what would not be written because the token has it so for all that is known is read first: it may have been
        changed since.
        """
        known = self._known.get(card.whereabouts)
        held = known.held if known is not None and _differ(known.held, records) else await _held(card)
        now = await self._written(card, records) if _differ(held, records) else held
        if now is not None:
            await self._uncover(card, records, held)
        return now

    async def _written(self, card: Card, records: _Records) -> _Values | None:
        wanted = tuple(DataRecord(label, value) for label, value in records.items())
        try:
            return _by_label(await card.module.module.write_data(card.token.id, wanted))
        except _ELSEWHERE as error:
            labels = ",".join(records)
            log.info("token=%s op=write_data label=%s result=%s: kept in the home", card.token.id.label, labels, error)
            return None

    async def _put_beside(self, card: Card, records: _Records) -> _Values:
        """Where the token has a value after all, the file says nothing of it. Returns what is on the token."""
        held = await _held(card)
        for label, value in records.items():
            differs = value != held.get(label)
            await self._keep(card, label, value if differs else None)
            await self._keep(card, label + _OVER, held.get(label) if differs else None)
        return held

    async def _uncover(self, card: Card, records: _Records, before: _Values) -> None:
        """Take them out of the file, where they would not count beside new values on the token if that failed."""
        try:
            for label in records:
                await self._keep(card, label, None)
                await self._keep(card, label + _OVER, None)
        except StateFileError as error:
            if any(value == before.get(label) for label, value in records.items()):
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
        if self._said.get(card.whereabouts) != str(error):
            self._said[card.whereabouts] = str(error)
            log.warning("module=%s token=%s op=read_data result=%s", card.module.name, card.token.id.label, error)


async def _held(card: Card) -> _Values:
    """What is on the token."""
    try:
        return _by_label(await card.module.module.read_data(card.token.id))
    except NotSupported:
        return {}


def _by_label(data: Iterable[DataObject]) -> _Values:
    return {one.label: one.value for one in data}


def _differ(held: _Values, records: _Records) -> bool:
    return any(held.get(label) != value for label, value in records.items())


def _merged(held: _Values, beside: _Values) -> _Values:
    merged = {label: value for label, value in beside.items() if not label.endswith(_OVER)}
    for label, value in held.items():
        if beside.get(label + _OVER) != value:
            merged[label] = value
    return merged
