"""gpg-agent's PIN cache (2.3 and later): it keeps the PIN, we keep the key, so neither has it alone."""

from __future__ import annotations

import os

from scd.service.finding.catalogue import Card
from scd.service.finding.serials import serial_mark
from scd.token.secrets import Pin

_KEY_OCTETS = 32


class PinCache:
    """The key under which PINs leave the daemon; another one makes all that was put away useless."""

    def __init__(self) -> None:
        self._key = os.urandom(_KEY_OCTETS)

    def renew(self) -> None:
        """Forget all PINs: a token that was away may be another person's."""
        self._key = os.urandom(_KEY_OCTETS)

    @staticmethod
    def slot(card: Card) -> str:
        """The name in the agent's cache: `<slot>/<application>/<PIN>` (protocol reference 4.5)."""
        return f"0/openpgp/{serial_mark(card.serial)}"

    def seal(self, pin: Pin) -> bytes:
        """The PIN in a form that only this daemon can read."""
        return pin.sealed(self._key)

    def unseal(self, value: bytes | None) -> Pin | None:
        """The PIN again; None for nothing, and for what an earlier key or somebody else made."""
        return None if value is None else Pin.unsealed(self._key, value)
