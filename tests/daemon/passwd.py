"""What the tests of PASSWD and CHECKPIN share: the PINs, error codes, and a person who types."""

from __future__ import annotations

from urllib.parse import unquote

from tests.daemon.memory import Answer, Client
from tests.fakes.fake_module import Op

NOT_FOUND, NOT_SUPPORTED, CARD_REMOVED, INV_ID, UNSUPPORTED, CONDITIONS = 27, 60, 110, 118, 124, 131
EACCES = 32769
SO, NEW, NEW_SO = b"work-so-pin-314159", b"another-pin-299792", b"another-so-pin-602214"
OFFICERS = [("PASSWD --reset 1", Op.RESET_PIN), ("PASSWD  3", Op.CHANGE_SO_PIN), ("CHECKPIN {}[CHV3]", Op.CHECK_SO_PIN)]
CHANGES = ["PASSWD 1", "PASSWD --reset 1", "PASSWD 3"]


async def ask(client: Client, line: str, *pins: bytes) -> Answer:
    """One command; the person types these, then cancels."""
    client.pins = list(pins)
    if "{}" in line:
        line = line.format((await client.ask("SERIALNO")).status("SERIALNO")[0])
    return await client.ask(line)


def texts(answer: Answer) -> list[str]:
    return [unquote(asked) for asked in answer.asked]


def flags(answer: Answer) -> list[str]:
    return [asked.split("|")[1] for asked in answer.asked]
