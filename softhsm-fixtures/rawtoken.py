"""The ten C functions that mint a token, called through ctypes with raw attributes.

No binding is used: it would refuse the very objects the fixtures are about, and a second user of the module
in one process would find it initialised already. So this runs in a process of its own (see mint.py).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

CKU_SO, CKU_USER = 0, 1
CKF_RW_SESSION, CKF_SERIAL_SESSION = 2, 4


class Attribute(IntEnum):
    """CKA_… numbers (PKCS#11 v3.1, pkcs11t.h), as far as the fixtures set them."""

    CKA_CLASS = 0x000
    CKA_TOKEN = 0x001
    CKA_PRIVATE = 0x002
    CKA_LABEL = 0x003
    CKA_VALUE = 0x011
    CKA_CERTIFICATE_TYPE = 0x080
    CKA_ISSUER = 0x081
    CKA_SERIAL_NUMBER = 0x082
    CKA_KEY_TYPE = 0x100
    CKA_SUBJECT = 0x101
    CKA_ID = 0x102
    CKA_SENSITIVE = 0x103
    CKA_ENCRYPT = 0x104
    CKA_DECRYPT = 0x105
    CKA_WRAP = 0x106
    CKA_UNWRAP = 0x107
    CKA_SIGN = 0x108
    CKA_VERIFY = 0x10A
    CKA_DERIVE = 0x10C
    CKA_MODULUS = 0x120
    CKA_PUBLIC_EXPONENT = 0x122
    CKA_PRIVATE_EXPONENT = 0x123
    CKA_PRIME_1 = 0x124
    CKA_PRIME_2 = 0x125
    CKA_EXPONENT_1 = 0x126
    CKA_EXPONENT_2 = 0x127
    CKA_COEFFICIENT = 0x128
    CKA_PRIME = 0x130
    CKA_SUBPRIME = 0x131
    CKA_BASE = 0x132
    CKA_EXTRACTABLE = 0x162
    CKA_DESTROYABLE = 0x172
    CKA_EC_PARAMS = 0x180
    CKA_EC_POINT = 0x181
    CKA_ALWAYS_AUTHENTICATE = 0x202


Value = bool | int | bytes
Attributes = Mapping[Attribute, Value]


class _CkAttribute(ctypes.Structure):
    _fields_ = (("type", ctypes.c_ulong), ("value", ctypes.c_char_p), ("length", ctypes.c_ulong))


class _CkTokenInfo(ctypes.Structure):
    _fields_ = (
        ("label", ctypes.c_char * 32),
        ("manufacturer", ctypes.c_char * 32),
        ("model", ctypes.c_char * 16),
        ("serial", ctypes.c_char * 16),
        ("flags", ctypes.c_ulong),
        ("counts_and_limits", ctypes.c_ulong * 10),
        ("hardware", ctypes.c_ubyte * 2),
        ("firmware", ctypes.c_ubyte * 2),
        ("utc_time", ctypes.c_char * 16),
    )


class CryptokiError(Exception):
    """A C function answered something else than CKR_OK; the message names both."""


class RawModule:
    """A loaded PKCS#11 module. The environment (SOFTHSM2_CONF) is set by the caller before."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))

    def _call(self, function: str, *arguments: object) -> None:
        result: int = getattr(self._library, function)(*arguments)
        if result:
            raise CryptokiError(f"{function}: CKR {result & 0xFFFFFFFF:#x}")

    @contextmanager
    def running(self) -> Iterator[None]:
        """C_Initialize and C_Finalize around the block."""
        self._call("C_Initialize", None)
        try:
            yield
        finally:
            self._call("C_Finalize", None)

    def free_slot(self) -> int:
        """The slot SoftHSM always keeps uninitialised: the last of the list."""
        count = ctypes.c_ulong()
        self._call("C_GetSlotList", ctypes.c_ubyte(0), None, ctypes.byref(count))
        slots = (ctypes.c_ulong * count.value)()
        self._call("C_GetSlotList", ctypes.c_ubyte(0), slots, ctypes.byref(count))
        return slots[count.value - 1]

    def slot_of(self, label: str) -> int:
        """The slot of the token with this label."""
        count = ctypes.c_ulong()
        self._call("C_GetSlotList", ctypes.c_ubyte(1), None, ctypes.byref(count))
        slots = (ctypes.c_ulong * count.value)()
        self._call("C_GetSlotList", ctypes.c_ubyte(1), slots, ctypes.byref(count))
        return next(slot for slot in slots if bytes(self._info(slot).label).decode().rstrip() == label)

    def init_token(self, slot: int, label: str, so_pin: bytes) -> None:
        """C_InitToken; the label is padded to its 32 octets here."""
        padded = label.encode().ljust(32)
        self._call("C_InitToken", ctypes.c_ulong(slot), so_pin, ctypes.c_ulong(len(so_pin)), padded)

    def init_pin(self, slot: int, so_pin: bytes, pin: bytes) -> None:
        """Give the token its user PIN."""
        with self.session(slot, CKU_SO, so_pin) as session:
            self._call("C_InitPIN", session, pin, ctypes.c_ulong(len(pin)))

    def serial(self, slot: int) -> str:
        """CK_TOKEN_INFO.serialNumber without padding."""
        return bytes(self._info(slot).serial).decode().strip()

    def _info(self, slot: int) -> _CkTokenInfo:
        info = _CkTokenInfo()
        self._call("C_GetTokenInfo", ctypes.c_ulong(slot), ctypes.byref(info))
        return info

    @contextmanager
    def session(self, slot: int, user: int, pin: bytes) -> Iterator[ctypes.c_ulong]:
        """A read-write session, logged in for the length of the block."""
        session = ctypes.c_ulong()
        flags = ctypes.c_ulong(CKF_RW_SESSION | CKF_SERIAL_SESSION)
        self._call("C_OpenSession", ctypes.c_ulong(slot), flags, None, None, ctypes.byref(session))
        try:
            self._call("C_Login", session, ctypes.c_ulong(user), pin, ctypes.c_ulong(len(pin)))
            yield session
            self._call("C_Logout", session)
        finally:
            self._call("C_CloseSession", session)

    def create(self, session: ctypes.c_ulong, attributes: Attributes) -> None:
        """C_CreateObject."""
        entries = [(number, octets(value)) for number, value in attributes.items()]
        template = (_CkAttribute * len(entries))(*(_CkAttribute(n, octets, len(octets)) for n, octets in entries))
        handle = ctypes.c_ulong()
        self._call("C_CreateObject", session, template, ctypes.c_ulong(len(entries)), ctypes.byref(handle))


def octets(value: Value) -> bytes:
    """The value as an attribute holds it."""
    if isinstance(value, bool):
        return bytes([value])
    if isinstance(value, int):
        return bytes(ctypes.c_ulong(value))
    return value
