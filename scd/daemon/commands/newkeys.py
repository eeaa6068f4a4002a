"""GENKEY and WRITEKEY: new keys on a token."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from scd.assuan.arguments import Arguments
from scd.assuan.gpgerror import GpgErr
from scd.daemon.commands.card import key_pair_info
from scd.daemon.connection import Connection
from scd.daemon.failures import CommandError
from scd.daemon.table import command
from scd.gcrypt.curves import algorithm_by_name
from scd.gcrypt.privkey import PrivateKey, parse_private_key
from scd.service.writing.newkeys import NewKey, NewKeys, Order
from scd.service.writing.targets import Target, target

KEYDATA_LIMIT = 16384
"""Octets; scdaemon takes 4096, which the key of RSA 8192 passes."""

_ISO_TIME = "%Y%m%dT%H%M%S"


@command("GENKEY [--force] [--timestamp=<isodate>] [--algo=ALGO] <keyref>")
async def genkey(conn: Connection, args: Arguments) -> None:
    """Generate a key on the token: for a place (1 to 3, OPENPGP.1 to OPENPGP.3), or under an id of its own (P11.…).

    --algo: rsa2048, rsa3072, rsa4096, nistp256, brainpoolP256r1, ed25519, cv25519 and others; by default what KEY-ATTR
    says. --force puts it where a key is already. A place that openpgp-sign, openpgp-encr or openpgp-auth gives to a
    key answers with that key, and nothing is generated.
    """
    created = _timestamp(args)
    where = await _target(conn, args)
    keys = NewKeys(conn.service)
    made = await keys.existing(where.role, where.card, created) if where.role else None
    if made is None:
        conn.must_be_allowed_to_change(where.card)
        algorithm = _algorithm(args.value("--algo") or keys.algorithm(where))
        made = await keys.generate(Order(where, created, args.has("--force")), algorithm, conn)
    _tell(conn, made)


@command("WRITEKEY [--force] <keyid>")
async def writekey(conn: Connection, args: Arguments) -> None:
    """Put a private key on the token, for a place (OPENPGP.1 to OPENPGP.3) or under an id of its own (P11.…).

    The key is asked for as canonical S-expression (INQUIRE KEYDATA). The token never gives it back.
    """
    where = await _target(conn, args)
    conn.must_be_allowed_to_change(where.card)
    keys, order = NewKeys(conn.service), Order(where, None, args.has("--force"), imported=True)
    keys.require_place(order)
    private, created = await _keydata(conn)
    await keys.import_key(replace(order, created=created or None), private, conn)


async def _target(conn: Connection, args: Arguments) -> Target:
    words = args.words
    if not words:
        raise CommandError(GpgErr.ASS_PARAMETER, "the key's place or id is missing")
    await conn.service.rescan(again=True)
    await conn.service.look_at_keyrings()
    card = await conn.need_card()
    found = target(words[0], card, conn.service.catalogue, conn.service.places)
    if found is None:
        said = f"{words[0]} is neither a place (OPENPGP.1 to OPENPGP.3) nor an id of this card"
        raise CommandError(GpgErr.INV_ID, said)
    return found


async def _keydata(conn: Connection) -> tuple[PrivateKey, int | None]:
    data = await conn.inquire("KEYDATA", limit=KEYDATA_LIMIT)
    try:
        return await asyncio.to_thread(parse_private_key, bytes(data))  # it computes the public half
    except ValueError as error:
        raise CommandError(GpgErr.INV_DATA, str(error)) from None
    finally:
        data[:] = bytes(len(data))


def _timestamp(args: Arguments) -> int | None:
    """Seconds since the epoch of `--timestamp=YYYYMMDDTHHMMSS`, UTC."""
    import calendar  # and datetime with it: seldom needed

    written = args.value("--timestamp")
    if written is None:
        return None
    try:
        seconds = calendar.timegm(time.strptime(written, _ISO_TIME))
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1 << 32:
        raise CommandError(GpgErr.INV_TIME, f"--timestamp={written}: not a time like 20261122T053646 after 1970")
    return seconds


def _algorithm(written: str) -> str:
    name = algorithm_by_name(written)
    if name is not None:
        return name
    known = "rsa2048 and other lengths, nistp256, brainpoolP256r1, ed25519, cv25519 and others"
    raise CommandError(GpgErr.UNKNOWN_ALGORITHM, f"--algo={written}: known are {known}")


def _tell(conn: Connection, made: NewKey) -> None:
    """gpg reads KEY-CREATED-AT alone, as a decimal number (protocol reference 2.13)."""
    conn.status("SERIALNO", made.key.card.serial)
    conn.status("KEYPAIRINFO", key_pair_info(conn, made.key, made.key.card))
    if made.attachment.fingerprint is not None:
        conn.status("KEY-FPR", made.attachment.fingerprint.hex().upper())
    conn.status("KEY-CREATED-AT", str(made.attachment.created))
