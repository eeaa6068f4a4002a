"""A complete `TokenModule` in memory: real keys, scriptable misfortune, and a log of what was asked."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from scd.gcrypt.pubkey import PublicKey
from scd.token.errors import (
    Canceled,
    KeyNotFound,
    ModuleUnavailable,
    NotSupported,
    PinBlocked,
    PinIncorrect,
    PinLengthInvalid,
    PinNotSet,
    PinRequired,
    TokenError,
    TokenNotPresent,
    WrongKeyUsage,
)
from scd.token.model import DataObject, DataRecord, TokenId, TokenInfo, TokenObjects
from scd.token.port import DecryptRequest, GenerateRequest, ImportRequest, KeyAddress, SignRequest, TokenModule
from scd.token.secrets import Pin
from tests.fakes import fake_changes, fake_crypto
from tests.fakes.fake_token import TRIES, FakeKey, FakeToken
from tests.fakes.keys import public_of


class Op(Enum):
    """The methods of the port."""

    TOKENS = "tokens"
    TOKEN = "token"
    SLOTS_CHANGED = "slots_changed"
    OBJECTS = "objects"
    LOGIN = "login"
    LOGOUT = "logout"
    SIGN = "sign"
    DECRYPT = "decrypt"
    RANDOM = "random"
    ALGORITHMS = "algorithms"
    GENERATE = "generate"
    IMPORT_KEY = "import_key"
    DESTROY_KEY = "destroy_key"
    MOVE_KEY = "move_key"
    WRITE_CERTIFICATE = "write_certificate"
    DELETE_CERTIFICATE = "delete_certificate"
    CHANGE_PIN = "change_pin"
    RESET_PIN = "reset_pin"
    CHANGE_SO_PIN = "change_so_pin"
    CHECK_SO_PIN = "check_so_pin"
    READ_DATA = "read_data"
    WRITE_DATA = "write_data"
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


class FakeModule(TokenModule):
    """See `scd.token.port.TokenModule`.

    `calls` is all that was asked; `pins_seen` counts the PINs that arrived, by login or with a request. `has_events`:
    it can tell whether tokens have come or gone.
    """

    def __init__(self, *tokens: FakeToken) -> None:
        self.slots: list[FakeToken] = list(tokens)
        self.calls: list[Call] = []
        self.pins_seen = 0
        self.closed = False
        self.has_events = True
        self._noticed: list[FakeToken] | None = None
        self._failures: dict[Op, list[TokenError | None]] = defaultdict(list)
        self._gates: dict[Op, _Gate] = {}
        self._shown: dict[TokenId, TokenObjects] = {}

    # What a test may do

    def fail_next(self, op: Op, *errors: TokenError, after: int = 0) -> None:
        """The next calls of `op`, but for the first `after`, raise these, one each, before anything else happens."""
        self._failures[op] += [*[None] * after, *errors]

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

    async def token(self, token: TokenId) -> TokenInfo:
        """See the port."""
        await self._begin(Call(Op.TOKEN, token.label))
        return self._find(token).info

    async def slots_changed(self) -> bool | None:
        """See the port."""
        at_work = any(gate.reached.is_set() and not gate.opened.is_set() for gate in self._gates.values())
        await self._begin(Call(Op.SLOTS_CHANGED))
        if at_work:
            return False
        before, self._noticed = self._noticed, [token for token in self.slots if token.present]
        return before != self._noticed if self.has_events else None

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

    async def random(self, token: TokenId, count: int) -> bytes:
        """See the port."""
        await self._begin(Call(Op.RANDOM, token.label))
        if not self._find(token).has_random:
            raise NotSupported(f'token "{token.label}" has no random numbers')
        return os.urandom(count)

    async def algorithms(self, token: TokenId) -> tuple[str, ...]:
        """See the port."""
        await self._begin(Call(Op.ALGORITHMS, token.label))
        return fake_changes.algorithms(self._find(token))

    async def generate(self, request: GenerateRequest) -> PublicKey:
        """See the port."""
        there = await self._change(Op.GENERATE, request.token, request.cka_id)
        return public_of(fake_changes.generate(there, request).private)

    async def import_key(self, request: ImportRequest) -> PublicKey:
        """See the port."""
        there = await self._change(Op.IMPORT_KEY, request.token, request.cka_id)
        return public_of(fake_changes.import_key(there, request).private)

    async def destroy_key(self, key: KeyAddress) -> None:
        """See the port."""
        fake_changes.destroy_key(await self._change(Op.DESTROY_KEY, key.token, key.cka_id), key)

    async def move_key(self, key: KeyAddress, cka_id: bytes) -> None:
        """See the port."""
        fake_changes.move_key(await self._change(Op.MOVE_KEY, key.token, key.cka_id), key, cka_id)

    async def write_certificate(self, token: TokenId, cka_id: bytes, label: str, der: bytes) -> None:
        """See the port."""
        there = await self._change(Op.WRITE_CERTIFICATE, token, cka_id)
        fake_changes.write_certificate(there, cka_id, label, der)

    async def delete_certificate(self, token: TokenId, cka_id: bytes) -> None:
        """See the port."""
        fake_changes.delete_certificate(await self._change(Op.DELETE_CERTIFICATE, token, cka_id), cka_id)

    async def change_pin(self, token: TokenId, old: Pin | None, new: Pin | None) -> None:
        """See the port."""
        self._count(old)
        self._count(new)
        await self._begin(Call(Op.CHANGE_PIN, token.label))
        there = self._find(token)
        fake_changes.change_pin(there, new, lambda: _verify(there, old))

    async def reset_pin(self, token: TokenId, so_pin: Pin | None, new: Pin | None) -> None:
        """See the port."""
        self._count(so_pin)
        self._count(new)
        await self._begin(Call(Op.RESET_PIN, token.label))
        fake_changes.reset_pin(self._find(token), so_pin, new)

    async def change_so_pin(self, token: TokenId, old: Pin | None, new: Pin | None) -> None:
        """See the port."""
        self._count(old)
        self._count(new)
        await self._begin(Call(Op.CHANGE_SO_PIN, token.label))
        fake_changes.change_so_pin(self._find(token), old, new)

    async def check_so_pin(self, token: TokenId, so_pin: Pin | None) -> None:
        """See the port."""
        self._count(so_pin)
        await self._begin(Call(Op.CHECK_SO_PIN, token.label))
        fake_changes.check_so_pin(self._find(token), so_pin)

    async def read_data(self, token: TokenId) -> tuple[DataObject, ...]:
        """See the port."""
        await self._begin(Call(Op.READ_DATA, token.label))
        return _data(self._find(token))

    async def write_data(self, token: TokenId, records: tuple[DataRecord, ...]) -> tuple[DataObject, ...]:
        """See the port."""
        there = await self._change(Op.WRITE_DATA, token)
        fake_changes.write_data(there, records)
        return _data(there)

    async def _change(self, op: Op, token: TokenId, cka_id: bytes = b"") -> FakeToken:
        """The token, when it may be written to."""
        await self._begin(Call(op, token.label, cka_id))
        there = self._find(token)
        fake_changes.require_writable(there)
        return there

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
        if (waiting := self._failures[call.op]) and (failure := waiting.pop(0)):
            raise failure

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


def _data(token: FakeToken) -> tuple[DataObject, ...]:
    return tuple(DataObject(*entry) for entry in sorted(token.data.items()))


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
