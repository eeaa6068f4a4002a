"""The table of commands: name, usage, help, handler. The families in `scd.daemon.commands` fill it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scd.assuan.arguments import Arguments

if TYPE_CHECKING:
    from scd.daemon.connection import Connection

Handler = Callable[["Connection", Arguments], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """`help` is the handler's docstring; `confidential` keeps the arguments out of traces; `closing` follows OK."""

    name: str
    usage: str
    help: str
    handler: Handler
    confidential: bool
    closing: str


COMMANDS: dict[str, CommandSpec] = {}


def command(usage: str, *, confidential: bool = False, closing: str = "") -> Callable[[Handler], Handler]:
    """Enter a handler; the first word of `usage` is the command's name."""

    def enter(handler: Handler) -> Handler:
        name = usage.split()[0]
        COMMANDS[name] = CommandSpec(name, usage, handler.__doc__ or "", handler, confidential, closing)
        return handler

    return enter
