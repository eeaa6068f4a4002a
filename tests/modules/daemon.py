"""The daemon on a bed, with the commands the tests need as methods."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.harness.assuan_client import AssuanClient, Reply, RunningScd, pin_reply
from tests.modules.beds.bed import Bed, BedKey
from tests.modules.libgcrypt import keygrip


@dataclass(frozen=True)
class TokenDaemon:
    """A running daemon and the bed it runs on; `log` is its log file."""

    running: RunningScd
    bed: Bed
    log: Path

    @property
    def client(self) -> AssuanClient:
        """gpg-agent's connection."""
        return self.running.client

    def listed(self) -> dict[str, list[str]]:
        """LEARN's KEYPAIRINFO lines by keygrip: keyref, usage, time, algorithm."""
        lines = self.ok("LEARN --force").values("KEYPAIRINFO")
        return {line.split()[0]: line.split()[1:] for line in lines}

    def ok(self, command: str, pin: str | None = None) -> Reply:
        """A command that must succeed."""
        reply = self.ask(command, pin)
        assert reply.ok, f"{command}: {reply.code} {reply.text}\n{self.said()}"
        return reply

    def ask(self, command: str, pin: str | None = None) -> Reply:
        """A command; the PIN question is answered with `pin`, or cancelled."""
        return self.client.transact(command, {"NEEDPIN": None if pin is None else pin_reply(pin)})

    def use(self, command: str, key: BedKey, data: bytes, pin: str | None = None) -> Reply:
        """PKSIGN, PKAUTH or PKDECRYPT with a key and the data of SETDATA."""
        for start in range(0, len(data), 400):
            more = "--append " if start else ""
            self.ok(f"SETDATA {more}{data[start : start + 400].hex().upper()}")
        return self.ask(f"{command} {keygrip(key.public)}", pin)

    def said(self) -> str:
        """What the daemon wrote, for a failure's report."""
        texts = [path.read_text(errors="replace") for path in (self.log, self.running.stderr) if path.exists()]
        return "".join(text[-3000:] for text in texts)
