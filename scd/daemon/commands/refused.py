"""scdaemon's commands that scd knows by name and does not do."""

from __future__ import annotations

from scd.assuan.arguments import Arguments
from scd.assuan.gpgerror import GpgErr
from scd.daemon.connection import Connection
from scd.daemon.failures import CommandError
from scd.daemon.table import Handler, command

_REFUSED = {
    "APDU": "[--[dump-]atr] [--more] [--exlen[=N]] [hexstring]",
    "INPUT": "",
    "OUTPUT": "",
    "AUTH": "",
}


def _refuse(name: str) -> Handler:
    async def refuse(_conn: Connection, _args: Arguments) -> None:
        raise CommandError(GpgErr.NOT_SUPPORTED, f"{name} is not supported")

    refuse.__doc__ = "Not supported by scd."
    return refuse


for _name, _usage in _REFUSED.items():
    command(f"{_name} {_usage}".rstrip(), confidential=True)(_refuse(_name))
