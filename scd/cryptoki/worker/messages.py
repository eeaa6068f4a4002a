"""What daemon and worker say to each other: one request, one reply, and log records at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker import changes
from scd.cryptoki.worker.codec import Codec
from scd.token import errors
from scd.token.errors import PinRequired, TokenError, TokenFailure
from scd.token.model import TokenId, TokenInfo, TokenObjects
from scd.token.port import DecryptRequest, SignRequest
from scd.token.secrets import Pin


@dataclass(frozen=True, slots=True)
class Configure:
    """The first request: load this module. Answered by Ready, or by Failure before the worker ends.

    `log_level` is the `logging` number below which the worker keeps its records to itself.
    """

    config: ModuleConfig
    log_level: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """See `TokenModule.tokens`; answered by TokensReply."""


@dataclass(frozen=True, slots=True)
class SlotsChanged:
    """See `TokenModule.slots_changed`; answered by SlotsReply."""


@dataclass(frozen=True, slots=True)
class Objects:
    """See `TokenModule.objects`; answered by ObjectsReply."""

    token: TokenId
    known: int


@dataclass(frozen=True, slots=True)
class Login:
    """See `TokenModule.login`; answered by Done."""

    token: TokenId
    pin: Pin | None


@dataclass(frozen=True, slots=True)
class Logout:
    """See `TokenModule.logout`; answered by Done."""

    token: TokenId


@dataclass(frozen=True, slots=True)
class Sign:
    """See `TokenModule.sign`; answered by Octets."""

    request: SignRequest


@dataclass(frozen=True, slots=True)
class Decrypt:
    """See `TokenModule.decrypt`; answered by Octets."""

    request: DecryptRequest


@dataclass(frozen=True, slots=True)
class Close:
    """Let go of the module and end; answered by Done if the module lets the worker."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The module is loaded."""


@dataclass(frozen=True, slots=True)
class TokensReply:
    """The tokens."""

    tokens: tuple[TokenInfo, ...]


@dataclass(frozen=True, slots=True)
class SlotsReply:
    """The answer, None for "cannot tell"."""

    changed: bool | None


@dataclass(frozen=True, slots=True)
class ObjectsReply:
    """The objects, None for "nothing new"."""

    objects: TokenObjects | None


@dataclass(frozen=True, slots=True)
class Octets:
    """A signature, a plaintext or random octets."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """It is done."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The request raised a TokenError; `kind` is the class's name, `context` belongs to PinRequired."""

    kind: str
    message: str
    context: bool

    @classmethod
    def of(cls, error: TokenError) -> Failure:
        """The failure that becomes an equal error again on the other side."""
        return cls(type(error).__name__, str(error), isinstance(error, PinRequired) and error.context)

    def error(self) -> TokenError:
        """The error to raise; a kind unknown here becomes a TokenFailure."""
        kind = _ERRORS.get(self.kind, TokenFailure)
        if issubclass(kind, PinRequired):
            return kind(self.message, context=self.context)
        return kind(self.message)


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A line for the daemon's log, sent unasked; `level` is the number of the `logging` module."""

    level: int
    logger: str
    text: str


Request = Configure | Tokens | SlotsChanged | Objects | Login | Logout | Sign | Decrypt | changes.Change | Close
Answer = Ready | TokensReply | SlotsReply | ObjectsReply | Octets | changes.NewKey | changes.DataReply | Done | Failure
Reply = Answer | LogRecord

REQUESTS: Codec[Request] = Codec(get_args(Request))
REPLIES: Codec[Reply] = Codec(get_args(Reply))

_ERRORS: dict[str, type[TokenError]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, TokenError)
}
