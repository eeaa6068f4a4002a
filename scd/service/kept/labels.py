"""What scd keeps for a token, by label, and how long each value may be."""

from __future__ import annotations

from typing import Final

from scd.token.errors import InvalidData

PLACES: Final = ("OPENPGP.1", "OPENPGP.2", "OPENPGP.3")
"""Which key fills the place: its keygrip in hex, upper case, and ` found` behind it if nobody put it there."""

_KEY = "KEY."
_HEX = frozenset("0123456789ABCDEF")
_KEYGRIP_HEX, _FINGERPRINT_HEX = 40, 64  # a v5 fingerprint has 32 octets

# The texts: what the OpenPGP card 3.4 has room for (§4.4.1), 254 where it says so in its extended capabilities.
LONGEST: Final[dict[str, int]] = {
    "DISP-NAME": 39,
    "LOGIN-DATA": 254,
    "PUBKEY-URL": 254,
    "DISP-LANG": 8,
    "DISP-SEX": 1,
    "CHV-STATUS-1": 1,
    **{f"CA-FPR-{n}": _KEYGRIP_HEX for n in (1, 2, 3)},
    **{f"PRIVATE-DO-{n}": 254 for n in (1, 2, 3, 4)},
    **{f"KEY-ATTR-{n}": 40 for n in (1, 2, 3)},
    **dict.fromkeys(PLACES, _KEYGRIP_HEX + len(" found")),
}
"""The longest value in octets, by label; key records come beside these."""

LONGEST_RECORD: Final = len("4294967295 ") + _FINGERPRINT_HEX
"""Of a key record: creation time as epoch, a blank, the fingerprint in hex or `-`."""


def key_label(keygrip: bytes) -> str:
    """The label of a key's record: `KEY.<keygrip in hex>`."""
    return _KEY + keygrip.hex().upper()


def longest(label: str) -> int:
    """The longest value this label may have, in octets; InvalidData for a label that is none of ours."""
    if label in LONGEST:
        return LONGEST[label]
    grip = label.removeprefix(_KEY)
    if grip != label and len(grip) == _KEYGRIP_HEX and _HEX.issuperset(grip):
        return LONGEST_RECORD
    raise InvalidData(f"nothing is kept under the name '{label}'")
