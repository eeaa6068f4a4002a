"""Calls of the module's functions: all that scd makes, but for those in `nativewrites`, on one function list.

Each method names the gap of python-pkcs11 0.10.1 for which it stands here and not there; see ADR 3.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterable, Mapping
from ctypes import POINTER, Structure, byref, c_char, c_ubyte, c_ulong, c_void_p, cast
from typing import Any

from scd.cryptoki.calls.ckr import (
    ARGUMENTS_BAD,
    BUFFER_TOO_SMALL,
    CANT_LOCK,
    CRYPTOKI_ALREADY_INITIALIZED,
    FUNCTION_NOT_SUPPORTED,
    OK,
    CkrError,
    Implausible,
    ckr_name,
)
from scd.cryptoki.calls.numbers import Attribute as CKA
from scd.cryptoki.calls.structures import (
    Attribute,
    Ecdh1Params,
    EddsaParams,
    InitializeArgs,
    Mechanism,
    RawTokenInfo,
    SessionInfo,
    attribute_array,
    from_ulong,
    ulong,
)

UNAVAILABLE = c_ulong(-1).value
OS_LOCKING_OK = 2
SERIAL_SESSION = 4
RW_SESSION = 2
FIRST_BUFFER = 2048
"""Octets offered for one attribute at the first call; longer values cost a second one."""
LARGEST_BUFFER = 1 << 20
NUMBERS = frozenset({CKA.CLASS, CKA.CERTIFICATE_TYPE, CKA.CERTIFICATE_CATEGORY, CKA.KEY_TYPE})
"""The attributes of a CK_ULONG's size. NSS 3.87 calls any other buffer too small for them."""

MOST_SLOTS, MOST_MECHANISMS, MOST_OBJECTS = 4096, 16384, 100_000
"""More than any module has; a larger number is a module's mistake, and would cost the memory for it."""

_NO_NUMBER = bytes(c_ulong(-1))
_FIND_BATCH = 256
_SLACK = 8
"""Entries of a list that may come between the question for their number and the one for the list."""


# Place of each function in CK_FUNCTION_LIST (PKCS#11 v3.1, pkcs11f.h), which no version has ever changed.
_PLACES = {
    "C_Initialize": 0, "C_Finalize": 1, "C_GetInfo": 2, "C_GetSlotList": 4, "C_GetTokenInfo": 6,
    "C_GetMechanismList": 7, "C_GetMechanismInfo": 8, "C_InitPIN": 10, "C_SetPIN": 11, "C_OpenSession": 12,
    "C_CloseSession": 13, "C_GetSessionInfo": 15, "C_Login": 18, "C_Logout": 19, "C_CreateObject": 20,
    "C_DestroyObject": 22,
    "C_GetAttributeValue": 24, "C_SetAttributeValue": 25, "C_FindObjectsInit": 26, "C_FindObjects": 27,
    "C_FindObjectsFinal": 28, "C_DecryptInit": 33, "C_Decrypt": 34, "C_SignInit": 42, "C_Sign": 43,
    "C_SignRecoverInit": 46, "C_SignRecover": 47, "C_GenerateKeyPair": 59, "C_UnwrapKey": 61, "C_DeriveKey": 62,
    "C_GenerateRandom": 64, "C_WaitForSlotEvent": 67,
}  # fmt: skip

_FUNCTION = ctypes.CFUNCTYPE(c_ulong)


class _FunctionList(Structure):
    _fields_ = (("version", c_ubyte * 2), ("functions", c_void_p * 68))


class Native:
    """The loaded module's function list. One thread only, like everything that touches a module."""

    def __init__(self, library: str) -> None:
        loaded = ctypes.CDLL(library)
        listing = POINTER(_FunctionList)()
        rv = loaded.C_GetFunctionList(byref(listing))
        if rv != OK:
            raise CkrError("C_GetFunctionList", rv)
        functions = listing.contents.functions
        self._adopt({name: cast(functions[place], _FUNCTION) for name, place in _PLACES.items()})

    def _adopt(self, functions: Mapping[str, Any]) -> None:
        self._calls = functions
        self._offers: dict[tuple[tuple[int, ...], int], tuple[ctypes.Array[Attribute], list[ctypes.Array[c_char]]]] = {}
        self._ours = False

    def call(self, name: str, *arguments: object) -> None:
        """Call `name`; everything but CKR_OK raises `CkrError`, and so does a function the module left out."""
        function = self._calls[name]
        rv = function(*arguments) if function else FUNCTION_NOT_SUPPORTED
        if rv != OK:
            raise CkrError(name, rv)

    def initialize(self, init_args: str | None, *, locking: bool = True) -> None:
        """C_Initialize with arguments. Gap: the binding always passes NULL, so no init text and no locking flag.

        A module initialised before (a second path to the same file) counts as success, and is not ours to finalize. A
        module that cannot lock, or takes no arguments, is asked again without: scd keeps to one thread anyway.
        """
        flags = OS_LOCKING_OK if locking else 0
        arguments = InitializeArgs(flags=flags, reserved=init_args.encode() if init_args else None)
        pointer = byref(arguments) if locking or init_args else None
        try:
            self.call("C_Initialize", pointer)
            self._ours = True
        except CkrError as error:
            if error.rv in (CANT_LOCK, ARGUMENTS_BAD) and locking:
                return self.initialize(init_args, locking=False)
            if error.rv != CRYPTOKI_ALREADY_INITIALIZED:
                raise
        return None

    def finalize(self) -> None:
        """C_Finalize. Gap: what was initialised here the binding does not finalize."""
        if self._ours:
            self.call("C_Finalize", None)

    def slots(self) -> list[int]:
        """Slot ids with a token. Gap: the binding walks its whole buffer when a slot vanishes between two calls."""
        return self._numbers("C_GetSlotList", c_ubyte(1), most=MOST_SLOTS)

    def _numbers(self, function: str, about: object, *, most: int) -> list[int]:
        """What a function lists that tells the number first. A list that has grown meanwhile is asked for once more.

        Raises Implausible for more than `most`.
        """
        count = c_ulong()
        for last in (False, True):
            self.call(function, about, None, byref(count))
            if count.value > most:
                raise Implausible(function, f"{count.value} entries, more than there can be")
            buffer = (c_ulong * (count.value + _SLACK))()
            count = c_ulong(len(buffer))
            try:
                self.call(function, about, buffer, byref(count))
            except CkrError as error:
                if error.rv != BUFFER_TOO_SMALL or last:
                    raise
                continue
            if count.value <= len(buffer):
                return list(buffer[: count.value])
        raise Implausible(function, f"{count.value} entries where there is room for {len(buffer)}")

    def token_info(self, slot: int) -> RawTokenInfo:
        """CK_TOKEN_INFO. Gap: the binding hides the PIN length limits and the raw octets of the texts."""
        info = RawTokenInfo()
        self.call("C_GetTokenInfo", c_ulong(slot), byref(info))
        return info

    def mechanisms(self, slot: int) -> frozenset[int]:
        """The numbers of all mechanisms of the slot. Gap: see `open_session`."""
        return frozenset(self._numbers("C_GetMechanismList", c_ulong(slot), most=MOST_MECHANISMS))

    def open_session(self, slot: int, *, writable: bool = False) -> int:
        """The handle of a new session.

        Gap: the binding asks for a function list of its own, and p11-kit's client (0.24) makes a new connection for
        each list, so that one knows neither the other's C_Initialize nor its sessions.
        """
        session = c_ulong()
        flags = SERIAL_SESSION | (RW_SESSION if writable else 0)
        self.call("C_OpenSession", c_ulong(slot), c_ulong(flags), None, None, byref(session))
        return session.value

    def login(self, session: int, user_type: int, pin: bytes | None) -> None:
        """C_Login; None asks at the pin pad. Gap: the binding leaks the session of a wrong PIN and wants text."""
        length = 0 if pin is None else len(pin)
        self.call("C_Login", c_ulong(session), c_ulong(user_type), pin, c_ulong(length))

    def logout(self, session: int) -> None:
        """C_Logout. Gap: the binding logs out only by closing the session."""
        self.call("C_Logout", c_ulong(session))

    def session_state(self, session: int) -> int:
        """CK_SESSION_INFO's state. Gap: see `open_session`."""
        info = SessionInfo()
        self.call("C_GetSessionInfo", c_ulong(session), byref(info))
        return int(info.state)

    def close_session(self, session: int) -> None:
        """C_CloseSession without the logout that the binding's `close` insists on."""
        self.call("C_CloseSession", c_ulong(session))

    def find(self, session: int, template: Mapping[int, bytes]) -> list[int]:
        """Handles of all objects that match. Gap: the binding reads 16 attributes of each and leaves searches open.

        A search that goes round in circles, or finds more than there can be, is ended and begun anew, once. Raises
        Implausible when the second one is no better.
        """
        try:
            return self._search(session, template)
        except Implausible:
            return self._search(session, template)

    def _search(self, session: int, template: Mapping[int, bytes]) -> list[int]:
        array, keep = attribute_array(template)
        self.call("C_FindObjectsInit", c_ulong(session), array, c_ulong(len(template)))
        found: dict[int, None] = {}
        try:
            while batch := self._next_found(session):
                known = len(found)
                found.update(dict.fromkeys(batch))
                if len(found) == known:
                    raise Implausible("C_FindObjects", f"the same {len(batch)} objects again and again")
                if len(found) > MOST_OBJECTS:
                    raise Implausible("C_FindObjects", f"more than {MOST_OBJECTS} objects, and no end of them")
            return list(found)
        finally:
            del keep
            self.call("C_FindObjectsFinal", c_ulong(session))

    def _next_found(self, session: int) -> list[int]:
        handles, count = (c_ulong * _FIND_BATCH)(), c_ulong()
        self.call("C_FindObjects", c_ulong(session), handles, c_ulong(_FIND_BATCH), byref(count))
        if count.value > _FIND_BATCH:
            raise Implausible("C_FindObjects", f"{count.value} objects where there is room for {_FIND_BATCH}")
        return handles[: count.value]

    def attributes(self, session: int, handle: int, types: Iterable[int]) -> dict[int, bytes]:
        """The attributes the object has. Gap: one unknown attribute spoils the binding's whole answer.

        Absent, sensitive and unknown attributes are left out. Raises CkrError when one cannot be read.
        """
        found, failed = self.readable(session, handle, types)
        for error in failed.values():
            raise error
        return found

    def readable(self, session: int, handle: int, types: Iterable[int]) -> tuple[dict[int, bytes], dict[int, CkrError]]:
        """The attributes the object has, and those that could not be read, with the reason. Raises CkrError when
        object or session are gone.

        A module that follows the standard marks what is missing and fills the others in; whatever another one left
        alone is asked for by itself, and what fails then is asked for once more.
        """
        wanted = tuple(types)
        try:
            found, untouched = self._read(session, handle, wanted, FIRST_BUFFER)
        except CkrError as error:
            if error.is_stale_object:
                raise
            found, untouched = {}, wanted
        failed: dict[int, CkrError] = {}
        for one in untouched:
            try:
                found.update(self._read_one(session, handle, one))
            except CkrError as error:
                if error.is_stale_object:
                    raise
                failed[one] = error
        return found, failed

    def _read_one(self, session: int, handle: int, kind: int) -> dict[int, bytes]:
        """One attribute, or nothing where it is absent. Raises CkrError after the second failure."""
        for last in (False, True):
            try:
                return self._read(session, handle, (kind,), FIRST_BUFFER)[0]
            except CkrError as error:
                if error.is_missing_attribute:
                    break
                if error.is_stale_object or last:
                    raise
        return {}

    def _read(
        self, session: int, handle: int, types: tuple[int, ...], size: int
    ) -> tuple[dict[int, bytes], tuple[int, ...]]:
        """One C_GetAttributeValue: what it filled in, and which attributes it did not touch. Raises CkrError."""
        array, buffers = self._offer(types, size)
        refused = None
        try:
            self.call("C_GetAttributeValue", c_ulong(session), c_ulong(handle), array, c_ulong(len(types)))
        except CkrError as error:
            refused = error
        lengths = [one.length for one in array]
        if refused is not None:
            if refused.rv == BUFFER_TOO_SMALL and size < LARGEST_BUFFER:
                return self._read(session, handle, types, min(size * 16, LARGEST_BUFFER))
            if not refused.is_missing_attribute or UNAVAILABLE not in lengths:
                raise refused
        found = {t: b.raw[:n] for t, b, n in zip(types, buffers, lengths, strict=True) if n <= len(b)}
        if refused is None:
            beyond = [n for b, n in zip(buffers, lengths, strict=True) if len(b) < n < UNAVAILABLE]
            if beyond:
                raise Implausible("C_GetAttributeValue", f"{beyond[0]} octets where there is room for {size}")
            return found, ()
        if not found:
            return {}, types if len(types) > 1 else ()
        # A length still as offered, in a refused call, was not looked at; too long a value looks like an absent one.
        untouched = tuple(
            t
            for t, b, n in zip(types, buffers, lengths, strict=True)
            if (n == len(b) and (t not in NUMBERS or b.raw == _NO_NUMBER)) or (n == UNAVAILABLE and t == CKA.VALUE)
        )
        return {t: value for t, value in found.items() if t not in untouched}, untouched

    def _offer(self, types: tuple[int, ...], size: int) -> tuple[ctypes.Array[Attribute], list[ctypes.Array[c_char]]]:
        """A CK_ATTRIBUTE array with a buffer for each; kept, because the same few are wanted of every object."""
        offer = self._offers.get((types, size))
        if offer is None:
            buffers = [ctypes.create_string_buffer(len(_NO_NUMBER) if one in NUMBERS else size) for one in types]
            array = (Attribute * len(types))()
            for one, kind, buffer in zip(array, types, buffers, strict=True):
                one.type, one.value = kind, cast(buffer, c_void_p)
            offer = self._offers[types, size] = (array, buffers)
        for one, buffer in zip(*offer, strict=True):
            one.length = len(buffer)
            if one.type in NUMBERS:
                buffer.raw = _NO_NUMBER
        return offer

    def operate(
        self, kind: str, session: int, key: int, mechanism: Mechanism, data: bytes, room: int,
        between: Callable[[], None] | None = None,
    ) -> bytes:  # fmt: skip
        """C_<kind>Init, `between` (the context-specific login), C_<kind>; `room` octets are offered for the result.

        Gap: the binding has no `sign` or `decrypt` for keys without CKA_SIGN or CKA_DECRYPT, and no SignRecover.
        """
        self.call(f"C_{kind}Init", c_ulong(session), byref(mechanism), c_ulong(key))
        if between is not None:
            try:
                between()
            except Exception:
                # Without the login this fails, and that ends the operation, which else would block the session.
                with contextlib.suppress(CkrError):
                    self._finish(kind, session, data, room)
                raise
        return self._finish(kind, session, data, room)

    def _finish(self, kind: str, session: int, data: bytes, room: int) -> bytes:
        """C_<kind>, once more with more room where the module asks for it: the operation goes on until then."""
        for last in (False, True):
            output, length = ctypes.create_string_buffer(room), c_ulong(room)
            try:
                self.call(f"C_{kind}", c_ulong(session), data, c_ulong(len(data)), output, byref(length))
            except CkrError as error:
                if error.rv != BUFFER_TOO_SMALL or last or length.value > LARGEST_BUFFER:
                    raise
                room = max(length.value, 2 * room)
            else:
                break
        if length.value > room:
            raise Implausible(f"C_{kind}", f"{length.value} octets where there is room for {room}")
        return output.raw[: length.value]

    def derive(self, session: int, key: int, mechanism: Mechanism, template: Mapping[int, bytes]) -> int:
        """C_DeriveKey. Gap: the binding knows no X25519 and no key without CKA_DERIVE."""
        array, keep = attribute_array(template)
        derived = c_ulong()
        self.call(
            "C_DeriveKey",
            c_ulong(session),
            byref(mechanism),
            c_ulong(key),
            array,
            c_ulong(len(template)),
            byref(derived),
        )
        del keep
        return derived.value

    def unwrap(
        self, session: int, key: int, mechanism: Mechanism, wrapped: bytes, template: Mapping[int, bytes]
    ) -> int:
        """C_UnwrapKey. Gap: the binding has no `unwrap_key` for keys without CKA_UNWRAP."""
        array, keep = attribute_array(template)
        unwrapped = c_ulong()
        self.call(
            "C_UnwrapKey", c_ulong(session), byref(mechanism), c_ulong(key), wrapped, c_ulong(len(wrapped)),
            array, c_ulong(len(template)), byref(unwrapped),
        )  # fmt: skip
        del keep
        return unwrapped.value

    def destroy(self, session: int, handle: int) -> None:
        """C_DestroyObject by handle."""
        self.call("C_DestroyObject", c_ulong(session), c_ulong(handle))


__all__ = [
    "Attribute", "CkrError", "Ecdh1Params", "EddsaParams", "Mechanism", "Native", "RawTokenInfo",
    "attribute_array", "ckr_name", "from_ulong", "ulong",
]  # fmt: skip
