"""SETATTR: what people want to find on their card again."""

from __future__ import annotations

from collections.abc import Callable

from scd.assuan.arguments import Arguments
from scd.assuan.gpgerror import GpgErr
from scd.assuan.lines import unescape
from scd.daemon.commands.attributes import TEXTS
from scd.daemon.connection import Connection
from scd.daemon.failures import CommandError
from scd.daemon.table import command
from scd.gcrypt.curves import algorithm_by_name
from scd.service.finding.catalogue import Card, CardKey
from scd.service.finding.places import ENCRYPT, ROLES, Role
from scd.service.kept.attached import Attachment, made
from scd.service.kept.labels import key_label, longest
from scd.service.operations import Service
from scd.service.writing.newkeys import attribute_label

_PURPOSE = "change the card's data"
_VERSION_4 = (20,)
_VERSION_4_OR_5 = (20, 32)
_INQUIRED_LIMIT = 1024

Record = tuple[str, bytes | None]
"""A label of the card's metadata and its new value, None for none."""

Setter = Callable[[Service, Card, str, bytes], Record]
"""From service, card, the attribute's name and the value as it came to what is kept."""


@command("SETATTR [--inquire] <name> <value>", confidential=True)
async def setattr_(conn: Connection, args: Arguments) -> None:
    """Keep a value for the card: on the token where it keeps data, else in a file in the GnuPG home.

    <value> is percent-plus escaped; with --inquire it is asked for (INQUIRE VALUE). An empty one, or blanks, forgets
    it. Names: DISP-NAME, DISP-LANG, DISP-SEX, PUBKEY-URL, LOGIN-DATA, PRIVATE-DO-1 to PRIVATE-DO-4, CA-FPR-1 to
    CA-FPR-3, KEY-ATTR, KEY-FPR-1 to KEY-FPR-3, KEY-TIME-1 to KEY-TIME-3, CHV-STATUS-1.
    """
    name, _, escaped = args.rest.partition(" ")
    setter = SETTERS.get(name.upper())
    if not name or (not escaped and not args.has("--inquire")):
        raise CommandError(GpgErr.ASS_PARAMETER, "SETATTR NAME VALUE")
    if setter is None:
        raise CommandError(GpgErr.INV_NAME, f"no attribute {name} that can be set; HELP SETATTR lists them")
    card = await conn.need_card()
    conn.must_be_allowed_to_change()
    if args.has("--inquire"):
        value = bytes(await conn.inquire("VALUE", limit=_INQUIRED_LIMIT))
    else:
        value = unescape(escaped.strip()).encode("utf-8", "surrogateescape")
    await conn.service.look_at_keyrings()
    label, kept = setter(conn.service, card, name.upper(), value)
    if kept is not None and len(kept) > longest(label):
        raise CommandError(GpgErr.TOO_LARGE, f"{name} has room for {longest(label)} octets, not {len(kept)}")
    try:
        await conn.service.record(card, {label: kept}, _PURPOSE, conn)
    finally:
        await conn.service.logins.operation_done(card)


def _text(_service: Service, _card: Card, name: str, value: bytes) -> Record:
    """gpg and gpg-card send blanks to clear a field, and 9 (not announced) for the salutation."""
    return name, value if value.strip(b" ") else None


def _ca_fingerprint(_service: Service, _card: Card, name: str, value: bytes) -> Record:
    octets = _fingerprint(name, value, _VERSION_4)
    return name, octets.hex().upper().encode() if octets.strip(b"\0") else None


def _forced(_service: Service, _card: Card, name: str, value: bytes) -> Record:
    if value not in (b"\0", b"\1"):
        raise CommandError(GpgErr.INV_VALUE, "CHV-STATUS-1 is %00, the PIN for each signature, or %01")
    return name, b"0" if value == b"\0" else None


def _key_attribute(_service: Service, _card: Card, _name: str, value: bytes) -> Record:
    """`[--force] <place> <OpenPGP's number> <name>`, as gpg and gpg-card write it."""
    words = [word for word in value.decode("utf-8", "replace").split() if word != "--force"]
    role = next((role for role in ROLES if words and words[0] == str(role.number)), None)
    algorithm = algorithm_by_name(words[2]) if len(words) == 3 else None
    if role is None or algorithm is None:
        raise CommandError(GpgErr.INV_VALUE, "KEY-ATTR is [--force] PLACE NUMBER ALGORITHM, as in 1 1 rsa3072")
    return attribute_label(role), algorithm.encode()


def _key_fingerprint(role: Role) -> Setter:
    """The key in the place is, from now on, this OpenPGP key."""

    def record(service: Service, card: Card, name: str, value: bytes) -> Record:
        key, octets = _in_place(service, card, role), _fingerprint(name, value, _VERSION_4_OR_5)
        label = key_label(key.pair.keygrip)
        if not octets.strip(b"\0"):
            return label, None
        created = service.attachments.since(key)
        if created is None:
            raise CommandError(GpgErr.INV_STATE, f"when was the key made? SETATTR KEY-TIME-{role.number} comes first")
        return label, Attachment(created, octets).encoded()

    return record


def _key_time(role: Role) -> Setter:
    """With the time the fingerprint is known, too."""

    def record(service: Service, card: Card, name: str, value: bytes) -> Record:
        key = _in_place(service, card, role)
        digits = value.decode("ascii", "replace").strip()
        if not digits.isdigit() or int(digits) >= 1 << 32:
            raise CommandError(GpgErr.INV_TIME, f"{name} is a number of seconds since the epoch")
        attachment = made(key.pair.public, int(digits), encryption=role is ENCRYPT)
        return key_label(key.pair.keygrip), attachment.encoded() if int(digits) else None

    return record


def _in_place(service: Service, card: Card, role: Role) -> CardKey:
    key = service.places.key(role, card)
    if key is None:
        raise CommandError(GpgErr.NO_DATA, f"the card has no key for {role.place}")
    return key


def _fingerprint(name: str, value: bytes, lengths: tuple[int, ...]) -> bytes:
    """Its octets, as they are or in hex digits."""
    if len(value) in lengths:
        return value
    try:
        octets = bytes.fromhex(value.decode("ascii", "replace"))
    except ValueError:
        octets = b""
    if len(octets) not in lengths:
        raise CommandError(GpgErr.INV_VALUE, f"{name} is a fingerprint of {' or '.join(map(str, lengths))} octets")
    return octets


SETTERS: dict[str, Setter] = {
    **dict.fromkeys(("DISP-NAME", *TEXTS), _text),
    **{f"CA-FPR-{n}": _ca_fingerprint for n in (1, 2, 3)},
    **{f"KEY-FPR-{role.number}": _key_fingerprint(role) for role in ROLES},
    **{f"KEY-TIME-{role.number}": _key_time(role) for role in ROLES},
    "KEY-ATTR": _key_attribute,
    "CHV-STATUS-1": _forced,
}
