"""A PKCS#11 module in memory, on the level of its C functions: all that `Native` calls, over ctypes arguments.

Errors can be ordered for the next calls of a function, and every call is on record, so that a test may ask for order
and number. A PIN is not on record.
"""

from __future__ import annotations

import ctypes
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from pkcs11 import Attribute, ObjectClass
from pkcs11 import Mechanism as M

from scd.cryptoki.calls.ckr import OK, CkrError, ckr_name
from scd.cryptoki.calls.native import UNAVAILABLE, Ecdh1Params, Native, RawTokenInfo
from scd.cryptoki.module import InProcessModule
from scd.cryptoki.moduleconfig import ModuleConfig
from tests.unit.cryptoki.memory_token import TRUE, Bulk, MemoryObject, MemoryToken, Refused, compute, derive

RV = {ckr_name(number).removeprefix("CKR_"): number for number in range(0x300)}
USER, CONTEXT_SPECIFIC = 1, 2
RO_PUBLIC_SESSION, RO_USER_FUNCTIONS = 0, 1
_NULL = ctypes.CFUNCTYPE(ctypes.c_ulong)()  # what a module that lacks a function has in its list


@dataclass(slots=True)
class Operation:
    """What Init began."""

    kind: str
    mechanism: int
    key: MemoryObject
    has_params: bool
    affirmed: bool = False


@dataclass(slots=True)
class Session:
    """An open session and its own objects."""

    token: MemoryToken
    operation: Operation | None = None
    search: list[int] | None = None
    objects: dict[int, MemoryObject] = field(default_factory=dict)


class MemoryNative(Native):
    """`Native` over the module in memory.

    `slots_` may be changed at will, tokens pulled and put back; `events` are the slots that C_WaitForSlotEvent names.
    `left_out`: functions that are NULL in its list.
    """

    def __init__(self, *tokens: MemoryToken, left_out: tuple[str, ...] = ()) -> None:
        self.slots_: dict[int, MemoryToken] = dict(enumerate(tokens))
        self.says = (b"memory", b"memory")  # C_GetInfo's manufacturer and description
        self.events: list[int] = []
        self.sessions: dict[int, Session] = {}
        self.logged_in: set[int] = set()  # id() of tokens
        self.calls_: list[str] = []
        self.errors: dict[str, list[str]] = defaultdict(list)
        self.wants_room: int = 0
        self.arguments: list[tuple[int, bytes | None] | None] = []
        self._opened = 0
        self._adopt(
            {name: self._function(name) for name in dir(self) if name.startswith("C_")} | dict.fromkeys(left_out, _NULL)
        )

    def _function(self, name: str) -> Any:
        def call(*arguments: Any) -> int:
            self.calls_.append(name)
            if self.errors[name]:
                rv = RV[self.errors[name].pop(0)]
                if rv != OK:
                    return rv
            try:
                getattr(self, name)(*map(_plain, arguments))
            except Refused as refused:
                return RV[str(refused)]
            return OK

        return call

    # What a test may do

    def fail_next(self, function: str, *names: str) -> None:
        """The next calls answer these CKRs; "OK" lets one pass."""
        self.errors[function] += names

    def count(self, function: str) -> int:
        """How often it was called."""
        return self.calls_.count(function)

    def lose_login(self, token: MemoryToken) -> None:
        """As when another program resets the card."""
        self.logged_in.discard(id(token))

    def lose_sessions(self) -> None:
        """As when the reader was pulled for a moment."""
        self.sessions.clear()
        self.logged_in.clear()

    # The functions

    def C_Initialize(self, arguments: Any) -> None:
        self.arguments.append(None if arguments is None else (arguments.flags, arguments.reserved))

    def C_Finalize(self, _reserved: None) -> None:
        self.lose_sessions()

    def C_GetInfo(self, info: Any) -> None:
        info.manufacturer, info.description = (text.ljust(32) for text in self.says)

    def C_GetSlotList(self, _present: int, slots: Any, count: Any) -> None:
        if slots is not None:
            for place, slot in enumerate(self.slots_):
                slots[place] = slot
        count.value = len(self.slots_)

    def C_WaitForSlotEvent(self, flags: int, slot: Any, _reserved: None) -> None:
        if not self.events:
            raise Refused("NO_EVENT" if flags & 1 else "FUNCTION_FAILED")
        slot.value = self.events.pop(0)

    def C_GetTokenInfo(self, slot: int, info: RawTokenInfo) -> None:
        token = self._token(slot)
        info.label, info.serial = token.label.encode().ljust(32), token.serial.encode().ljust(16)
        info.manufacturer, info.model = b"memory".ljust(32), b"memory".ljust(16)
        info.flags, info.pin_min, info.pin_max = int(token.flags), 4, 8

    def C_GetMechanismList(self, slot: int, mechanisms: Any, count: Any) -> None:
        known = sorted(self._token(slot).mechanisms)
        if mechanisms is not None:
            for place, mechanism in enumerate(known):
                mechanisms[place] = mechanism
        count.value = len(known)

    def C_OpenSession(self, slot: int, _flags: int, _application: None, _notify: None, session: Any) -> None:
        token = self._token(slot)
        self._opened += 1
        self.sessions[self._opened] = Session(token)
        session.value = self._opened

    def C_CloseSession(self, session: int) -> None:
        token = self._session(session).token
        del self.sessions[session]
        if not any(one.token is token for one in self.sessions.values()):
            self.lose_login(token)

    def C_GetSessionInfo(self, session: int, info: Any) -> None:
        info.state = RO_USER_FUNCTIONS if id(self._session(session).token) in self.logged_in else RO_PUBLIC_SESSION

    def C_Login(self, session: int, user: int, pin: bytes | None, length: int) -> None:
        there = self._session(session)
        token = there.token
        if user == USER and id(token) in self.logged_in:
            raise Refused("USER_ALREADY_LOGGED_IN")
        if user == CONTEXT_SPECIFIC and there.operation is None and not token.affirms_any_time:
            raise Refused("OPERATION_NOT_INITIALIZED")
        if pin is None or pin[:length] != token.pin:
            raise Refused("PIN_INCORRECT")
        if user == USER:
            self.logged_in.add(id(token))
        elif there.operation is not None:
            there.operation.affirmed = True

    def C_Logout(self, session: int) -> None:
        token = self._session(session).token
        if id(token) not in self.logged_in:
            raise Refused("USER_NOT_LOGGED_IN")
        self.lose_login(token)

    def C_DestroyObject(self, session: int, handle: int) -> None:
        if self._session(session).objects.pop(handle, None) is None:
            raise Refused("OBJECT_HANDLE_INVALID")

    def C_FindObjectsInit(self, session: int, template: Any, _count: int) -> None:
        there = self._session(session)
        if there.search is not None:
            raise Refused("OPERATION_ACTIVE")
        wanted = _read_template(template)
        there.search = [
            handle
            for handle, one in there.token.objects.items()
            if wanted.items() <= one.attributes.items() and self._visible(there, one)
        ]

    def C_FindObjects(self, session: int, handles: Any, room: int, count: Any) -> None:
        found = self._session(session).search
        if found is None:
            raise Refused("OPERATION_NOT_INITIALIZED")
        batch, found[:] = found[:room], found[room:]
        for place, handle in enumerate(batch):
            handles[place] = handle
        count.value = len(batch)

    def C_FindObjectsFinal(self, session: int) -> None:
        self._session(session).search = None

    def C_GetAttributeValue(self, session: int, handle: int, template: Any, _count: int) -> None:
        there = self._session(session)
        one = there.objects.get(handle) or self._object(there, handle)
        lacking = {entry.type for entry in template if not self._shows(there, one, entry.type)}
        if lacking and there.token.bulk is Bulk.NOTHING:
            raise Refused("ATTRIBUTE_TYPE_INVALID")
        small = False
        for entry in template:
            if entry.type in lacking and there.token.bulk is Bulk.STOPS:
                entry.length = UNAVAILABLE
                raise Refused("ATTRIBUTE_TYPE_INVALID")
            value = one.attributes.get(entry.type, b"")
            too_long = len(value) > entry.length
            if too_long or entry.type in lacking or (lacking and there.token.bulk is Bulk.MARKS_ALL):
                entry.length = UNAVAILABLE
                small = small or too_long
                continue
            ctypes.memmove(entry.value, value, len(value))
            entry.length = len(value)
        if lacking or small:
            raise Refused("ATTRIBUTE_TYPE_INVALID" if lacking else "BUFFER_TOO_SMALL")

    @staticmethod
    def _shows(session: Session, one: MemoryObject, kind: int) -> bool:
        sensitive = kind == Attribute.VALUE and not session.token.shows_secrets
        return kind in one.attributes and not sensitive

    def C_SignInit(self, session: int, mechanism: Any, key: int) -> None:
        self._begin("Sign", session, mechanism, key)

    def C_Sign(self, session: int, data: bytes, length: int, output: Any, room: Any) -> None:
        self._end("Sign", session, data[:length], output, room)

    def C_SignRecoverInit(self, session: int, mechanism: Any, key: int) -> None:
        self._begin("SignRecover", session, mechanism, key)

    def C_SignRecover(self, session: int, data: bytes, length: int, output: Any, room: Any) -> None:
        self._end("SignRecover", session, data[:length], output, room)

    def C_DecryptInit(self, session: int, mechanism: Any, key: int) -> None:
        self._begin("Decrypt", session, mechanism, key)

    def C_Decrypt(self, session: int, data: bytes, length: int, output: Any, room: Any) -> None:
        self._end("Decrypt", session, data[:length], output, room)

    def C_UnwrapKey(
        self, session: int, mechanism: Any, key: int, data: bytes, length: int, template: Any, _n: int, made: Any
    ) -> None:
        there, wrapping = self._usable("Unwrap", session, mechanism, key)
        plain = compute(there.token, "Decrypt", mechanism.mechanism, wrapping, data[:length], False)
        made.value = self._make(there, _read_template(template) | {int(Attribute.VALUE): plain})

    def C_DeriveKey(self, session: int, mechanism: Any, key: int, template: Any, _count: int, made: Any) -> None:
        there, base = self._usable("Derive", session, mechanism, key)
        parameter = ctypes.cast(mechanism.parameter, ctypes.POINTER(Ecdh1Params)).contents
        point = ctypes.string_at(parameter.public, parameter.public_length)
        wanted = _read_template(template)
        secret = derive(there.token, base, point, wanted)
        made.value = self._make(there, wanted | {int(Attribute.VALUE): secret})

    # Below them

    def _token(self, slot: int) -> MemoryToken:
        if slot not in self.slots_:
            raise Refused("TOKEN_NOT_PRESENT")
        return self.slots_[slot]

    def _session(self, session: int) -> Session:
        there = self.sessions.get(session)
        if there is None:
            raise Refused("SESSION_HANDLE_INVALID")
        if not any(one is there.token for one in self.slots_.values()):
            raise Refused("DEVICE_REMOVED")
        return there

    def _visible(self, session: Session, one: MemoryObject) -> bool:
        return not one.hidden or id(session.token) in self.logged_in

    def _object(self, session: Session, handle: int) -> MemoryObject:
        one = session.token.objects.get(handle)
        if one is None or not self._visible(session, one):
            raise Refused("OBJECT_HANDLE_INVALID")
        return one

    def _usable(self, kind: str, session: int, mechanism: Any, handle: int) -> tuple[Session, MemoryObject]:
        """The key for an operation, or why not."""
        there = self._session(session)
        one = there.token.objects.get(handle)
        if one is None or one.attributes[Attribute.CLASS] != _class(ObjectClass.PRIVATE_KEY):
            raise Refused("KEY_HANDLE_INVALID")
        if id(there.token) not in self.logged_in:
            raise Refused("USER_NOT_LOGGED_IN")
        if (kind, mechanism.mechanism) not in there.token.ways:
            raise Refused("MECHANISM_INVALID")
        return there, one

    def _begin(self, kind: str, session: int, mechanism: Any, key: int) -> None:
        there, one = self._usable(kind, session, mechanism, key)
        if there.operation is not None:
            raise Refused("OPERATION_ACTIVE")
        there.operation = Operation(kind, mechanism.mechanism, one, mechanism.parameter is not None)

    def _end(self, kind: str, session: int, data: bytes, output: Any, room: Any) -> None:
        there = self._session(session)
        operation = there.operation
        if operation is None or operation.kind != kind:
            raise Refused("OPERATION_NOT_INITIALIZED")
        if room.value < self.wants_room:
            room.value = self.wants_room
            raise Refused("BUFFER_TOO_SMALL")  # the only error that does not end the operation
        there.operation = None
        if operation.key.attributes.get(Attribute.ALWAYS_AUTHENTICATE) == TRUE and not operation.affirmed:
            raise Refused("USER_NOT_LOGGED_IN")
        result = compute(there.token, kind, operation.mechanism, operation.key, data, operation.has_params)
        if room.value < len(result):
            there.operation = operation
            room.value = len(result)
            raise Refused("BUFFER_TOO_SMALL")
        ctypes.memmove(output, result, len(result))
        room.value = len(result)

    def _make(self, session: Session, attributes: dict[int, bytes]) -> int:
        handle = 1000 + len(session.objects)
        session.objects[handle] = MemoryObject(attributes)
        return handle


def _plain(argument: Any) -> Any:
    """A ctypes argument as Python sees it: numbers, and what a pointer points to."""
    if isinstance(argument, ctypes._SimpleCData):
        return argument.value
    return getattr(argument, "_obj", argument)


def _read_template(template: Any) -> dict[int, bytes]:
    return {int(one.type): ctypes.string_at(one.value, one.length) for one in template}


def _class(kind: ObjectClass) -> bytes:
    return bytes(ctypes.c_ulong(kind))


def module(native: MemoryNative, **options: Any) -> InProcessModule:
    """The in-process module over a module in memory."""
    return InProcessModule(ModuleConfig("memory", "memory.so", **options), lambda _library: native)


__all__ = ["RV", "CkrError", "M", "MemoryNative", "module"]
