"""GETATTR: a card's attributes, each a row of one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scd.assuan.arguments import Arguments
from scd.assuan.gpgerror import GpgErr
from scd.assuan.lines import escape
from scd.daemon.commands.cardwords import PKCS11
from scd.daemon.connection import Connection
from scd.daemon.failures import CommandError
from scd.daemon.table import command
from scd.gcrypt.curves import Family, curve_by_name
from scd.service.finding.catalogue import Card
from scd.service.finding.places import ENCRYPT, ROLES, SIGN, Role
from scd.service.kept.attached import Attachment
from scd.service.operations import Service
from scd.service.pins.prompts import LONGEST_PIN
from scd.service.writing.newkeys import DEFAULT_ALGORITHM, attribute_label, fitting
from scd.token.model import PinTries

APPLICATION = "openpgp"
"""What every token looks like to clients: gpg and gpg-card list keys of no unknown application."""

_VERSION = "304"  # of the OpenPGP card whose commands and limits these are, 3.4; Kleopatra's title for the card
_UNKNOWN = -2  # gpg-card's "no such PIN, or not known"; PKCS#11 has no counters
_RETRIES = {PinTries.LOCKED: 0, PinTries.FINAL: 1}

# What an OpenPGP card has and a token has not: known, and nothing to say of.
_ABSENT = frozenset({"SIG-COUNTER", "KDF", "UIF-1", "UIF-2", "UIF-3"})

_KINDS = "KEY-ATTR-INFO"
_OF_OPENPGP_KEYS = frozenset({"KEY-FPR", "KEY-TIME"})


@dataclass(frozen=True, slots=True)
class Face:
    """What a card's attributes are told from; `changeable` is whether its keys and data may be changed."""

    service: Service
    card: Card
    changeable: bool

    @property
    def data(self) -> Mapping[str, bytes]:
        return self.service.data(self.card)


Attribute = Callable[[Face], list[str]]


def face_of(conn: Connection, card: Card) -> Face:
    """The card as this client sees it."""
    return Face(conn.service, card, not conn.forbids_changes(card))


@command("GETATTR <name> [<keygrip>]")
async def getattr_(conn: Connection, args: Arguments) -> None:
    """Return an attribute of the card, or of the card that holds the key, as status lines.

    One that is known and not set gives no line.
    """
    words = args.words
    if not words:
        raise CommandError(GpgErr.ASS_PARAMETER, "the attribute's name is missing")
    name = words[0].upper()
    if name == "$DISPSERIALNO":
        conn.status(name, escape(await _display_serial(conn, words[1] if len(words) > 1 else "")))
        return
    if name in _ABSENT:
        return
    if name not in ATTRIBUTES and name != _KINDS:
        raise CommandError(GpgErr.INV_NAME, f"no attribute {name}")
    card = await _card_of(conn, words[1] if len(words) > 1 else "") or await conn.need_card()
    if name == _KINDS:
        await _tell_kinds(conn, card)
        return
    if name in _OF_OPENPGP_KEYS:
        await conn.service.look_at_keyrings()
    for line in ATTRIBUTES[name](face_of(conn, card)):
        conn.status(name, line)


async def _tell_kinds(conn: Connection, card: Card) -> None:
    """Which kinds of keys can be made for each place."""
    algorithms = await conn.service.algorithms(card)
    for role in ROLES:
        for algorithm in fitting(role, algorithms):
            conn.status(_KINDS, role.place, algorithm)


async def _card_of(conn: Connection, keygrip: str) -> Card | None:
    if not keygrip:
        return None
    found = await conn.service.find_all(keygrip, await conn.card())
    return found[0].card if found else None


async def _display_serial(conn: Connection, keygrip: str) -> str:
    """Always something: gpg-agent 2.2 to 2.5 dereferences a null pointer when this attribute fails (reference 6.9)."""
    card = await _card_of(conn, keygrip) or await conn.card()
    return card.display if card else "unknown"


def _serial(face: Face) -> list[str]:
    return [face.card.serial]


def _apptype(_face: Face) -> list[str]:
    return [APPLICATION]


def _appversion(_face: Face) -> list[str]:
    return [_VERSION]


def _extcap(face: Face) -> list[str]:
    """`ki`: keys can be imported; `aac`: algorithms chosen; `pd`: private data. No factory reset (`si`), no button."""
    can = int(face.changeable)
    return [f"gc=1+ki={can}+fc={can}+pd=1+mcl3=2048+aac={can}+sm=0+si=0+dec=0+bt=0+kdf=0"]


def _manufacturer(face: Face) -> list[str]:
    return [f"{PKCS11} {face.card.token.id.manufacturer}"]


def _display_name(face: Face) -> list[str]:
    return _text("DISP-NAME")(face) or [escape(face.card.token.id.label)]


def _chv_status(face: Face) -> list[str]:
    """`<several> <max1-3> <retry1> <retryRC> <retryAdmin>`: what the token does not tell is not invented.

    `several` is 0 when each signature wants the PIN: by SETATTR CHV-STATUS-1, or by the key itself.
    """
    token = face.card.token
    longest = min(token.pin_max or LONGEST_PIN, LONGEST_PIN)
    user, officer = (_RETRIES.get(tries, _UNKNOWN) for tries in (token.pin_tries, token.so_pin_tries))
    return [f"+{int(not _is_forced(face))}+{longest}+0+{longest}+{user}+{_UNKNOWN}+{officer}"]


def _is_forced(face: Face) -> bool:
    key = face.service.places.key(SIGN, face.card)
    return face.service.is_forced(face.card) or (key is not None and key.pair.always_authenticate)


def _key_attributes(face: Face) -> list[str]:
    """All three places: gpg-card generates only where it has seen an attribute."""
    return [f"{role.number} {_algorithm(role, _algorithm_name(face, role))}" for role in ROLES]


def _algorithm_name(face: Face, role: Role) -> str:
    """What was chosen for the place's next key, else what its present one is: what GENKEY makes there, too."""
    chosen = face.data.get(attribute_label(role))
    if chosen:
        return chosen.decode("ascii", "replace")
    key = face.service.places.occupants(face.card).get(role)
    return key.pair.public.algorithm if key else DEFAULT_ALGORITHM


def _algorithm(role: Role, name: str) -> str:
    """OpenPGP's algorithm number and GnuPG's name for it (RFC 4880 §9.1, RFC 6637)."""
    if name.startswith("rsa"):
        return f"1 {name} 17 0"
    if role is ENCRYPT:
        return f"18 {name}"
    curve = curve_by_name(name)
    return f"{22 if curve is not None and curve.family is Family.EDWARDS else 19} {name}"


def _attached(form: Callable[[Attachment], str]) -> Attribute:
    def lines(face: Face) -> list[str]:
        occupants = face.service.places.occupants(face.card)
        of = face.service.attachments.of
        found = ((role, of(key, encryption=role is ENCRYPT)) for role, key in occupants.items())
        return sorted(f"{role.number} {text}" for role, one in found if one is not None and (text := form(one)))

    return lines


def _fingerprint(attachment: Attachment) -> str:
    return attachment.fingerprint.hex().upper() if attachment.fingerprint else ""


def _created(attachment: Attachment) -> str:
    return str(attachment.created) if attachment.fingerprint else ""


def _ca_fingerprints(face: Face) -> list[str]:
    found = ((n, face.data.get(f"CA-FPR-{n}")) for n in (1, 2, 3))
    return [f"{n} {value.decode('ascii', 'replace')}" for n, value in found if value]


def _key_labels(face: Face) -> list[str]:
    places = face.service.places
    return [f"{places.ref(key, face.card)} {key.pair.label.replace(' ', '_') or '-'}" for key in face.card.keys]


def _text(name: str) -> Attribute:
    """A text that was set, as it is kept."""

    def lines(face: Face) -> list[str]:
        value = face.data.get(name)
        return [escape(value.decode("utf-8", "surrogateescape"))] if value else []

    return lines


def _role(role: Role) -> Attribute:
    """The key's name, or that of the empty place, as of an OpenPGP card."""

    def lines(face: Face) -> list[str]:
        key = face.service.placed(role, face.card)
        return [face.service.places.ref(key, face.card) if key else role.place]

    return lines


TEXTS = ("DISP-LANG", "DISP-SEX", "PUBKEY-URL", "LOGIN-DATA", *(f"PRIVATE-DO-{n}" for n in (1, 2, 3, 4)))

ATTRIBUTES: dict[str, Attribute] = {
    "SERIALNO": _serial,
    "APPTYPE": _apptype,
    "APPVERSION": _appversion,
    "EXTCAP": _extcap,
    "MANUFACTURER": _manufacturer,
    "DISP-NAME": _display_name,
    "CHV-STATUS": _chv_status,
    "KEY-ATTR": _key_attributes,
    "KEY-FPR": _attached(_fingerprint),
    "KEY-TIME": _attached(_created),
    "CA-FPR": _ca_fingerprints,
    "KEY-LABEL": _key_labels,
    **{name: _text(name) for name in TEXTS},
    **{role.attribute: _role(role) for role in ROLES},
}
