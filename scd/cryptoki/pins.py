"""New PINs: the user's, changed by the user or set by the security officer, and the officer's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scd.cryptoki.calls.ckr import PIN_INVALID, USER_NOT_LOGGED_IN, USER_TYPE_INVALID, CkrError, to_token_error
from scd.cryptoki.session import TokenSession
from scd.token.errors import (
    NotSupported,
    PinBlocked,
    PinIncorrect,
    PinLengthInvalid,
    PinNotSet,
    SoPinBlocked,
    SoPinIncorrect,
    TokenError,
    TokenReadOnly,
)
from scd.token.model import TokenInfo
from scd.token.secrets import Pin

_OF_THE_OFFICER: dict[type[TokenError], type[TokenError]] = {PinIncorrect: SoPinIncorrect, PinBlocked: SoPinBlocked}
# In C_Login there is no new PIN that could be meant.
_AT_LOGIN = _OF_THE_OFFICER | {PinLengthInvalid: SoPinIncorrect, PinNotSet: SoPinBlocked}


def change_pin(session: TokenSession, info: TokenInfo, old: Pin | None, new: Pin | None) -> None:
    """See the port. Raises CkrError, too."""
    _require_length(info, old, "present PIN", session.about)
    _require_length(info, new, "new PIN", session.about)
    try:
        _change_pin(session, old, new)
    except CkrError as error:
        if error.function != "C_SetPIN" or error.rv != USER_NOT_LOGGED_IN or not session.logged_in:
            raise
        session.logout()  # it had ended unnoticed; `old` logs in again
        _change_pin(session, old, new)


def _change_pin(session: TokenSession, old: Pin | None, new: Pin | None) -> None:
    """Makes of the module's answers what they mean. Raises CkrError, too."""
    unchecked = session.logged_in  # else the login tells whether `old` is right
    try:
        session.change_pin(old, new)
    except CkrError as error:
        if error.function != "C_SetPIN":
            raise
        if not unchecked and error.rv == USER_NOT_LOGGED_IN:  # NSS 3.87 with a database it may not write to
            raise TokenReadOnly(f"{session.about}: {error} to who is logged in: it cannot be written to") from error
        if unchecked and (error.is_vague or error.rv == PIN_INVALID):  # tpm2-pkcs11 1.9; opencryptoki 3.23
            raise CkrError(error.function, error.rv, "the present PIN may be wrong") from error
        raise


def reset_pin(session: TokenSession, info: TokenInfo, so_pin: Pin | None, new: Pin | None) -> None:
    """See the port. Raises CkrError, too. The officer's PIN may have other limits than those the token tells."""
    _require_some(so_pin, session.about)
    _require_length(info, new, "new PIN", session.about)
    with _officers(session):
        session.reset_pin(so_pin, new)


def change_so_pin(session: TokenSession, _info: TokenInfo, old: Pin | None, new: Pin | None) -> None:
    """See the port. Raises CkrError, too."""
    _require_some(old, session.about)
    if new is not None and not new:
        raise PinLengthInvalid(f"{session.about}: the security officer's new PIN is empty")
    with _officers(session):
        session.change_so_pin(old, new)


def check_so_pin(session: TokenSession, _info: TokenInfo, so_pin: Pin | None) -> None:
    """See the port. Raises CkrError, too."""
    _require_some(so_pin, session.about)
    with _officers(session), session.officer(so_pin):
        pass


@contextmanager
def _officers(session: TokenSession) -> Iterator[None]:
    """A PIN that is refused in here is the security officer's."""
    try:
        yield
    except CkrError as error:
        if error.function == "C_Login" and (error.rv == USER_TYPE_INVALID or error.is_vague):  # NSS; OpenSC with PIV
            raise NotSupported(f"{session.about} lets no security officer in: {error}") from error
        translated = to_token_error(error, f"{session.about}, security officer")
        table = _AT_LOGIN if error.function == "C_Login" else _OF_THE_OFFICER
        kind = table.get(type(translated))
        if kind is None:
            raise
        raise kind(str(translated)) from error


def _require_some(so_pin: Pin | None, about: str) -> None:
    """An empty PIN is never right, and may cost a try."""
    if so_pin is not None and not so_pin:
        raise SoPinIncorrect(f"{about}: the security officer's PIN is empty; it is not sent")


def _require_length(info: TokenInfo, pin: Pin | None, which: str, about: str) -> None:
    """Before anything is sent: no try is spent on what cannot be right."""
    if pin is None:
        return
    if not pin or len(pin) < info.pin_min:
        raise PinLengthInvalid(f"{about}: the {which} has fewer than {max(info.pin_min, 1)} characters")
    if info.pin_max and len(pin) > info.pin_max:
        raise PinLengthInvalid(f"{about}: the {which} has more than {info.pin_max} characters")
