"""What can go wrong with a token, in the domain's words; each class is mapped to one gpg-error elsewhere."""

from __future__ import annotations


def reason(error: Exception) -> str:
    """The error in words for a message: of one of the system's what it is and of which file, without "[Errno 2]"."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if isinstance(error.filename, str) else error.strerror


class TokenError(Exception):
    """Anything a token or its module refused. The message names the object and what to do, never a secret."""


class PinRequired(TokenError):
    """The operation needs the user PIN first: C_Login as USER, or CONTEXT_SPECIFIC when `context` is true."""

    def __init__(self, message: str, *, context: bool = False) -> None:
        super().__init__(message)
        self.context = context


class PinIncorrect(TokenError):
    """The token refused the PIN; one try is spent."""


class PinLengthInvalid(TokenError):
    """The PIN lies outside the token's length limits; no try is spent."""


class PinUnsuitable(TokenError):
    """The token will not have this as its new PIN: too simple, or with characters it does not take."""


class PinBlocked(TokenError):
    """The user PIN is locked; only the security officer can help."""


class PinNotSet(TokenError):
    """The token has no user PIN yet, or one that must be changed before anything else."""


class SoPinIncorrect(TokenError):
    """The token refused the security officer's PIN; one try is spent."""


class SoPinBlocked(TokenError):
    """The security officer's PIN is locked; nobody can help but by initialising the token anew."""


class Canceled(TokenError):
    """The user gave up, at the prompt or at the pin pad."""


class TokenNotPresent(TokenError):
    """No slot holds the token."""


class TokenRemoved(TokenError):
    """The token went away under an operation or a session."""


class SessionLost(TokenError):
    """Session, login or object handles are stale; list again and repeat once."""


class KeyNotFound(TokenError):
    """The token has no such key, or no private half of it."""


class KeyExists(TokenError):
    """The place for a new key is taken, or the token has this key already; nothing was changed."""


class WrongKeyUsage(TokenError):
    """The key may not be used this way."""


class UnsupportedAlgorithm(TokenError):
    """The token has no mechanism for this; the message lists what was tried."""


class InvalidData(TokenError):
    """The data to be signed or decrypted are malformed for this key."""


class NotSupported(TokenError):
    """The module does not have this function at all."""


class TokenReadOnly(TokenError):
    """The token, or the module, lets nothing be written."""


class TokenFull(TokenError):
    """The token has no room for another object."""


class TokenFailure(TokenError):
    """Every other failure the module reported; the message holds the CKR name."""


class Unfinished(TokenFailure):
    """A change to a token's keys went wrong on its way; the message says what is on the token now."""


class ModuleUnavailable(TokenError):
    """The module cannot be loaded, or its worker is waiting for its next start, `wait_s` from now.

    `cause` is the message without that, the same as long as nothing changes.
    """

    def __init__(self, cause: str, *, wait_s: float = 0.0) -> None:
        super().__init__(f"{cause}; next start in {wait_s:.1f} s" if wait_s else cause)
        self.cause = cause


class ModuleCrashed(TokenError):
    """The module's process ended, or spoke out of turn, during the operation."""


class ModuleTimeout(TokenError):
    """The module did not answer in time; its process was ended."""
