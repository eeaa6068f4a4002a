"""A complete `TokenModule` in memory: real keys, scriptable misfortune, and a log of what was asked."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from scd.token.errors import (
    Canceled,
    KeyNotFound,
    ModuleUnavailable,
    PinBlocked,
    PinIncorrect,
    PinLengthInvalid,
    PinNotSet,
    PinRequired,
    TokenError,
    TokenNotPresent,
    WrongKeyUsage,
)
from scd.token.model import TokenId, TokenInfo, TokenObjects
from scd.token.port import DecryptRequest, KeyAddress, SignRequest
from scd.token.secrets import Pin
from tests.fakes import fake_crypto
from tests.fakes.fake_token import TRIES, FakeKey, FakeToken


class Op(Enum):
    """The methods of the port."""

    TOKENS = "tokens"
    OBJECTS = "objects"
    LOGIN = "login"
    LOGOUT = "logout"
    SIGN = "sign"
    DECRYPT = "decrypt"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the port; `label` is the token's, empty where there is none. Never a PIN."""

    op: Op
    label: str = ""
    cka_id: bytes = b""


@dataclass(slots=True)
class _Gate:
    """Where a held operation waits."""

    reached: asyncio.Event
    opened: asyncio.Event


class FakeModule:
    """See `scd.token.port.TokenModule`.

    `calls` is all that was asked; `pins_seen` counts the PINs that arrived, by login or with a request.
    """

    def __init__(self, *tokens: FakeToken) -> None:
        self.slots: list[FakeToken] = list(tokens)
        self.calls: list[Call] = []
        self.pins_seen = 0
        self.closed = False
        self._failures: dict[Op, list[TokenError]] = defaultdict(list)
        self._gates: dict[Op, _Gate] = {}
        self._shown: dict[TokenId, TokenObjects] = {}

    # What a test may do

    def fail_next(self, op: Op, *errors: TokenError) -> None:
        """The next calls of `op` raise these, one each, before anything else happens."""
        self._failures[op] += errors

    def hold(self, op: Op) -> _Gate:
        """Calls of `op` wait from now on, as for a touch.

        `reached` is set as soon as one waits; set `opened` to let all go.
        """
        gate = self._gates[op] = _Gate(asyncio.Event(), asyncio.Event())
        return gate

    def count(self, op: Op, label: str | None = None) -> int:
        """How often `op` was called, for one token if named."""
        return sum(call.op is op and label in (None, call.label) for call in self.calls)

    def labels(self, ops: Iterable[Op]) -> list[str]:
        """The tokens' labels of these calls, in order."""
        return [call.label for call in self.calls if call.op in set(ops)]

    # The port

    async def tokens(self) -> tuple[TokenInfo, ...]:
        """See the port."""
        await self._begin(Call(Op.TOKENS))
        return tuple(token.info for token in self.slots if token.present)

    async def objects(self, token: TokenId, known: int = 0) -> TokenObjects | None:
        """See the port."""
        await self._begin(Call(Op.OBJECTS, token.label))
        there = self._find(token)
        shown = self._shown.get(token) or TokenObjects((), (), (), 0)
        keys = tuple(key.shown(there.logged_in) for key in there.keys if there.logged_in or not key.hidden)
        now = TokenObjects(keys, tuple(there.certificates), tuple(there.skipped), shown.version)
        if now != shown or not shown.version:
            now = replace(now, version=shown.version + 1)
        self._shown[token] = now
        return None if now.version == known else now

    async def login(self, token: TokenId, pin: Pin | None) -> None:
        """See the port."""
        self._count(pin)
        await self._begin(Call(Op.LOGIN, token.label))
        there = self._find(token)
        if not there.logged_in:
            _verify(there, pin)
            there.logged_in = True

    async def logout(self, token: TokenId) -> None:
        """See the port."""
        await self._begin(Call(Op.LOGOUT, token.label))
        for there in self.slots:
            if there.id == token:
                there.logged_in = False

    async def sign(self, request: SignRequest) -> bytes:
        """See the port."""
        self._count(request.pin)
        await self._begin(Call(Op.SIGN, request.key.token.label, request.key.cka_id))
        key = self._usable(request.key, request.pin)
        if key.can_sign is False:
            raise WrongKeyUsage(f'key "{key.label}" may not sign')
        return fake_crypto.sign(key.private, request.data)

    async def decrypt(self, request: DecryptRequest) -> bytes:
        """See the port."""
        self._count(request.pin)
        await self._begin(Call(Op.DECRYPT, request.key.token.label, request.key.cka_id))
        key = self._usable(request.key, request.pin)
        if key.can_decrypt is False:
            raise WrongKeyUsage(f'key "{key.label}" may not decrypt')
        return fake_crypto.decrypt(key.private, request.data)

    async def close(self) -> None:
        """See the port."""
        await self._begin(Call(Op.CLOSE))
        self.closed = True

    async def _begin(self, call: Call) -> None:
        self.calls.append(call)
        if self.closed:
            raise ModuleUnavailable("the fake module is closed")
        if gate := self._gates.get(call.op):
            gate.reached.set()
            await gate.opened.wait()
        if waiting := self._failures[call.op]:
            raise waiting.pop(0)

    def _count(self, pin: Pin | None) -> None:
        self.pins_seen += pin is not None

    def _find(self, wanted: TokenId) -> FakeToken:
        for token in self.slots:
            if token.present and token.id == wanted:
                return token
        raise TokenNotPresent(f'token "{wanted.label}" is not present')

    def _usable(self, address: KeyAddress, pin: Pin | None) -> FakeKey:
        """The key behind the address when all logins it needs are there."""
        token = self._find(address.token)
        if token.login_required and not token.logged_in:
            raise PinRequired(f'token "{token.label}": login needed')
        for key in token.keys:
            if key.cka_id == address.cka_id and key.shown(True).public == address.public:
                if key.always_authenticate:
                    _context_login(token, key, pin)
                return key
        raise KeyNotFound(f'token "{token.label}" has no such private key')


def _context_login(token: FakeToken, key: FakeKey, pin: Pin | None) -> None:
    if pin is None and not token.pinpad:
        raise PinRequired(f'key "{key.label}" wants the PIN for each use', context=True)
    _verify(token, pin)


def _verify(token: FakeToken, pin: Pin | None) -> None:
    """Compare, count the tries. A locked token refuses the right PIN, too."""
    if not token.pin:
        raise PinNotSet(f'token "{token.label}" has no user PIN')
    if pin is None and not token.pinpad:
        raise PinIncorrect(f'token "{token.label}" has no pin pad')
    typed = token.at_the_pinpad if pin is None else pin.reveal()
    if typed is None:
        raise Canceled(f'token "{token.label}": cancelled at the pin pad')
    if not token.pin_min <= len(typed) <= token.pin_max:
        raise PinLengthInvalid(f'token "{token.label}": PIN of a wrong length')
    if token.tries_left <= 0:
        raise PinBlocked(f'token "{token.label}": the PIN is locked')
    if typed != token.pin:
        token.tries_left -= 1
        raise PinIncorrect(f'token "{token.label}": wrong PIN')
    token.tries_left = TRIES
