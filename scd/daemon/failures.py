"""The second boundary of errors: a token's failure becomes the gpg-error code that clients act upon."""

from __future__ import annotations

from scd.assuan.gpgerror import GpgErr
from scd.service.kept.statefile import StateFileError
from scd.token import errors


class CommandError(Exception):
    """A command that ends with this ERR."""

    def __init__(self, code: GpgErr, text: str = "") -> None:
        super().__init__(text or code.text)
        self.code = code
        self.text = text


_CODES: dict[type[errors.TokenError], GpgErr] = {
    errors.PinRequired: GpgErr.NO_PIN,
    errors.PinIncorrect: GpgErr.BAD_PIN,
    errors.PinLengthInvalid: GpgErr.BAD_PIN,
    errors.PinUnsuitable: GpgErr.BAD_PIN,
    errors.PinBlocked: GpgErr.PIN_BLOCKED,
    errors.PinNotSet: GpgErr.NO_PIN,
    errors.SoPinIncorrect: GpgErr.BAD_PIN,  # as scdaemon says of the Admin PIN
    errors.SoPinBlocked: GpgErr.PIN_BLOCKED,
    errors.Canceled: GpgErr.CANCELED,
    errors.TokenNotPresent: GpgErr.CARD_NOT_PRESENT,
    errors.TokenRemoved: GpgErr.CARD_REMOVED,
    errors.SessionLost: GpgErr.CARD_RESET,
    errors.KeyNotFound: GpgErr.NO_SECKEY,
    errors.KeyExists: GpgErr.EEXIST,
    errors.WrongKeyUsage: GpgErr.WRONG_KEY_USAGE,
    errors.UnsupportedAlgorithm: GpgErr.UNSUPPORTED_ALGORITHM,
    errors.InvalidData: GpgErr.INV_DATA,
    errors.NotSupported: GpgErr.UNSUPPORTED_OPERATION,
    errors.TokenReadOnly: GpgErr.EACCES,
    errors.TokenFull: GpgErr.ENOSPC,
    errors.TokenFailure: GpgErr.CARD,
    errors.Unfinished: GpgErr.CARD,
    errors.ModuleUnavailable: GpgErr.NOT_OPERATIONAL,
    errors.ModuleCrashed: GpgErr.CARD_REMOVED,
    errors.ModuleTimeout: GpgErr.TIMEOUT,
    StateFileError: GpgErr.EIO,
}


# Those whose message tells the user something to do; the others' wording stays libgpg-error's.
_TOLD = (
    errors.KeyExists,
    errors.UnsupportedAlgorithm,
    errors.NotSupported,
    errors.TokenReadOnly,
    errors.TokenFull,
    errors.Unfinished,
    errors.PinNotSet,
    errors.PinUnsuitable,
    errors.PinLengthInvalid,
    errors.TokenNotPresent,
    errors.ModuleUnavailable,
    errors.ModuleCrashed,  # what may have been left on the token
    errors.ModuleTimeout,
    StateFileError,
)


def text_for(error: errors.TokenError) -> str:
    """What the ERR line says beside the number; empty for libgpg-error's wording."""
    return str(error) if isinstance(error, _TOLD) else ""


def code_for(error: errors.TokenError) -> GpgErr:
    """The code of the error's class, or of the nearest one above it."""
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), GpgErr.CARD)
