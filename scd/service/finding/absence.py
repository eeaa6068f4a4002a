"""Why a client that asks for a card gets none. gpg says "No such device" of four different things; this says which."""

from __future__ import annotations

import logging

from scd.service.finding.registry import RegisteredModule, Registry

log = logging.getLogger(__name__)


class Absence:
    """Knows what it said last, so that a client that asks again and again does not fill the log."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._said = ""

    def why(self) -> str:
        """The reason for each module, by what was seen last. Logged, too, unless that was the last thing logged."""
        text = "; ".join(map(_reason, self._registry.modules)) or self._registry.without_modules
        if self._registry.modules and text != self._said:  # that there is none was said at the start
            self._said = text
            log.warning("no token: %s", text)
        return text

    def why_not(self, serial: str) -> str:
        """The reason when just this token is asked for: what is there instead."""
        failed = [f"; module {one.name} failed: {one.failure}" for one in self._registry.modules if one.failure]
        labels = [info.id.label for entry in self._registry.modules for info in entry.tokens if info.initialized]
        if not labels:
            return self.why()
        there = ", ".join(f'"{label}"' for label in labels)
        return f"no token has the serial number {serial.upper()}; present: {there}{''.join(failed)}"

    def ended(self) -> None:
        """There is a token: the next absence is news, even for the same reason."""
        self._said = ""


def _reason(entry: RegisteredModule) -> str:
    if entry.failure:
        return f"module {entry.name} failed: {entry.failure}"
    if entry.is_awaited:
        return f"module {entry.name} has not answered yet"
    if not entry.tokens:
        return f"module {entry.name} works and shows no token: insert one, or see what 'pkcs11-tool -L' shows of it"
    return (
        f"module {entry.name} has a token that is not initialised: initialise it with its own tool, "
        "or 'pkcs11-tool --init-token'"
    )
