"""After its token was pulled, a client was answered from memory, or with another token's key of the same place.

scdaemon 2.5.13 says "Card removed" to every command about the card until SERIALNO.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.assuan_client import AssuanClient
from tests.harness.drawer import Drawer
from tests.regress.tokens import ANSWERS, PlainTokens, daemon

CARD_REMOVED = 110
COMMANDS = (
    "LEARN --force", "GETATTR DISP-NAME", "GETATTR KEY-FPR", "GETATTR $AUTHKEYID", "RANDOM 8", "CHECKPIN",
    "CHECKPIN OPENPGP.1", "SETATTR DISP-NAME x", "PASSWD 1", "READKEY OPENPGP.1", "READCERT OPENPGP.3",
    "GENKEY --force 1", "PKSIGN OPENPGP.1", "PKAUTH OPENPGP.1", "PKDECRYPT OPENPGP.2",
)  # fmt: skip


def make(folder: Path, *labels: str) -> PlainTokens:
    tokens = PlainTokens(folder / "softhsm")
    for label in labels:
        tokens.init(label)
        tokens.generate(label, "EC:prime256v1", "--id", "01")
    return tokens


def at_work(client: AssuanClient) -> str:
    """A client in the middle of its work; the label of its token."""
    assert client.transact("SERIALNO").ok
    assert client.transact("SETDATA " + "AB" * 32).ok
    (shown,) = client.transact("GETATTR $DISPSERIALNO").values("$DISPSERIALNO")
    return shown.partition("+")[0]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("labels", [("one",), ("one", "two")], ids=["alone", "beside another"])
def test_the_client_is_told_until_it_asks_for_a_card(tmp_path: Path, labels: tuple[str, ...], command: str) -> None:
    tokens = make(tmp_path, *labels)
    with daemon(tokens, tmp_path) as client:
        Drawer(tokens).take_away(at_work(client))
        for _ in range(2):
            reply = client.transact(command, ANSWERS)
            assert (reply.code, reply.inquiries) == (CARD_REMOVED, [])
        assert client.transact("SERIALNO").ok is (len(labels) == 2)
        if len(labels) == 2:
            assert client.transact("GETATTR DISP-NAME").ok


def test_active_apps_without_a_card_is_ok(tmp_path: Path) -> None:
    tokens = make(tmp_path, "one")
    Drawer(tokens).take_away("one")
    with daemon(tokens, tmp_path) as client:
        for item in ("active_apps", "all_active_apps"):
            reply = client.transact(f"GETINFO {item}")
            assert (reply.code, reply.status) == (0, [])
