"""PKCS#11's C structures, and its numbers as octets. PKCS#11 v3.1 is the source of every layout here."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from ctypes import Structure, c_char, c_char_p, c_ubyte, c_ulong, c_void_p, cast


class Attribute(Structure):
    """CK_ATTRIBUTE."""

    _fields_ = (("type", c_ulong), ("value", c_void_p), ("length", c_ulong))


class Mechanism(Structure):
    """CK_MECHANISM."""

    _fields_ = (("mechanism", c_ulong), ("parameter", c_void_p), ("length", c_ulong))


class InitializeArgs(Structure):
    """CK_C_INITIALIZE_ARGS; `reserved` carries the init arguments some modules want as text."""

    _fields_ = (
        ("create_mutex", c_void_p),
        ("destroy_mutex", c_void_p),
        ("lock_mutex", c_void_p),
        ("unlock_mutex", c_void_p),
        ("flags", c_ulong),
        ("reserved", c_char_p),
    )


class RawTokenInfo(Structure):
    """CK_TOKEN_INFO."""

    _fields_ = (
        ("label", c_char * 32),
        ("manufacturer", c_char * 32),
        ("model", c_char * 16),
        ("serial", c_char * 16),
        ("flags", c_ulong),
        ("max_sessions", c_ulong),
        ("sessions", c_ulong),
        ("max_rw_sessions", c_ulong),
        ("rw_sessions", c_ulong),
        ("pin_max", c_ulong),
        ("pin_min", c_ulong),
        ("total_public", c_ulong),
        ("free_public", c_ulong),
        ("total_private", c_ulong),
        ("free_private", c_ulong),
        ("hardware", c_ubyte * 2),
        ("firmware", c_ubyte * 2),
        ("utc_time", c_char * 16),
    )


class SessionInfo(Structure):
    """CK_SESSION_INFO."""

    _fields_ = (("slot", c_ulong), ("state", c_ulong), ("flags", c_ulong), ("device_error", c_ulong))


class Ecdh1Params(Structure):
    """CK_ECDH1_DERIVE_PARAMS."""

    _fields_ = (
        ("kdf", c_ulong),
        ("shared_length", c_ulong),
        ("shared", c_void_p),
        ("public_length", c_ulong),
        ("public", c_void_p),
    )


class EddsaParams(Structure):
    """CK_EDDSA_PARAMS."""

    _fields_ = (("prehash", c_ubyte), ("context_length", c_ulong), ("context", c_void_p))


def attribute_array(template: Mapping[int, bytes]) -> tuple[ctypes.Array[Attribute], list[object]]:
    """A CK_ATTRIBUTE array, and the buffers it points to, which must live as long."""
    keep: list[object] = [ctypes.create_string_buffer(value, len(value)) for value in template.values()]
    array = (Attribute * len(template))(
        *(
            Attribute(kind, cast(buffer, c_void_p), len(value))  # type: ignore[arg-type]  # all are string buffers
            for (kind, value), buffer in zip(template.items(), keep, strict=True)
        )
    )
    return array, keep


def ulong(value: int) -> bytes:
    """A CK_ULONG attribute's octets."""
    return bytes(c_ulong(value))


def from_ulong(octets: bytes) -> int | None:
    """The number in a CK_ULONG attribute; None when its size is not one."""
    if len(octets) != ctypes.sizeof(c_ulong):
        return None
    return c_ulong.from_buffer_copy(octets).value
