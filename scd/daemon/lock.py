"""LOCK: one client may keep the cards to itself (protocol reference 1.7)."""

from __future__ import annotations

import asyncio

# What a client without the lock has to wait for: everything that works on a card.
KEPT_OUT = frozenset(
    {
        "SERIALNO", "LEARN", "READCERT", "READKEY", "PKSIGN", "PKAUTH", "PKDECRYPT", "GETATTR", "SETATTR", "WRITECERT",
        "WRITEKEY", "GENKEY", "RANDOM", "PASSWD", "CHECKPIN", "SWITCHCARD", "SWITCHAPP", "RESET",
    }
)  # fmt: skip


class CardLock:
    """`owner` is the connection that holds it, None for nobody."""

    def __init__(self) -> None:
        self.owner: object | None = None
        self._freed = asyncio.Event()
        self._freed.set()

    def take(self, client: object) -> bool:
        """Whether `client` holds the lock now; holding it already is fine."""
        if self.owner not in (None, client):
            return False
        self.owner = client
        self._freed.clear()
        return True

    def release(self, client: object) -> bool:
        """Whether it was the client's to release."""
        if self.owner is not client:
            return False
        self.owner = None
        self._freed.set()
        return True

    def forbids(self, client: object) -> bool:
        """Whether somebody else holds it."""
        return self.owner not in (None, client)

    async def freed(self, patience_s: float) -> bool:
        """Wait until nobody holds it, but no longer than this; whether that came."""
        try:
            await asyncio.wait_for(self._freed.wait(), patience_s)
        except TimeoutError:
            return False
        return True
