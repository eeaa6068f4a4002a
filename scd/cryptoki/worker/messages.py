"""What daemon and worker say to each other: one request, one reply, and log records at any time.

A request is a `Call` of the port, or Configure or Close; the answer to a call is what its method returns. The types of
arguments and results are those of the port's own annotations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker.codec import Form, arguments_form, decoded, encoded, form, record
from scd.cryptoki.worker.frames import FrameError
from scd.token import errors
from scd.token.errors import PinRequired, TokenError, TokenFailure
from scd.token.port import METHODS, Call, TokenModule


@dataclass(frozen=True, slots=True)
class Configure:
    """The first request: load this module. Answered by Ready, or by Failure before the worker ends.

    `log_level` is the `logging` number below which the worker keeps its records to itself.
    """

    config: ModuleConfig
    log_level: int


@dataclass(frozen=True, slots=True)
class Close:
    """Let go of the module and end; answered by Ready if the module lets the worker."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The module is loaded, or let go of."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the method that was called returned."""

    value: Any


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


LONGEST_RECORD = 4000
"""Characters of a log record's text; the worker cuts longer ones."""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A line for the daemon's log, sent unasked; `level` is the number of the `logging` module."""

    level: int
    logger: str
    text: str


Request = Call | Configure | Close
Reply = Ready | Answer | Failure | LogRecord

_ERRORS: dict[str, type[TokenError]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, TokenError)
}
_REQUESTS: dict[str, Any] = {kind.__name__: kind for kind in (Configure, Close)}
_REPLIES: dict[str, Any] = {kind.__name__: kind for kind in (Ready, Failure, LogRecord)}
_ANSWER = Answer.__name__


def encode_request(request: Request) -> bytes:
    """The body of the request's frame. Raises FrameError for what the port's types do not allow."""
    if isinstance(request, Call):
        return encoded(request.method, _arguments(request.method), request.arguments)
    return encoded(*_as_record(request, _REQUESTS))


def decode_request(body: bytes) -> Request:
    """The request in `body`. Raises FrameError and nothing else."""
    name, value = decoded(body, lambda name: record(_REQUESTS[name]) if name in _REQUESTS else _arguments(name))
    return value if name in _REQUESTS else Call(name, value)


def encode_reply(reply: Reply, method: str) -> bytes:
    """The body of a frame with the reply to a call of `method` (empty where none was called). Raises FrameError."""
    if isinstance(reply, Answer):
        return encoded(_ANSWER, _result(method), reply.value, unicode=True)
    return encoded(*_as_record(reply, _REPLIES), unicode=True)


def decode_reply(body: bytes, method: str) -> Reply:
    """The reply in `body`, an answer as `method` returns it. Raises FrameError and nothing else."""
    name, value = decoded(
        body, lambda name: _result(method) if name == _ANSWER else _record(name, _REPLIES), unicode=True
    )
    return Answer(value) if name == _ANSWER else value


def _as_record(message: object, kinds: dict[str, Any]) -> tuple[str, Form, object]:
    name = type(message).__name__
    return name, _record(name, kinds), message


def _record(name: str, kinds: dict[str, Any]) -> Form:
    if name not in kinds:
        raise FrameError("no message of a known kind")
    return record(kinds[name])


@cache
def _hints(method: str) -> dict[str, Any]:
    if method not in METHODS:
        raise FrameError("no message of a known kind")
    return get_type_hints(getattr(TokenModule, method))


@cache
def _arguments(method: str) -> Form:
    return arguments_form([hint for name, hint in _hints(method).items() if name != "return"])


@cache
def _result(method: str) -> Form:
    return form(_hints(method)["return"])
