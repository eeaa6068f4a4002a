"""A PIN that cannot be printed by accident."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import NoReturn

_NONCE_OCTETS = 12


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

    def sealed(self, key: bytes) -> bytes:
        """The PIN under AES-256-GCM with `key`, for somebody who may keep it but not read it."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_OCTETS)
        return nonce + AESGCM(key).encrypt(nonce, bytes(self._octets), None)

    @classmethod
    def unsealed(cls, key: bytes, sealed: bytes) -> Pin | None:
        """The PIN that `sealed` made of it; None when it was another key, or the octets were changed."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(sealed) <= _NONCE_OCTETS:
            return None
        try:
            return cls(AESGCM(key).decrypt(sealed[:_NONCE_OCTETS], sealed[_NONCE_OCTETS:], None))
        except InvalidTag:
            return None

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
        return str(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a PIN is not serialised")
