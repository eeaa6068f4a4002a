"""The families of commands; importing this package fills the table."""

from __future__ import annotations

from scd.daemon.commands import (
    attributes,
    card,
    cards,
    certificates,
    crypto,
    info,
    keys,
    newkeys,
    pins,
    refused,
    session,
    setattr,
)

__all__ = [
    "attributes",
    "card",
    "cards",
    "certificates",
    "crypto",
    "info",
    "keys",
    "newkeys",
    "pins",
    "refused",
    "session",
    "setattr",
]
