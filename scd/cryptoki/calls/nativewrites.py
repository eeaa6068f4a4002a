"""Direct calls that change a token or make numbers on it; see `native` for the rest and for why they are direct."""

from __future__ import annotations

from collections.abc import Mapping
from ctypes import Structure, byref, c_ulong, create_string_buffer, memset, sizeof
from typing import Any

from scd.cryptoki.calls.native import Mechanism, Native, attribute_array


class MechanismInfo(Structure):
    """CK_MECHANISM_INFO; sizes in bits."""

    _fields_ = (("smallest", c_ulong), ("largest", c_ulong), ("flags", c_ulong))


def mechanism_info(native: Native, slot: int, mechanism: int) -> MechanismInfo:
    """C_GetMechanismInfo."""
    info = MechanismInfo()
    native.call("C_GetMechanismInfo", c_ulong(slot), c_ulong(mechanism), byref(info))
    return info


def generate_key_pair(
    native: Native, session: int, mechanism: int, public: Mapping[int, bytes], private: Mapping[int, bytes]
) -> tuple[int, int]:
    """C_GenerateKeyPair: the handles of the public and of the private half."""
    public_array, keep = attribute_array(public)
    private_array, keep_too = attribute_array(private)
    handles = c_ulong(), c_ulong()
    native.call(
        "C_GenerateKeyPair", c_ulong(session), byref(Mechanism(mechanism, None, 0)),
        public_array, c_ulong(len(public)), private_array, c_ulong(len(private)), *map(byref, handles),
    )  # fmt: skip
    del keep, keep_too
    return handles[0].value, handles[1].value


def create_object(native: Native, session: int, template: Mapping[int, bytes]) -> int:
    """C_CreateObject: the handle. The buffers are overwritten, for they may hold a private key."""
    array, keep = attribute_array(template)
    handle = c_ulong()
    try:
        native.call("C_CreateObject", c_ulong(session), array, c_ulong(len(template)), byref(handle))
    finally:
        for buffer in keep:
            _overwrite(buffer)
    return handle.value


def _overwrite(buffer: Any) -> None:
    memset(buffer, 0, sizeof(buffer))


def set_attributes(native: Native, session: int, handle: int, template: Mapping[int, bytes]) -> None:
    """C_SetAttributeValue."""
    array, keep = attribute_array(template)
    native.call("C_SetAttributeValue", c_ulong(session), c_ulong(handle), array, c_ulong(len(template)))
    del keep


def random_octets(native: Native, session: int, count: int) -> bytes:
    """C_GenerateRandom."""
    buffer = create_string_buffer(count)
    native.call("C_GenerateRandom", c_ulong(session), buffer, c_ulong(count))
    return buffer.raw


def set_pin(native: Native, session: int, old: bytes | None, new: bytes | None) -> None:
    """C_SetPIN; None asks at the pin pad."""
    native.call("C_SetPIN", c_ulong(session), old, c_ulong(len(old or b"")), new, c_ulong(len(new or b"")))


def init_pin(native: Native, session: int, new: bytes | None) -> None:
    """C_InitPIN; None asks at the pin pad."""
    native.call("C_InitPIN", c_ulong(session), new, c_ulong(len(new or b"")))
