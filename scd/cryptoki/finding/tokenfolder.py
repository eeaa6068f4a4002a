"""SoftHSM's token folder, watched from outside: 2.6.1 reads it at C_Initialize and never again.

A token that another program makes later is not seen; a PIN that another program changes is refused for ever, and the
old one taken. The folder tells of both.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)

_SYSTEM_WIDE = ("/etc/softhsm/softhsm2.conf", "/etc/softhsm2.conf")
_BEING_MADE_NS = 1_000_000_000  # its PIN is set by another call than the one that makes the token
_SETTING = "directories.tokendir"


class TokenFolder:
    """What was in the folder when the module looked last. A `path` of None tells of no change."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._seen = self._state()
        self._said: frozenset[str] = frozenset()

    def note(self) -> None:
        """The module has just read it, or written to it. A token that is being made stays a new one for a moment."""
        settled_ns = time.time_ns() - _BEING_MADE_NS
        found = self._state().items()
        self._seen = {name: written for name, written in found if name in self._seen or written < settled_ns}

    def has_new_token(self) -> bool:
        """Whether there is a token that was not there."""
        return bool(self._new())

    def has_changed(self) -> bool:
        """Whether tokens have come or gone, or a PIN or a flag of one was written."""
        return self._state() != self._seen

    def say_later(self) -> None:
        """In the log, once: the module cannot begin anew just now."""
        new = self._new()
        if new - self._said:
            self._said = new
            log.warning(
                "op=tokens result=%s has a new token; it is shown when no token is logged in any more:"
                " gpgconf --reload scdaemon ends the logins", self._path,
            )  # fmt: skip

    def _new(self) -> frozenset[str]:
        return frozenset(self._state().keys() - self._seen.keys())

    def _state(self) -> dict[str, int]:
        """By token, when its own attributes, its PINs among them, were written."""
        if self._path is None:
            return {}
        try:
            names = os.listdir(self._path)
        except OSError:
            return {}
        return {name: written for name in names if (written := _written(os.path.join(self._path, name))) is not None}


def _written(token: str) -> int | None:
    """None where there is no whole token, in either of SoftHSM's two forms."""
    for name in ("token.object", "sqlite3.db"):
        try:
            return os.stat(os.path.join(token, name)).st_mtime_ns
        except OSError:
            continue
    return None


def softhsm_folder(environ: Mapping[str, str]) -> str | None:
    """The folder that SoftHSM's configuration names, found as SoftHSM finds it; None where it cannot be told."""
    own = os.path.join(environ.get("HOME", "/"), ".config/softhsm2/softhsm2.conf")
    chosen = environ.get("SOFTHSM2_CONF")
    for path in (chosen,) if chosen else (own, *_SYSTEM_WIDE):
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                settings = [line.partition("=") for line in file if not line.startswith("#")]
        except OSError:
            continue
        return next((value.strip() for name, _, value in settings if name.strip() == _SETTING), None)
    return None
