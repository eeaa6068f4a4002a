"""What is kept for one token while it is present."""

from __future__ import annotations

from dataclasses import dataclass, field

from scd.cryptoki.discover import Listing
from scd.cryptoki.session import TokenSession


@dataclass(slots=True)
class HeldToken:
    """`mechanisms` are the slot's, as numbers; `chosen` is, by keygrip, what worked for a key before."""

    slot: int
    session: TokenSession
    mechanisms: frozenset[int]
    listing: Listing
    chosen: dict[bytes, dict[str, str]] = field(default_factory=dict)

    def end_login(self) -> None:
        """Here, whatever the token thinks of it."""
        self.session.logout()
        self.listing.forget_private()
