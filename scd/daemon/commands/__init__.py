"""The families of commands; importing this package fills the table."""

from __future__ import annotations

from scd.daemon.commands import attributes, card, cards, crypto, info, keys, refused, session

__all__ = ["attributes", "card", "cards", "crypto", "info", "keys", "refused", "session"]
