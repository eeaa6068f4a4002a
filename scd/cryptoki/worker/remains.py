"""What a call may have left on the token when its worker ended before it answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scd.token.port import Call

_COUNTED = "the token may have counted this as a try"
_NEW_KEY = "a key with the CKA_ID {}, or half of it, may be on the token"


def _hex(cka_id: bytes) -> str:
    return cka_id.hex().upper()


_REMAINS: Mapping[str, Callable[..., str]] = {
    "login": lambda *_: _COUNTED,
    "check_so_pin": lambda *_: _COUNTED,
    "generate": lambda request: _NEW_KEY.format(_hex(request.cka_id)),
    "import_key": lambda request: _NEW_KEY.format(_hex(request.cka_id)),
    "destroy_key": lambda key: f"the key with the CKA_ID {_hex(key.cka_id)}, or half of it, may still be on the token",
    "move_key": lambda key, cka_id: (
        f"a key may be under the CKA_ID {_hex(key.cka_id)}, under {_hex(cka_id)}, or each half under another"
    ),
    "write_certificate": lambda _token, cka_id, *_: (
        f"the certificate with the CKA_ID {_hex(cka_id)} may be the old one, the new one, both or none"
    ),
    "delete_certificate": lambda _token, cka_id: (
        f"certificates with the CKA_ID {_hex(cka_id)} may still be on the token"
    ),
    "change_pin": lambda *_: "the PIN may be the old or the new one",
    "reset_pin": lambda *_: "the PIN may be the old or the new one",
    "change_so_pin": lambda *_: "the PIN of the security officer may be the old or the new one",
    "write_data": lambda _token, records: (
        f"the token may have the old value of {', '.join(one.label for one in records)}, the new one or none"
    ),
}
"""By method of the port; those that are not named change nothing."""


def remains(call: Call) -> str:
    """To be added to the message, with what is between; empty for a call that changes nothing."""
    told: Any = _REMAINS.get(call.method)
    return f"; {told(*call.arguments)}" if told else ""
