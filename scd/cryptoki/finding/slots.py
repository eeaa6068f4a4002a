"""Which token is in which slot now, and what the slot can do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from scd.cryptoki.calls.ckr import CkrError
from scd.cryptoki.calls.native import Native
from scd.cryptoki.finding.tokeninfo import token_id, token_info
from scd.token.model import TokenId, TokenInfo

_STANDARD = range(0x5000)
"""Where PKCS#11 has its mechanisms; CKM_XMSSMT, v3.1's last, is 0x4037. A vendor's own begin with 0x80000000."""


def mechanisms(native: Native, slot: int) -> frozenset[int]:
    """The slot's mechanisms as numbers; none when it does not tell, or none of the standard's."""
    try:
        listed = native.mechanisms(slot)
    except CkrError:
        return frozenset()
    return listed if any(one in _STANDARD for one in listed) else frozenset()


class Slots:
    """`logged_in` says whether we are, to the token of this id in this slot.

    Tokens whose four texts are equal are numbered in the order of their slots.
    """

    def __init__(self, native: Native, logged_in: Callable[[int, TokenId], bool], *, may_use_pinpad: bool) -> None:
        self._native = native
        self._logged_in = logged_in
        self._may_use_pinpad = may_use_pinpad
        self._twins: dict[int, int] = {}

    def look(self, slots: Iterable[int]) -> dict[int, TokenInfo]:
        """The tokens in these slots, in this order; a slot that fails is left out."""
        self._twins.clear()
        seen: Counter[TokenId] = Counter()
        present: dict[int, TokenInfo] = {}
        for slot in slots:
            info = self.info(slot)
            if info is not None and info.initialized and seen[info.id]:
                self._twins[slot] = seen[info.id]
                seen[info.id] += 1
                info = self.info(slot)
            elif info is not None:
                seen[info.id] += 1
            if info is not None:
                present[slot] = info
        return present

    def info(self, slot: int) -> TokenInfo | None:
        """The token in this slot, numbered as at the last look; None without one."""
        try:
            raw = self._native.token_info(slot)
        except CkrError:
            return None
        token = token_id(raw, self._twins.get(slot, 0))
        return token_info(raw, token, may_use_pinpad=self._may_use_pinpad, logged_in=self._logged_in(slot, token))
