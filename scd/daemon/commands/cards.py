"""SWITCHCARD, SWITCHAPP, DEVINFO, LOCK, UNLOCK: several cards and several clients side by side."""

from __future__ import annotations

import asyncio
import contextlib

from scd.assuan.arguments import Arguments
from scd.assuan.gpgerror import GpgErr
from scd.daemon.commands.attributes import APPLICATION
from scd.daemon.connection import Connection
from scd.daemon.failures import CommandError
from scd.daemon.table import command

_LOCK_PATIENCE_S = 1.0


@command("SWITCHCARD [<serialno>]")
async def switchcard(conn: Connection, args: Arguments) -> None:
    """Make the card with this serial number the current one; without it, say which one is."""
    if args.rest:
        card = conn.service.catalogue.by_serial(args.rest)
        if card is None:
            raise CommandError(GpgErr.NOT_FOUND, f"no card {args.rest}")
        conn.serial = conn.current = card.serial
        conn.stood_for = None
    else:
        card = await conn.card()
        if card is None:
            raise CommandError(GpgErr.CARD_NOT_INITIALIZED, "there is no current card")
    conn.status("SERIALNO", card.serial)


@command("SWITCHAPP [<appname>]")
async def switchapp(conn: Connection, args: Arguments) -> None:
    """Choose an application of the current card; every token has the one that looks like an OpenPGP card."""
    card = await conn.card()
    if card is None:
        raise CommandError(GpgErr.CARD_NOT_PRESENT, conn.service.absence.why())
    if args.rest and args.rest.lower() != APPLICATION:
        raise CommandError(GpgErr.NOT_FOUND, f"no application {args.rest}")
    conn.status("SERIALNO", card.serial, APPLICATION)


@command("LOCK [--wait]")
async def lock(conn: Connection, args: Arguments) -> None:
    """Keep the cards to this client until UNLOCK, RESTART, RESET or its end; --wait waits for its turn."""
    while not conn.daemon.lock.take(conn):
        if not args.has("--wait"):
            raise CommandError(GpgErr.LOCKED)
        if not await conn.daemon.lock.freed(_LOCK_PATIENCE_S):
            conn.status("PROGRESS", "scd_locked . 0 0")
            await conn.flush()


@command("UNLOCK")
async def unlock(conn: Connection, _args: Arguments) -> None:
    """Let the other clients in again."""
    if conn.daemon.lock.forbids(conn):
        raise CommandError(GpgErr.LOCKED)
    if not conn.daemon.lock.release(conn):
        raise CommandError(GpgErr.NOT_LOCKED)


@command("DEVINFO [--watch]")
async def devinfo(conn: Connection, args: Arguments) -> None:
    """List the cards; with --watch list them again after each change, until the client says anything or leaves."""
    watching = args.has("--watch")
    if watching and conn.is_pipe:
        raise CommandError(GpgErr.INV_HANDLE, "--watch needs a connection of its own")
    await conn.service.rescan()
    _list_devices(conn)
    if watching:
        await conn.flush()
        await _watch(conn)


async def _watch(conn: Connection) -> None:
    watch = conn.daemon.watch
    watch.look()
    seen = watch.changes
    before = {card.serial for card in conn.service.catalogue.cards}
    said = asyncio.create_task(conn.anything())
    try:
        while not said.done():
            change = asyncio.create_task(watch.change_after(seen))
            try:
                await asyncio.wait((said, change), return_when=asyncio.FIRST_COMPLETED)
                if not change.done():
                    break
            finally:
                change.cancel()
            seen = change.result()
            present = {card.serial for card in conn.service.catalogue.cards}
            conn.status("DEVINFO_STATUS", "new" if present - before else "removal")
            before = present
            _list_devices(conn)
            await conn.flush()
    finally:
        said.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await said


def _list_devices(conn: Connection) -> None:
    conn.status("DEVINFO_START")
    for card in conn.service.catalogue.cards:
        conn.status("DEVICE", "generic", card.serial, APPLICATION)
    conn.status("DEVINFO_END")
