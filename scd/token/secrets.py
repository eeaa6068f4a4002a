"""A PIN that cannot be printed by accident."""

from __future__ import annotations

import hashlib
import hmac
from typing import NoReturn


class Pin:
    """The octets of a PIN, as typed. Shown by nothing but `reveal()`.

    Python cannot promise to wipe memory; `forget()` overwrites the one buffer this class owns.
    """

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes | bytearray) -> None:
        self._octets = bytearray(octets)

    def reveal(self) -> bytes:
        """The octets themselves, for C_Login and for the frame that carries them to the worker only."""
        return bytes(self._octets)

    def digest(self, key: bytes) -> bytes:
        """HMAC-SHA256 under `key`: tells whether the same PIN comes twice without keeping it."""
        return hmac.digest(key, self._octets, hashlib.sha256)

    def forget(self) -> None:
        """Overwrite the octets; the PIN is empty from now on."""
        self._octets[:] = bytes(len(self._octets))
        self._octets.clear()

    def __len__(self) -> int:
        return len(self._octets)

    def __bool__(self) -> bool:
        return bool(self._octets)

    def __repr__(self) -> str:
        return "Pin(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a PIN is not serialised")
