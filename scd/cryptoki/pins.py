"""New user PINs: changed by the user, or reset by the security officer."""

from __future__ import annotations

from scd.cryptoki.ckr import CkrError, to_token_error
from scd.cryptoki.session import TokenSession
from scd.token.errors import PinBlocked, PinIncorrect, PinLengthInvalid, SoPinBlocked, SoPinIncorrect, TokenError
from scd.token.model import TokenInfo
from scd.token.secrets import Pin

_OF_THE_OFFICER: dict[type[TokenError], type[TokenError]] = {PinIncorrect: SoPinIncorrect, PinBlocked: SoPinBlocked}


def change_pin(session: TokenSession, info: TokenInfo, old: Pin | None, new: Pin | None) -> None:
    """See the port. Raises CkrError, too."""
    _require_length(info, old, "present PIN", session.about)
    _require_length(info, new, "new PIN", session.about)
    session.change_pin(old, new)


def reset_pin(session: TokenSession, info: TokenInfo, so_pin: Pin | None, new: Pin | None) -> None:
    """See the port. Raises CkrError, too. The officer's PIN may have other limits than those the token tells."""
    _require_length(info, new, "new PIN", session.about)
    try:
        session.reset_pin(so_pin, new)
    except CkrError as error:
        if error.function != "C_Login":
            raise
        translated = to_token_error(error, f"{session.about}, security officer")
        kind = _OF_THE_OFFICER.get(type(translated))
        if kind is None:
            raise
        raise kind(str(translated)) from error


def _require_length(info: TokenInfo, pin: Pin | None, which: str, about: str) -> None:
    """Before anything is sent: no try is spent on what cannot be right."""
    if pin is None:
        return
    if not pin or len(pin) < info.pin_min:
        raise PinLengthInvalid(f"{about}: the {which} has fewer than {max(info.pin_min, 1)} characters")
    if info.pin_max and len(pin) > info.pin_max:
        raise PinLengthInvalid(f"{about}: the {which} has more than {info.pin_max} characters")
