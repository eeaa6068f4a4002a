"""Several workers of one module as one: for modules whose processes are independent of each other."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from scd.token.errors import (
    ModuleUnavailable,
    PinBlocked,
    PinIncorrect,
    PinLengthInvalid,
    PinNotSet,
    PinRequired,
    TokenError,
)
from scd.token.model import TokenId, TokenInfo, TokenObjects
from scd.token.port import REREAD, Call, KeyAddress, TokenModule
from scd.token.secrets import Pin

log = logging.getLogger(__name__)
T = TypeVar("T")
_WITH_LOGIN = frozenset({"sign", "decrypt"})
_CHANGES = frozenset(
    {"generate", "import_key", "destroy_key", "move_key", "write_certificate", "delete_certificate", "write_data"}
)
_NEW_PINS = frozenset({"change_pin", "reset_pin", "change_so_pin"})  # who made the change keeps its login
_REFUSED = (PinIncorrect, PinLengthInvalid, PinBlocked, PinNotSet)


class PoolWorker(TokenModule, Protocol):
    """What the pool needs of a worker beyond the port."""

    @property
    def epoch(self) -> int:
        """Changes when the worker has lost its logins."""

    @property
    def load(self) -> int:
        """Requests under way or waiting."""

    @property
    def available(self) -> bool:
        """A request would not be refused outright."""

    def start(self) -> None:
        """Begin loading, unless it runs."""

    async def renew(self) -> None:
        """Begin anew, when it runs: its logins are lost."""


class PooledModule(TokenModule):
    """See `scd.token.port.TokenModule`.

    Work with private keys goes to the least busy worker that holds the token's login; what the tokens are and hold
    is told by one worker as long as it is well, so that its versions keep their meaning.
    """

    def __init__(self, workers: Sequence[PoolWorker]) -> None:
        self.workers = tuple(workers)
        self._teller = 0
        self._logins: dict[TokenId, dict[int, int]] = defaultdict(dict)  # worker -> its epoch at login
        self._one_change = asyncio.Lock()
        self._changes: set[asyncio.Future[None]] = set()
        self._later: set[asyncio.Future[list[BaseException | None]]] = set()
        self._one_login = asyncio.Lock()  # a PIN that is refused must not be on its way a second time

    def start(self) -> None:
        """Begin loading in every worker that does not run yet. Raises ModuleUnavailable."""
        for worker in self.workers:
            worker.start()

    async def tokens(self) -> tuple[TokenInfo, ...]:
        """See the port. A token is logged in when one worker is; one that is gone is in none of them any more."""
        _, found = await self._tell(lambda worker: worker.tokens(), self._order(self._teller))
        for gone in self._logins.keys() - {info.id for info in found}:
            self._log_out_later(gone)
        return tuple(map(self._with_logins, found))

    async def token(self, token: TokenId) -> TokenInfo:
        """See the port. It is logged in when one worker is."""
        return self._with_logins(await super().token(token))

    def _with_logins(self, info: TokenInfo) -> TokenInfo:
        return replace(info, logged_in=True) if not info.logged_in and self._holders(info.id) else info

    async def slots_changed(self) -> bool | None:
        """See the port. The teller's answer: it is the one whose listing counts."""
        return (await self._tell(lambda worker: worker.slots_changed(), self._order(self._teller)))[1]

    async def objects(self, token: TokenId, known: int = 0) -> TokenObjects | None:
        """See the port. Versions of different workers never agree."""
        count = len(self.workers)

        def look(worker: PoolWorker) -> Awaitable[TokenObjects | None]:
            if known == REREAD:
                return worker.objects(token, REREAD)
            mine = self.workers[known % count] is worker
            return worker.objects(token, known // count if mine else 0)

        holders = self._holders(token)
        # Some modules show private keys to those who are logged in only.
        first = self._teller if self._teller in holders or not holders else holders[0]
        index, found = await self._tell(look, self._order(first))
        return None if found is None else replace(found, version=found.version * count + index)

    async def login(self, token: TokenId, pin: Pin | None) -> None:
        """See the port. One worker tries the PIN, the others get it when it was right; the pin pad serves one."""
        async with self._one_login:
            holders = self._holders(token)
            order = sorted(self._order(self._teller), key=lambda index: index in holders)
            index, _ = await self._tell(lambda worker: worker.login(token, pin), order)
            self._note_login(token, index)
            if pin is not None and index not in holders:  # a worker that is logged in does not check the PIN
                await self._login_others(token, pin, [one for one in order if one not in (index, *holders)])

    def _log_out_later(self, token: TokenId) -> None:
        """Workers that were not asked may not have missed it, and would use it without a PIN when it comes back.

        Each does it when it has time, and before anything that it is asked from now on.
        """
        del self._logins[token]
        task = asyncio.ensure_future(self._all(lambda worker: worker.logout(token)))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def logout(self, token: TokenId) -> None:
        """See the port. All workers; the first failure is raised when all were asked."""
        self._logins.pop(token, None)
        _raise_first(await self._all(lambda worker: worker.logout(token)))

    async def ask(self, call: Call) -> Any:
        """See the port. What a call wants of the workers is in the tables above; the rest any one of them answers."""

        if call.method in _WITH_LOGIN:
            return await self._use(call)
        if call.method in _CHANGES:
            async with self._one_change:  # each finds what the last one left; the others see it when they list
                return await self._use(call)
        if call.method in _NEW_PINS:
            return await self._set_pin(call)
        return (await self._tell(lambda worker: worker.ask(call), self._order(self._teller)))[1]

    async def reset_pin(self, token: TokenId, so_pin: Pin | None, new: Pin | None) -> None:
        """See the port. No worker keeps the user's login: it was made with the PIN that is replaced."""
        await self._end_logins(token)
        await super().reset_pin(token, so_pin, new)

    async def change_so_pin(self, token: TokenId, old: Pin | None, new: Pin | None) -> None:
        """See the port."""
        await self._end_logins(token)
        await super().change_so_pin(token, old, new)

    async def check_so_pin(self, token: TokenId, so_pin: Pin | None) -> None:
        """See the port."""
        await self._end_logins(token)
        async with self._one_login:
            await super().check_so_pin(token, so_pin)

    async def move_key(self, key: KeyAddress, cka_id: bytes) -> None:
        """See the port. The other workers would not notice what has changed in its place."""
        await super().move_key(key, cka_id)
        await self._all(lambda worker: worker.objects(key.token, REREAD))

    async def close(self) -> None:
        """See the port. All workers."""
        _raise_first(await self._all(lambda worker: worker.close()))

    def _holders(self, token: TokenId) -> list[int]:
        """The workers that hold the token's login; a worker that started anew has lost it."""
        logins = self._logins.get(token, {})
        return [index for index, epoch in sorted(logins.items()) if self.workers[index].epoch == epoch]

    def _note_login(self, token: TokenId, index: int) -> None:
        self._logins[token][index] = self.workers[index].epoch

    def _order(self, first: int) -> list[int]:
        """All workers, `first` in front, those that would refuse at the end."""
        indexes = range(len(self.workers))
        return sorted(indexes, key=lambda index: (not self.workers[index].available, index != first))

    async def _tell(self, ask: Callable[[PoolWorker], Awaitable[T]], order: Sequence[int]) -> tuple[int, T]:
        """The first answer of a worker that is available, and whose it is; that one is the teller from now on."""
        for index in order:
            try:
                answer = await ask(self.workers[index])
            except ModuleUnavailable:
                if index == order[-1]:
                    raise
            else:
                self._teller = index
                return index, answer
        raise ValueError("a pool without workers")

    async def _login_others(self, token: TokenId, pin: Pin, others: Sequence[int]) -> None:
        """One after the other. The first refusal ends it, since each may cost a try; a worker that did not follow is
        merely not used, and the login of the first one stands.
        """
        for index in others:
            try:
                await self.workers[index].login(token, pin)
            except TokenError as error:
                log.warning("token=%s op=login worker=%d result=not used: %s", token.label, index + 1, error)
                if isinstance(error, _REFUSED):
                    return
            else:
                self._note_login(token, index)

    async def _end_logins(self, token: TokenId) -> None:
        """The security officer comes when nobody is logged in; a worker that fails here has lost its login."""
        await self._all(lambda worker: worker.logout(token))
        self._logins.pop(token, None)

    async def _set_pin(self, call: Call) -> None:
        """The other workers begin anew: SoftHSM 2.6.1 reads the PIN when it is loaded, and takes the old one for ever.

        That must not be left out when the caller is cancelled, for the PIN is changed then, too.
        """

        async def change() -> None:
            async with self._one_login:
                holders = self._holders(call.token)
                order = sorted(self._order(self._teller), key=lambda index: index not in holders)
                changed, _ = await self._tell(lambda worker: worker.ask(call), order)
                await self._all(lambda worker: worker.renew(), [one for one in order if one != changed])

        task = asyncio.ensure_future(change())
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        await asyncio.shield(task)

    async def _use(self, call: Call) -> Any:
        """Work that needs a login. Nothing was begun when a worker wants a login or is not available: ask the next."""
        token = call.token
        refused: set[int] = set()
        while True:
            index = self._least_busy(token, refused)
            try:
                return await self.workers[index].ask(call)
            except PinRequired as need:
                if need.context or self._logins[token].pop(index, None) is None or not self._holders(token):
                    raise
            except ModuleUnavailable:
                refused.add(index)
                if len(refused) == len(self.workers):
                    raise

    def _least_busy(self, token: TokenId, refused: set[int]) -> int:
        holders = [index for index in self._holders(token) if index not in refused]
        candidates = holders or [index for index in range(len(self.workers)) if index not in refused]
        if len(candidates) == 1:
            return candidates[0]
        return min(candidates, key=lambda index: (not self.workers[index].available, self.workers[index].load))

    async def _all(
        self, ask: Callable[[PoolWorker], Awaitable[object]], indexes: Sequence[int] | None = None
    ) -> list[BaseException | None]:
        """How each of them failed, None where it did not."""
        chosen = range(len(self.workers)) if indexes is None else indexes
        answers = await asyncio.gather(*(ask(self.workers[index]) for index in chosen), return_exceptions=True)
        return [one if isinstance(one, BaseException) else None for one in answers]


def _raise_first(outcomes: Sequence[BaseException | None]) -> None:
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
