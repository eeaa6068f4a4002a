"""Messages to octets and back: a closed set of frozen dataclasses, data only.

A body is four octets with the header's length, the header, then the blobs. The header is JSON: the class's
name and its fields in order, a dataclass as a list, one of several dataclasses as [name, list], an enum by
its member's name. Octets never pass through JSON: in the header stands their length, their content follows as a
blob, in the same order.

Decoding is strict. What the classes do not allow is a FrameError, and nothing but these classes is built.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from scd.cryptoki.worker.frames import FrameError
from scd.token.secrets import Pin

M = TypeVar("M")

_HEADER_LENGTH = 4


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")


_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
_from_json = json.JSONDecoder(parse_constant=_no_constant).decode


class _Blobs:
    """The octets behind the header, taken one after the other."""

    __slots__ = ("_body", "_offset")

    def __init__(self, body: bytes, offset: int) -> None:
        self._body = body
        self._offset = offset

    def take(self, length: object) -> bytes:
        """The next `length` octets."""
        start = self._offset
        if type(length) is not int or not 0 <= length <= len(self._body) - start:
            raise FrameError("a blob reaches over the frame's end")
        self._offset = start + length
        return self._body[start : self._offset]

    def finish(self) -> None:
        """Nothing may be left."""
        if self._offset != len(self._body):
            raise FrameError("octets are left over behind the last blob")


class _Form(NamedTuple):
    """How values of one type are written into and read from a header."""

    encode: Callable[[Any, list[bytes]], object]
    decode: Callable[[object, _Blobs], Any]


class Codec(Generic[M]):
    """Encodes and decodes messages of the given classes."""

    __slots__ = ("_classes",)

    def __init__(self, classes: Sequence[type[M]]) -> None:
        self._classes = {kind.__name__: kind for kind in classes}

    def encode(self, message: M) -> bytes:
        """The body of a frame. Raises FrameError for a class or a value that has no place in one."""
        name = type(message).__name__
        kind: Any = type(message)
        if self._classes.get(name) != kind:
            raise FrameError(f"{name} is not a message")
        blobs: list[bytes] = []
        try:
            header = _to_json([name, _record(kind).encode(message, blobs)]).encode("ascii")
        except (TypeError, ValueError, AttributeError):
            raise FrameError(f"a {name} with a field of a wrong type") from None
        return b"".join((len(header).to_bytes(_HEADER_LENGTH, "big"), header, *blobs))

    def decode(self, body: bytes) -> M:
        """The message in `body`. Raises FrameError and nothing else."""
        end = _HEADER_LENGTH + int.from_bytes(body[:_HEADER_LENGTH], "big")
        if len(body) < max(end, _HEADER_LENGTH):
            raise FrameError("the header reaches over the frame's end")
        try:
            header = _from_json(str(body[_HEADER_LENGTH:end], "ascii"))
        except (ValueError, RecursionError):
            raise FrameError("the header is no JSON") from None
        blobs = _Blobs(body, end)
        message: M = _tagged(self._classes, header, blobs)
        blobs.finish()
        return message


def _tagged(classes: dict[str, Any], value: object, blobs: _Blobs) -> Any:
    """One of several dataclasses, from [name, list]."""
    if type(value) is not list or len(value) != 2 or type(value[0]) is not str or value[0] not in classes:
        raise FrameError("no message of a known kind")
    return _record(classes[value[0]]).decode(value[1], blobs)


@cache
def _record(kind: type[Any]) -> _Form:
    """A dataclass: the list of its fields in order."""
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind) if field.init]
    forms = [_form(hints[name]) for name in names]
    writers = [(name, form.encode) for name, form in zip(names, forms, strict=True)]
    readers = [form.decode for form in forms]

    def encode(value: object, blobs: list[bytes]) -> object:
        return [write(getattr(value, name), blobs) for name, write in writers]

    def decode(value: object, blobs: _Blobs) -> object:
        if type(value) is not list or len(value) != len(readers):
            raise FrameError(f"{kind.__name__} has {len(readers)} fields")
        arguments = [read(one, blobs) for read, one in zip(readers, value, strict=True)]
        try:
            return kind(*arguments)
        except (TypeError, ValueError, LookupError):
            raise FrameError(f"{kind.__name__} refuses its fields") from None

    return _Form(encode, decode)


@cache
def _form(hint: Any) -> _Form:
    """The form for a field's type; TypeError for types that frames do not carry."""
    if hint in _PLAIN:
        return _plain(hint)
    if hint in _OCTETS:
        return _OCTETS[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _union(arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _sequence(_form(arguments[0]))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        return _record(hint)
    raise TypeError(f"frames do not carry {hint!r}")


_PLAIN = (bool, int, float, str, NoneType)


def _plain(kind: type[Any]) -> _Form:
    def decode(value: object, _blobs: _Blobs) -> object:
        if type(value) is not kind:
            raise FrameError(f"a {type(value).__name__} where {kind.__name__} belongs")
        return value

    return _Form(lambda value, _blobs: value, decode)


def _put(octets: bytes, blobs: list[bytes]) -> int:
    blobs.append(octets)
    return len(octets)


_OCTETS: dict[Any, _Form] = {
    bytes: _Form(_put, lambda value, blobs: blobs.take(value)),
    # The one way out of the daemon for a PIN: a blob on the worker's own socket.
    Pin: _Form(lambda pin, blobs: _put(pin.reveal(), blobs), lambda value, blobs: Pin(blobs.take(value))),
}


def _enum(kind: type[Enum]) -> _Form:
    members = kind.__members__

    def decode(value: object, _blobs: _Blobs) -> Enum:
        if type(value) is not str or value not in members:
            raise FrameError(f"no member of {kind.__name__}")
        return members[value]

    return _Form(lambda value, _blobs: value.name, decode)


def _sequence(item: _Form) -> _Form:
    def encode(value: Sequence[object], blobs: list[bytes]) -> object:
        return [item.encode(one, blobs) for one in value]

    def decode(value: object, blobs: _Blobs) -> object:
        if type(value) is not list:
            raise FrameError("a list belongs here")
        return tuple([item.decode(one, blobs) for one in value])

    return _Form(encode, decode)


def _union(members: tuple[Any, ...]) -> _Form:
    """T | None for any T, and one of several dataclasses, with or without None."""
    kinds = tuple(member for member in members if member is not NoneType)
    inner = _form(kinds[0]) if len(kinds) == 1 else _alternatives(kinds)
    if len(kinds) == len(members):
        return inner

    def encode(value: object, blobs: list[bytes]) -> object:
        return None if value is None else inner.encode(value, blobs)

    def decode(value: object, blobs: _Blobs) -> object:
        return None if value is None else inner.decode(value, blobs)

    return _Form(encode, decode)


def _alternatives(kinds: tuple[Any, ...]) -> _Form:
    if not all(isinstance(kind, type) and is_dataclass(kind) for kind in kinds):
        raise TypeError("frames carry unions of dataclasses only")
    classes = {kind.__name__: kind for kind in kinds}

    def encode(value: object, blobs: list[bytes]) -> object:
        kind = type(value)
        if classes.get(kind.__name__) is not kind:
            raise TypeError(f"{kind.__name__} does not belong here")
        return [kind.__name__, _record(kind).encode(value, blobs)]

    return _Form(encode, lambda value, blobs: _tagged(classes, value, blobs))
