"""SERIALNO, LEARN: which card, and what is on it."""

from __future__ import annotations

from scd.assuan.arguments import Arguments
from scd.assuan.gpgerror import GpgErr
from scd.assuan.lines import escape
from scd.daemon.commands.attributes import ATTRIBUTES, TEXTS, face_of
from scd.daemon.connection import Connection
from scd.daemon.failures import CommandError
from scd.daemon.table import command
from scd.service.finding.catalogue import Card, CardKey
from scd.service.finding.places import ENCRYPT

# Applications a client may ask for by name; scd shows every token as an OpenPGP-like card.
_APPLICATIONS = frozenset({"", "openpgp", "pkcs11", "undefined"})
_LEARN_ATTRIBUTES = (
    "APPTYPE", "APPVERSION", "EXTCAP", "MANUFACTURER", "DISP-NAME", *TEXTS, "KEY-FPR", "KEY-TIME", "CA-FPR",
    "CHV-STATUS",
)  # fmt: skip


@command("SERIALNO [--demand=<serialno>] [--all] [<apptype>]")
async def serialno(conn: Connection, args: Arguments) -> None:
    """Choose a card and return its serial number.

    Without --demand it is the card chosen before, else the default one. All modules are asked for their tokens, so
    this is how clients notice a new one.
    """
    if args.rest.lower() not in _APPLICATIONS:
        raise CommandError(GpgErr.NOT_SUPPORTED, f"no application {args.rest}")
    await conn.service.rescan()
    conn.current = conn.stood_for = None
    conn.looks_at_one = args.has("--all")
    demanded = args.value("--demand")
    if demanded is not None:
        await _choose(conn, demanded)
        conn.status("SERIALNO", demanded.upper())
        return
    if conn.serial is not None and conn.service.catalogue.by_serial(conn.serial) is None:
        conn.serial = None
    card = await conn.card()
    if card is None:
        await conn.slowdown.pause()
        raise CommandError(GpgErr.ENODEV, conn.service.absence.why())
    conn.status("SERIALNO", card.serial)


async def _choose(conn: Connection, demanded: str) -> Card:
    """The card with this serial becomes the client's, or the one that stands for it: an old stub's, a backup."""
    card = conn.service.catalogue.by_serial(demanded)
    conn.stood_for = None if card else demanded
    card = card or conn.service.stand_in(demanded)
    if card is None:
        await conn.slowdown.pause()
        raise CommandError(GpgErr.ENODEV, conn.service.absence.why_not(demanded))
    conn.serial = conn.current = card.serial
    return card


@command("LEARN [--demand=<serialno>] [--force] [--keypairinfo] [--reread] [--multi]")
async def learn(conn: Connection, args: Arguments) -> None:
    """List the card's attributes, certificates and keys; of all cards when none was chosen.

    --reread reads objects anew that were read before. Without --force the client is asked whether it knows the card
    already (INQUIRE KNOWNCARDP). Never asks for a PIN: CHECKPIN unlocks tokens that hide their objects.
    """
    await conn.service.rescan(again=True)
    if args.has("--reread"):
        await conn.service.reread()
    demanded = args.value("--demand")
    if demanded is not None:
        await _choose(conn, demanded)
    card = await conn.need_card()
    await conn.service.look_at_keyrings()
    alone = conn.serial is not None or (conn.looks_at_one and not args.has("--keypairinfo"))
    cards = [card] if alone else list(conn.service.catalogue.ordered(card))
    if not args.has("--keypairinfo"):
        await _introduce(conn, card, known=not args.has("--force"))
        for one in cards:
            _list_certificates(conn, one, card)
    for one in cards:
        for key in one.keys:
            conn.status("KEYPAIRINFO", key_pair_info(conn, key, card))


async def _introduce(conn: Connection, card: Card, *, known: bool) -> None:
    title = conn.service.catalogue.title(card)
    # A colon would spoil the line of `gpg --with-colons --card-status`, which shows the name as it is.
    conn.status("READER", escape(f"PKCS#11 {card.module.name} ({title})".replace(":", ".")))
    conn.status("SERIALNO", card.serial)
    if known:
        await conn.inquire("KNOWNCARDP", card.serial)
    for name in _LEARN_ATTRIBUTES:
        for line in ATTRIBUTES[name](face_of(conn, card)):
            conn.status(name, line)


def _list_certificates(conn: Connection, card: Card, current: Card) -> None:
    title = _plain(conn.service.catalogue.title(card))
    for key in card.keys:
        # gnupg-pkcs11-scd's users find their keygrips in this line, and its manual spells it so.
        conn.status("KEY-FRIEDNLY", key.keygrip_hex, f"{_plain(key.friendly_name)} on {title}")
        if key.pair.certificate is not None:
            conn.status("CERTINFO", "101", conn.service.places.ref(key, current))
    for one in card.certificates:
        conn.status("CERTINFO", "102", one.keyref)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def key_pair_info(conn: Connection, key: CardKey, card: Card | None) -> str:
    """`<grip> <keyref> <usage> <keytime> <algo>` for a client that works with `card` (protocol reference 3.3)."""
    places, attachments = conn.service.places, conn.service.attachments
    role = places.role(key)
    created = (attachments.since(key, encryption=role is ENCRYPT) if role else attachments.created(key)) or "-"
    return f"{key.keygrip_hex} {places.ref(key, card)} {places.usage(key)} {created} {key.pair.public.algorithm}"
