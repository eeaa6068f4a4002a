"""CK_TOKEN_INFO in the domain's words."""

from __future__ import annotations

from scd.cryptoki.calls.native import RawTokenInfo
from scd.cryptoki.calls.numbers import TokenFlag
from scd.cryptoki.finding.discover import text
from scd.token.model import PinTries, TokenId, TokenInfo

_TRIES = (
    (TokenFlag.USER_PIN_LOCKED, PinTries.LOCKED),
    (TokenFlag.USER_PIN_FINAL_TRY, PinTries.FINAL),
    (TokenFlag.USER_PIN_COUNT_LOW, PinTries.LOW),
)
_SO_TRIES = (
    (TokenFlag.SO_PIN_LOCKED, PinTries.LOCKED),
    (TokenFlag.SO_PIN_FINAL_TRY, PinTries.FINAL),
    (TokenFlag.SO_PIN_COUNT_LOW, PinTries.LOW),
)
_LONGEST_PIN = 1 << 16


def token_id(raw: RawTokenInfo, twin: int) -> TokenId:
    """The four texts, and which of those with the same ones it is."""
    return TokenId(text(raw.manufacturer), text(raw.model), text(raw.serial), text(raw.label), twin)


def _pin_limits(raw: RawTokenInfo) -> tuple[int, int]:
    """The least and the greatest length of a PIN; 0 and 0 for what cannot be, CK_UNAVAILABLE_INFORMATION included."""
    least, most = raw.pin_min, raw.pin_max
    return (least, most) if 0 < most <= _LONGEST_PIN and least <= most else (0, 0)


def token_info(raw: RawTokenInfo, token: TokenId, *, may_use_pinpad: bool, logged_in: bool) -> TokenInfo:
    """The record; `token` is its `token_id`, `logged_in` our own knowledge, of which the structure has nothing."""
    flags = TokenFlag(raw.flags)
    least, most = _pin_limits(raw)
    return TokenInfo(
        id=token,
        initialized=TokenFlag.TOKEN_INITIALIZED in flags,
        login_required=TokenFlag.LOGIN_REQUIRED in flags,
        pin_initialized=TokenFlag.USER_PIN_INITIALIZED in flags,
        pinpad=may_use_pinpad and TokenFlag.PROTECTED_AUTHENTICATION_PATH in flags,
        write_protected=TokenFlag.WRITE_PROTECTED in flags,
        pin_tries=_tries(flags, _TRIES),
        pin_min=least,
        pin_max=most,
        logged_in=logged_in,
        so_pin_tries=_tries(flags, _SO_TRIES),
    )


def _tries(flags: TokenFlag, table: tuple[tuple[TokenFlag, PinTries], ...]) -> PinTries:
    return next((tries for flag, tries in table if flag in flags), PinTries.FULL)
