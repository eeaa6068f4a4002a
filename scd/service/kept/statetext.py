"""The state file's text: JSON, so that people can read it, and octets that are no ASCII text as %XX."""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Iterator, Mapping

from scd.token.model import TokenId

VERSION = 1

State = Mapping[TokenId, Mapping[str, bytes]]


def changed(state: State, token: TokenId, label: str, value: bytes | None) -> State | None:
    """The state with one value set, or deleted with None; None when it has been so all along."""
    values = state.get(token, {})
    if values.get(label) == value:
        return None
    others = {name: octets for name, octets in values.items() if name != label}
    mine = others if value is None else others | {label: value}
    rest = {other: its for other, its in state.items() if other != token}
    return rest | {token: mine} if mine else rest


def as_text(state: State) -> bytes:
    """The whole file."""
    import json

    tokens = [
        {
            "manufacturer": token.manufacturer,
            "model": token.model,
            "serial": token.serial,
            "label": token.label,
            **({"twin": token.twin} if token.twin else {}),
            "values": {label: _shown(value) for label, value in sorted(values.items())},
        }
        for token, values in state.items()
    ]
    return json.dumps({"version": VERSION, "tokens": tokens}, indent=1).encode("ascii") + b"\n"


def from_text(octets: bytes) -> State:
    """What `as_text` wrote; nothing at all is an empty state. Raises ValueError with the reason."""
    import json

    if not octets:
        return {}
    try:
        document = json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error
    match document:
        case {"version": 1, "tokens": list(entries)}:
            return dict(_token(entry) for entry in entries)
        case {"version": int(version)} if version != VERSION:
            raise ValueError(f"version {version} is not known to this scd")
        case _:
            raise ValueError("not what scd writes")


def _token(entry: object) -> tuple[TokenId, dict[str, bytes]]:
    match entry:
        case {
            "manufacturer": str(manufacturer), "model": str(model), "serial": str(serial), "label": str(label),
            "values": dict(values), **others,
        }:  # fmt: skip
            return TokenId(manufacturer, model, serial, label, _twin(others.get("twin", 0))), dict(_values(values))
        case _:
            raise ValueError("an entry of tokens is not what scd writes")


def _twin(number: object) -> int:
    if not isinstance(number, int):
        raise ValueError("the twin of a token is no number")
    return number


def _values(values: Mapping[object, object]) -> Iterator[tuple[str, bytes]]:
    for label, value in values.items():
        if not isinstance(label, str) or not isinstance(value, str):
            raise ValueError(f"the value of {label} is no text")
        yield label, _octets(label, value)


def _shown(value: bytes) -> str:
    return "".join(chr(octet) if 0x20 <= octet <= 0x7E and octet != 0x25 else f"%{octet:02X}" for octet in value)


def _octets(label: str, text: str) -> bytes:
    """Somebody's own hand may have put other letters in: they are taken as UTF-8."""
    plain, *escapes = text.split("%")
    try:
        return plain.encode() + b"".join(_octet(one[:2]) + one[2:].encode() for one in escapes)
    except ValueError as error:
        raise ValueError(f"the value of {label} has a % without two hexadecimal digits") from error


def _octet(digits: str) -> bytes:
    if len(digits) != 2:
        raise ValueError("cut off")
    return unhexlify(digits)
