"""RESTART, RESET, DISCONNECT, OPTION, KILLSCD and Assuan's own commands."""

from __future__ import annotations

from scd.assuan.arguments import Arguments
from scd.assuan.gpgerror import GpgErr
from scd.daemon.connection import Connection
from scd.daemon.failures import CommandError
from scd.daemon.table import command

_HIGHEST_SIGNAL = 64


@command("RESTART")
async def restart(conn: Connection, _args: Arguments) -> None:
    """End this client's session: its data, its choice of card, its LOCK. The token stays logged in."""
    conn.forget_session()
    conn.daemon.lock.release(conn)


@command("RESET [--keep-lock]")
async def reset(conn: Connection, args: Arguments) -> None:
    """As RESTART, and log the card out, as a card's reset does; --keep-lock keeps the LOCK."""
    card = await conn.card()
    conn.forget_session()
    if not args.has("--keep-lock"):
        conn.daemon.lock.release(conn)
    if card is not None:
        await conn.service.logins.log_out(card)
        await conn.service.logins.forget_cached(card, conn)


@command("DISCONNECT")
async def disconnect(_conn: Connection, _args: Arguments) -> None:
    """Nothing to do: tokens are shared with other programs all the time."""


@command("KILLSCD", closing="closing connection")
async def killscd(conn: Connection, _args: Arguments) -> None:
    """End the daemon."""
    conn.close_after_reply()
    conn.daemon.stop_after(conn)


@command("OPTION <name> [=] <value>")
async def option(conn: Connection, args: Arguments) -> None:
    """event-signal=N: the signal gpg-agent wants when cards come and go; 0 for none. Other options change nothing."""
    written = args.options[0] if args.options else args.rest
    name, _, value = written.removeprefix("--").partition("=")
    if not value and " " in name.strip():
        name, _, value = name.strip().partition(" ")
    if not name.strip():
        raise CommandError(GpgErr.ASS_SYNTAX, "OPTION wants a name")
    if name.strip() != "event-signal":  # as scdaemon: a client of another version may know more options than we do
        return
    number = value.strip()
    if not number.isascii() or not number.isdigit() or int(number) > _HIGHEST_SIGNAL:
        raise CommandError(GpgErr.ASS_PARAMETER, "event-signal wants a signal number, 0 for none")
    if conn.is_pipe:  # whoever started us; a client of the socket cannot have its signals sent to it
        conn.daemon.watch.signal_agent(int(number))


@command("NOP")
async def nop(_conn: Connection, _args: Arguments) -> None:
    """Do nothing."""


@command("BYE", closing="closing connection")
async def bye(conn: Connection, _args: Arguments) -> None:
    """Close the connection."""
    conn.close_after_reply()
