"""Messages to octets and back: calls and frozen dataclasses, data only.

A body is four octets with the header's length, the header, then the blobs. The header is JSON: a name and a value,
a dataclass as the list of its fields in order, one of several dataclasses as [name, list], an enum by its
member's name. Octets never pass through JSON: in the header stands their length, their content follows as a
blob, in the same order.

Where a key is looked for is said with each signature: such a value is a blob of its own, encoded and decoded once.

Decoding is strict. What the types do not allow is a FrameError, and nothing but these types is built.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from scd.cryptoki.worker.frames import FrameError
from scd.token.port import KeyAddress
from scd.token.secrets import Pin

_HEADER_LENGTH = 4
_REPEATED = (KeyAddress,)
_MOST_REMEMBERED = 1024


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")


_SURROGATE = b"\\ud"  # of an escape in JSON, in lower case; others begin so as well
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


class Form(NamedTuple):
    """How values of one type are written into and read from a header."""

    encode: Callable[[Any, list[bytes]], object]
    decode: Callable[[object, _Blobs], Any]


def encoded(name: str, kind: Form, value: object, *, unicode: bool = False) -> bytes:
    """The body of a frame with `value` under this name. Raises FrameError for a value that has no place in one.

    `unicode`: lone surrogates, which texts have in place of octets that are no UTF-8, become question marks.
    """
    blobs: list[bytes] = []
    try:
        header = _to_json([name, kind.encode(value, blobs)]).encode("ascii")
        if unicode and _SURROGATE in header:
            text = json.dumps(_from_json(header.decode("ascii")), ensure_ascii=False)
            header = _to_json(_from_json(text.encode("utf-8", "replace").decode())).encode("ascii")
    except (TypeError, ValueError, AttributeError):
        raise FrameError(f"a {name} with a field of a wrong type") from None
    return b"".join((len(header).to_bytes(_HEADER_LENGTH, "big"), header, *blobs))


def decoded(body: bytes, kind_of: Callable[[str], Form], *, unicode: bool = False) -> tuple[str, Any]:
    """Name and value in `body`; `kind_of` tells from the name which form the value has.

    `unicode`: lone surrogates are refused, since they fail later, in whatever writes the text.
    Raises FrameError and nothing else, if `kind_of` does not.
    """
    end = _HEADER_LENGTH + int.from_bytes(body[:_HEADER_LENGTH], "big")
    if len(body) < max(end, _HEADER_LENGTH):
        raise FrameError("the header reaches over the frame's end")
    try:
        header = _from_json(str(body[_HEADER_LENGTH:end], "ascii"))
        if unicode and _SURROGATE in body[_HEADER_LENGTH:end].lower():
            json.dumps(header, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise FrameError("the header is no JSON, or not of Unicode") from None
    name, value = _name_and_value(header)
    blobs = _Blobs(body, end)
    message = kind_of(name).decode(value, blobs)
    blobs.finish()
    return name, message


def _name_and_value(header: object) -> tuple[str, object]:
    if type(header) is not list or len(header) != 2 or type(header[0]) is not str:
        raise FrameError("no message of a known kind")
    return header[0], header[1]


def arguments_form(hints: Sequence[Any]) -> Form:
    """A call's arguments: the list of their values, which may be wrong in number or kind."""
    forms = [form(hint) for hint in hints]

    def encode(values: Sequence[object], blobs: list[bytes]) -> object:
        return [one.encode(value, blobs) for one, value in zip(forms, values, strict=True)]

    def decode(values: object, blobs: _Blobs) -> object:
        if type(values) is not list or len(values) != len(forms):
            raise FrameError(f"{len(forms)} values belong here")
        return tuple([one.decode(value, blobs) for one, value in zip(forms, values, strict=True)])

    return Form(encode, decode)


@cache
def record(kind: type[Any]) -> Form:
    """A dataclass: the list of its fields in order."""
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind) if field.init]
    values = arguments_form([hints[name] for name in names])

    def encode(value: object, blobs: list[bytes]) -> object:
        if type(value) is not kind:
            raise TypeError(f"{type(value).__name__} does not belong here")
        return values.encode([getattr(value, name) for name in names], blobs)

    def decode(value: object, blobs: _Blobs) -> object:
        arguments = values.decode(value, blobs)
        try:
            return kind(*arguments)
        except (TypeError, ValueError, LookupError):
            raise FrameError(f"{kind.__name__} refuses its fields") from None

    return Form(encode, decode)


@cache
def form(hint: Any) -> Form:
    """The form for a field's type; TypeError for types that frames do not carry."""
    if hint in _PLAIN:
        return _plain(hint)
    if hint in _OCTETS:
        return _OCTETS[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _union(arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _sequence(form(arguments[0]))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        kind: Any = hint
        return _remembered(kind) if kind in _REPEATED else record(kind)
    raise TypeError(f"frames do not carry '{hint}'")


def _remembered(kind: Any) -> Form:
    """A dataclass as a blob that is looked up: the same few values come again and again. They are immutable."""
    name, values = kind.__name__, record(kind)

    @lru_cache(_MOST_REMEMBERED)
    def pack(value: object) -> bytes:
        return encoded(name, values, value)

    @lru_cache(_MOST_REMEMBERED)
    def unpack(octets: bytes) -> object:
        return decoded(octets, lambda given: _only(name, given, values))[1]

    def encode(value: object, blobs: list[bytes]) -> object:
        if type(value) is not kind:
            raise TypeError(f"{type(value).__name__} does not belong here")
        return _put(pack(value), blobs)

    return Form(encode, lambda value, blobs: unpack(blobs.take(value)))


def _only(name: str, given: str, values: Form) -> Form:
    if given != name:
        raise FrameError(f"a {name} belongs here")
    return values


_PLAIN = (bool, int, float, str, NoneType)


def _plain(kind: type[Any]) -> Form:
    def decode(value: object, _blobs: _Blobs) -> object:
        if type(value) is not kind:
            raise FrameError(f"a {type(value).__name__} where {kind.__name__} belongs")
        return value

    return Form(lambda value, _blobs: value, decode)


def _put(octets: bytes, blobs: list[bytes]) -> int:
    blobs.append(octets)
    return len(octets)


_OCTETS: dict[Any, Form] = {
    bytes: Form(_put, lambda value, blobs: blobs.take(value)),
    # The one way out of the daemon for a PIN: a blob on the worker's own socket.
    Pin: Form(lambda pin, blobs: _put(pin.reveal(), blobs), lambda value, blobs: Pin(blobs.take(value))),
}


def _enum(kind: type[Enum]) -> Form:
    members = kind.__members__

    def decode(value: object, _blobs: _Blobs) -> Enum:
        if type(value) is not str or value not in members:
            raise FrameError(f"no member of {kind.__name__}")
        return members[value]

    return Form(lambda value, _blobs: value.name, decode)


def _sequence(item: Form) -> Form:
    def encode(value: Sequence[object], blobs: list[bytes]) -> object:
        return [item.encode(one, blobs) for one in value]

    def decode(value: object, blobs: _Blobs) -> object:
        if type(value) is not list:
            raise FrameError("a list belongs here")
        return tuple([item.decode(one, blobs) for one in value])

    return Form(encode, decode)


def _union(members: tuple[Any, ...]) -> Form:
    """T | None for any T, and one of several dataclasses, with or without None."""
    kinds = tuple(member for member in members if member is not NoneType)
    inner = form(kinds[0]) if len(kinds) == 1 else _alternatives(kinds)
    if len(kinds) == len(members):
        return inner

    def encode(value: object, blobs: list[bytes]) -> object:
        return None if value is None else inner.encode(value, blobs)

    def decode(value: object, blobs: _Blobs) -> object:
        return None if value is None else inner.decode(value, blobs)

    return Form(encode, decode)


def _alternatives(kinds: tuple[Any, ...]) -> Form:
    if not all(isinstance(kind, type) and is_dataclass(kind) for kind in kinds):
        raise TypeError("frames carry unions of dataclasses only")
    classes = {kind.__name__: kind for kind in kinds}

    def encode(value: object, blobs: list[bytes]) -> object:
        kind = type(value)
        if classes.get(kind.__name__) is not kind:
            raise TypeError(f"{kind.__name__} does not belong here")
        return [kind.__name__, record(kind).encode(value, blobs)]

    def decode(header: object, blobs: _Blobs) -> object:
        name, value = _name_and_value(header)
        if name not in classes:
            raise FrameError("no message of a known kind")
        return record(classes[name]).decode(value, blobs)

    return Form(encode, decode)
