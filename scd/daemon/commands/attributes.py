"""GETATTR: a card's attributes, each a row of one table."""

from __future__ import annotations

from collections.abc import Callable

from scd.assuan.arguments import Arguments
from scd.assuan.gpgerror import GpgErr
from scd.assuan.lines import escape
from scd.daemon.connection import Connection
from scd.daemon.failures import CommandError
from scd.daemon.table import command
from scd.gcrypt.curves import Family
from scd.gcrypt.pubkey import RsaPublicKey
from scd.service.catalogue import Card, CardKey
from scd.service.roles import ENCRYPT, ROLES, Role
from scd.token.model import PinTries

APPLICATION = "openpgp"
"""What every token looks like to clients: gpg and gpg-card list keys of no unknown application."""

_MANUFACTURER = 0x3131  # the number in gnupg-pkcs11-scd's serial numbers
_UNKNOWN = -2  # gpg-card's "no such PIN, or not known"; PKCS#11 has no counters
_RETRIES = {PinTries.LOCKED: 0, PinTries.FINAL: 1}
_LONGEST_PIN = 88  # octets gpg-agent passes on

# Names an OpenPGP card has and a token has not: known, and empty.
_ABSENT = frozenset(
    [
        "LOGIN-DATA",
        "DISP-LANG",
        "DISP-SEX",
        "PUBKEY-URL",
        "SIG-COUNTER",
        "KDF",
        "KEY-ATTR-INFO",
        "UIF-1",
        "UIF-2",
        "UIF-3",
        "PRIVATE-DO-1",
        "PRIVATE-DO-2",
        "PRIVATE-DO-3",
        "PRIVATE-DO-4",
    ]
)
_NONE_YET = frozenset({"KEY-FPR", "KEY-TIME", "CA-FPR"})

Attribute = Callable[[Connection, Card], list[str]]


@command("GETATTR <name> [<keygrip>]")
async def getattr_(conn: Connection, args: Arguments) -> None:
    """Return an attribute of the card, or of the card that holds the key, as status lines."""
    words = args.words
    if not words:
        raise CommandError(GpgErr.ASS_PARAMETER, "the attribute's name is missing")
    name = words[0].upper()
    if name == "$DISPSERIALNO":
        conn.status(name, escape(await _display_serial(conn, words[1] if len(words) > 1 else "")))
        return
    if name in _NONE_YET:
        return
    if name in _ABSENT:
        raise CommandError(GpgErr.NO_DATA, f"a PKCS#11 token has no {name}")
    if name not in ATTRIBUTES:
        raise CommandError(GpgErr.INV_NAME, f"no attribute {name}")
    card = await _card_of(conn, words[1] if len(words) > 1 else "") or await conn.need_card()
    for line in ATTRIBUTES[name](conn, card):
        conn.status(name, line)


async def _card_of(conn: Connection, keygrip: str) -> Card | None:
    if not keygrip:
        return None
    found = await conn.service.find(keygrip, await conn.card())
    return found[0].card if found else None


async def _display_serial(conn: Connection, keygrip: str) -> str:
    """Always something: gpg-agent 2.2 to 2.5 dereferences a null pointer when this attribute fails (reference 6.9)."""
    card = await _card_of(conn, keygrip) or await conn.card()
    return card.display if card else "unknown"


def _serial(_conn: Connection, card: Card) -> list[str]:
    return [card.serial]


def _apptype(_conn: Connection, _card: Card) -> list[str]:
    return [APPLICATION]


def _extcap(_conn: Connection, _card: Card) -> list[str]:
    return ["gc=0+ki=0+fc=0+pd=0+mcl3=2048+aac=0+sm=0+si=0+dec=0+bt=0+kdf=0"]


def _manufacturer(_conn: Connection, card: Card) -> list[str]:
    return [f"{_MANUFACTURER} {card.token.id.manufacturer}"]


def _display_name(_conn: Connection, card: Card) -> list[str]:
    return [escape(card.token.id.label)]


def _chv_status(_conn: Connection, card: Card) -> list[str]:
    """`<force> <max1-3> <retry1> <retryRC> <retryAdmin>`: what the token does not tell is not invented."""
    forced = any(key.pair.always_authenticate for key in card.keys)
    longest = min(card.token.pin_max or _LONGEST_PIN, _LONGEST_PIN)
    retries = _RETRIES.get(card.token.pin_tries, _UNKNOWN)
    return [f"+{int(not forced)}+{longest}+0+0+{retries}+{_UNKNOWN}+{_UNKNOWN}"]


def _key_attributes(conn: Connection, card: Card) -> list[str]:
    found = ((role, conn.service.roles.key(role, card)) for role in ROLES)
    return [f"{role.number} {_algorithm(role, key)}" for role, key in found if key is not None]


def _algorithm(role: Role, key: CardKey) -> str:
    """OpenPGP's algorithm number and GnuPG's name for it (RFC 4880 §9.1, RFC 6637)."""
    public = key.pair.public
    if isinstance(public, RsaPublicKey):
        return f"1 {public.algorithm} 17 0"
    if role is ENCRYPT:
        return f"18 {public.algorithm}"
    number = 22 if public.curve_info.family is Family.EDWARDS else 19
    return f"{number} {public.algorithm}"


def _key_labels(_conn: Connection, card: Card) -> list[str]:
    return [f"{key.keyref} {key.pair.label.replace(' ', '_') or '-'}" for key in card.keys]


def _role(role: Role) -> Attribute:
    def lines(conn: Connection, card: Card) -> list[str]:
        key = conn.service.roles.key(role, card)
        if key is None:
            raise CommandError(GpgErr.NO_DATA, f"the card has no key for {role.place}")
        return [key.keyref]

    return lines


ATTRIBUTES: dict[str, Attribute] = {
    "SERIALNO": _serial,
    "APPTYPE": _apptype,
    "EXTCAP": _extcap,
    "MANUFACTURER": _manufacturer,
    "DISP-NAME": _display_name,
    "CHV-STATUS": _chv_status,
    "KEY-ATTR": _key_attributes,
    "KEY-LABEL": _key_labels,
    **{role.attribute: _role(role) for role in ROLES},
}
