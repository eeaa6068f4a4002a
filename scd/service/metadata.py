"""What GnuPG sets on a card and wants to find again: on the token where it keeps data, else in the state file."""

from __future__ import annotations

from collections.abc import Mapping

from scd.service.catalogue import Card
from scd.service.statefile import StateFile


class Metadata:
    """Values by label for each card; labels and their limits: `scd.service.labels`."""

    def __init__(self, state: StateFile) -> None:
        self._state = state

    async def of(self, card: Card) -> Mapping[str, bytes]:
        """All values of the card by label, the token's own before the state file's. Never prompts, never raises."""
        raise NotImplementedError

    async def write(self, card: Card, label: str, value: bytes | None, *, on_token: bool = True) -> None:
        """Set one value, or delete it with None."""
        raise NotImplementedError

    def forget(self, card: Card) -> None:
        """Read anew what the card has when it is asked for next."""
        raise NotImplementedError
