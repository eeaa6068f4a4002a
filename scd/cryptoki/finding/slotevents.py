"""C_WaitForSlotEvent, as far as a module's word on it can be trusted."""

from __future__ import annotations

from ctypes import byref, c_ulong

from scd.cryptoki.calls.ckr import NO_EVENT, CkrError
from scd.cryptoki.calls.native import Native

_DONT_BLOCK = 1
_MOST_EVENTS = 64
"""Taken at once: one for each slot is what modules keep, and none may keep us here for ever."""


class SlotEvents:
    """Asks the module what happened to its slots since the last time. Without `usable` it is not asked."""

    def __init__(self, native: Native, *, usable: bool) -> None:
        self._native = native
        self._usable = usable
        self._slots: list[int] | None = None

    def changed(self) -> bool | None:
        """True: something happened, or this is the first time; False: nothing; None: the module cannot tell.

        The list of slots is compared as well. OpenSC up to 0.22 loses the event of a reader that is pulled with its
        card in it (its issue 2415), and sees a new reader only when it is asked for that list. Neither question goes
        to a card, while C_GetTokenInfo does, and lets its light flicker (its issue 1771).
        """
        if not self._usable:
            return None
        try:
            happened = self._happened()
            slots = self._native.slots()
        except CkrError:
            return None
        before, self._slots = self._slots, slots
        return happened or slots != before

    def _happened(self) -> bool:
        """Every waiting event is taken. Raises CkrError when the module has none to offer."""
        for taken in range(_MOST_EVENTS):
            try:
                self._native.call("C_WaitForSlotEvent", c_ulong(_DONT_BLOCK), byref(c_ulong()), None)
            except CkrError as error:
                if error.rv == NO_EVENT:
                    return taken > 0
                raise
        return True
