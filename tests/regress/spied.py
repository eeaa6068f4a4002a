"""A token behind OpenSC's pkcs11-spy, which writes down every call that reaches the library.

    watched = watch(tokens)
    with daemon(watched, tmp_path) as client:
        client.transact("SERIALNO")
        watched.calls()["C_GetSlotList"]    # how often since the last time this was asked
        watched.scans("CKO_DATA")           # how many searches for objects of this class

It writes PINs down, too: those of tests only.
"""

from __future__ import annotations

import glob
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.harness.tokens import Minted

_PLACES = ("/usr/lib/*/pkcs11/pkcs11-spy.so", "/usr/lib/*/pkcs11-spy.so", "/usr/lib64/pkcs11/pkcs11-spy.so")
_CALL = re.compile(r"^\d+: (C_\w+)", re.MULTILINE)
_SEARCH = re.compile(r"^\d+: C_FindObjectsInit.*?CKA_CLASS +(CKO_\w+)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Seen:
    """What reached the library in some time: calls by function, and searches by the class of what they look for."""

    calls: Counter[str]
    scans: Counter[str]

    @property
    def total(self) -> int:
        """All calls."""
        return self.calls.total()


@dataclass(frozen=True)
class Watched(Minted):
    """Tokens whose module is the spy in front of the real one."""

    spied: Path = Path()
    _read: list[int] = field(default_factory=lambda: [0])

    @property
    def env(self) -> dict[str, str]:
        """What a daemon on these tokens needs in its environment."""
        own = {"PKCS11SPY": str(self.spied), "PKCS11SPY_OUTPUT": str(self._report)}
        return {"SOFTHSM2_CONF": str(self.config)} | own

    @property
    def _report(self) -> Path:
        return self.folder / "calls"

    def seen(self) -> Seen:
        """What has been called since the last time this was asked."""
        text = self._report.read_text(encoding="utf-8", errors="replace")
        since, self._read[0] = text[self._read[0] :], len(text)
        return Seen(Counter(_CALL.findall(since)), Counter(_SEARCH.findall(since)))


def watch(tokens: Minted) -> Watched:
    """The same tokens, watched. Skips the test where the spy is not installed."""
    found = [path for place in _PLACES for path in glob.glob(place)]
    if not found:
        pytest.skip("pkcs11-spy.so (package opensc) is not installed")
    return Watched(tokens.folder, Path(found[0]), tokens.tokens, tokens.module)
