"""GETINFO and HELP: the daemon about itself."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Awaitable, Callable

from scd.assuan.arguments import Arguments
from scd.assuan.gpgerror import GpgErr
from scd.assuan.lines import comment, escape
from scd.daemon.commands.attributes import APPLICATION
from scd.daemon.commands.cardwords import manufacturer, status_word
from scd.daemon.connection import Connection
from scd.daemon.failures import CommandError
from scd.daemon.table import COMMANDS, command
from scd.service.finding.registry import RegisteredModule

log = logging.getLogger(__name__)

# gpg warns of every server whose number is lower than its own, whatever the server is; there is no other use of it.
VERSION_FOR_CLIENTS = "99.0"


@command("GETINFO <what>")
async def getinfo(conn: Connection, args: Arguments) -> None:
    """Return information about the daemon.

    version, pid, socket_name, connections, status, reader_list, deny_admin, app_list, card_list, active_apps,
    all_active_apps, cmd_has_option CMD OPT, manufacturer N, apdu_strerror N, dump_state.
    """
    words = args.words
    item = _ITEMS.get(words[0].lower()) if words else None
    if item is None:
        raise CommandError(GpgErr.ASS_PARAMETER, "unknown item; HELP GETINFO lists them")
    await item(conn, words[1:])


async def _version(conn: Connection, _words: tuple[str, ...]) -> None:
    conn.send_data(VERSION_FOR_CLIENTS.encode())


async def _pid(conn: Connection, _words: tuple[str, ...]) -> None:
    conn.send_data(str(os.getpid()).encode())


async def _socket_name(conn: Connection, _words: tuple[str, ...]) -> None:
    if conn.daemon.socket_name is None:
        raise CommandError(GpgErr.NO_DATA, "there is no socket in this mode")
    conn.send_data(os.fsencode(conn.daemon.socket_name))


async def _connections(conn: Connection, _words: tuple[str, ...]) -> None:
    conn.send_data(str(len(conn.daemon.connections)).encode())


async def _status(conn: Connection, _words: tuple[str, ...]) -> None:
    """`u`: a usable card; `r`: none."""
    await conn.service.rescan()
    conn.send_data(b"u" if await conn.card() else b"r")


async def _reader_list(conn: Connection, _words: tuple[str, ...]) -> None:
    """One module a line; one that failed says so behind its name."""
    registry = conn.service.catalogue.registry
    if not registry.modules:
        raise CommandError(GpgErr.NO_DATA, registry.without_modules)
    await conn.service.rescan()
    conn.send_data("".join(f"{escape(_reader(entry))}\n" for entry in registry.modules).encode())


def _reader(entry: RegisteredModule) -> str:
    return f"PKCS#11 {entry.name} (failed: {entry.failure})" if entry.failure else f"PKCS#11 {entry.name}"


async def _deny_admin(conn: Connection, _words: tuple[str, ...]) -> None:
    if not conn.daemon.deny_admin:
        raise CommandError(GpgErr.GENERAL, "admin commands are allowed")


async def _app_list(conn: Connection, _words: tuple[str, ...]) -> None:
    conn.send_data(f"{APPLICATION}:\n".encode())


async def _card_list(conn: Connection, _words: tuple[str, ...]) -> None:
    await conn.service.rescan()
    if not conn.service.catalogue.cards:
        raise CommandError(GpgErr.CARD_NOT_PRESENT, conn.service.absence.why())
    for card in conn.service.catalogue.ordered(await conn.card()):
        conn.status("SERIALNO", card.serial)


async def _active_apps(conn: Connection, _words: tuple[str, ...]) -> None:
    """Nothing without a card."""
    card = await conn.card()
    if card is not None:
        conn.status("SERIALNO", card.serial, APPLICATION)


async def _all_active_apps(conn: Connection, _words: tuple[str, ...]) -> None:
    await conn.service.rescan()
    for card in conn.service.catalogue.cards:
        conn.status("SERIALNO", card.serial, APPLICATION)


async def _cmd_has_option(_conn: Connection, words: tuple[str, ...]) -> None:
    """False for an option that the command does not have, and for a command that is not there, as scdaemon has it."""
    if len(words) < 2:
        raise CommandError(GpgErr.MISSING_VALUE, "cmd_has_option CMD OPT")
    spec = COMMANDS.get(words[0].upper())
    if spec is None or words[1].removeprefix("--") not in options_in(spec.usage):
        raise CommandError(GpgErr.FALSE)


def options_in(usage: str) -> set[str]:
    """The names of the options in a usage line, those in brackets in both forms: `--info[-only]`, `--[dump-]atr`."""
    found = set()
    for before, within, name, behind in re.findall(r"--([a-z-]*)(?:\[([a-z]+-)\])?([a-z-]*)(?:\[(-[a-z-]+)\])?", usage):
        for first in {"", within}:
            found |= {f"{before}{first}{name}{last}" for last in {"", behind}}
    return found


async def _manufacturer(conn: Connection, words: tuple[str, ...]) -> None:
    conn.send_data(manufacturer(_number("manufacturer", words)).encode())


async def _apdu_strerror(conn: Connection, words: tuple[str, ...]) -> None:
    conn.send_data(status_word(_number("apdu_strerror", words)).encode())


def _number(item: str, words: tuple[str, ...]) -> int:
    """Decimal, or hexadecimal with 0x."""
    text = words[0] if words else ""
    if not re.fullmatch(r"0[xX][0-9A-Fa-f]{1,8}|[0-9]{1,10}", text):
        raise CommandError(GpgErr.ASS_PARAMETER, f"{item} NUMBER, as 10 or 0xA")
    return int(text, 16 if text[1:2] in ("x", "X") else 10)


async def _dump_state(conn: Connection, _words: tuple[str, ...]) -> None:
    log.info("state: %s", conn.daemon.statistics.text())


_ITEMS: dict[str, Callable[[Connection, tuple[str, ...]], Awaitable[None]]] = {
    "version": _version,
    "pid": _pid,
    "socket_name": _socket_name,
    "connections": _connections,
    "status": _status,
    "reader_list": _reader_list,
    "deny_admin": _deny_admin,
    "app_list": _app_list,
    "card_list": _card_list,
    "active_apps": _active_apps,
    "all_active_apps": _all_active_apps,
    "cmd_has_option": _cmd_has_option,
    "manufacturer": _manufacturer,
    "apdu_strerror": _apdu_strerror,
    "dump_state": _dump_state,
}


@command("HELP [<command>]")
async def help_(conn: Connection, args: Arguments) -> None:
    """List the commands, or explain one."""
    if not args.rest:
        conn.send(comment("\n".join(spec.usage for spec in COMMANDS.values())))
        return
    spec = COMMANDS.get(args.rest.upper())
    if spec is None:
        raise CommandError(GpgErr.ASS_UNKNOWN_CMD)
    conn.send(comment(f"{spec.usage}\n\n{_dedent(spec.help)}"))


def _dedent(docstring: str) -> str:
    return "\n".join(line.strip() for line in docstring.strip().split("\n"))
