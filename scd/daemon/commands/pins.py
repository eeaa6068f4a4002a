"""PASSWD and CHECKPIN: PINs changed, set anew and compared."""

from __future__ import annotations

import re

from scd.assuan.arguments import Arguments
from scd.assuan.gpgerror import GpgErr
from scd.daemon.connection import Connection
from scd.daemon.failures import CommandError
from scd.daemon.table import command
from scd.service.finding.catalogue import Card, CardKey
from scd.service.pins.pinchange import CHANGE, CHANGE_OFFICERS, RESET, PinChange, PinChanges

# An OpenPGP card's three; here 1 is the token's PIN, 3 its SO PIN, and 2, the Reset Code, does not exist.
_CHV = {name: number for number in (1, 2, 3) for name in (str(number), f"OPENPGP.{number}")}
_OPTIONS = ("--reset", "--nullpin", "--clear")
_CHANGES: dict[tuple[int, str], PinChange] = {
    (1, ""): CHANGE,
    (1, "--reset"): RESET,
    (1, "--nullpin"): RESET,
    (3, ""): CHANGE_OFFICERS,
}
_KEYGRIP = re.compile(r"[0-9A-Fa-f]{40}")
_FOREIGN = re.compile(r"(PIV|PKCS15|PW[12]|CHV)\..*", re.IGNORECASE)  # how other cards' PINs are called
_CHECKED = re.compile(r"(?P<name>.*?)(\[CHV(?P<chv>[123])\])?", re.IGNORECASE | re.DOTALL)


@command("PASSWD [--reset|--nullpin|--clear] [<chvno>|<keyref>] [<keygrip>]")
async def passwd(conn: Connection, args: Arguments) -> None:
    """Change a PIN of the current card, or of the card that holds the key.

    1, OPENPGP.1, a key's id, a serial number or nothing: the PIN. 3 or OPENPGP.3: the Admin PIN, which is the token's
    SO PIN. With --reset 1 the Admin PIN sets a new PIN; with --nullpin 1 it sets the first one, on a token that has
    none. --clear changes nothing and logs the card out. A token has no Reset Code (2).
    """
    chosen = [option for option in _OPTIONS if args.has(option)]
    if len(chosen) > 1:
        raise CommandError(GpgErr.UNSUPPORTED_OPERATION, f"{' and '.join(chosen)} do not go together")
    await conn.service.rescan()
    card, chv = await _wanted(conn, args.words)
    if chosen == ["--clear"]:
        await conn.service.logins.log_out(card)
        await conn.service.logins.forget_cached(card, conn)
        return
    conn.must_be_allowed_to_change(card)
    change = _change(card, chv, "".join(chosen))
    try:
        await PinChanges(conn.service.logins).carry_out(change, card, conn)
    finally:
        await conn.service.rescan(again=True)  # what is told of its tries; what its login has shown


def _change(card: Card, chv: int, option: str) -> PinChange:
    if chv == 2:
        said = "a token has no Reset Code; PASSWD --reset 1 sets a new PIN with the Admin PIN (SO PIN)"
        raise CommandError(GpgErr.NOT_SUPPORTED, said)
    if (chv, option) not in _CHANGES:
        raise CommandError(GpgErr.INV_ID, f"{option} is for PIN 1 only")
    if option == "--nullpin" and card.token.pin_initialized:
        said = f'token "{card.token.id.label}" has a PIN; PASSWD 1 changes it, PASSWD --reset 1 sets a new one'
        raise CommandError(GpgErr.USE_CONDITIONS, said)
    return _CHANGES[chv, option]


async def _wanted(conn: Connection, words: tuple[str, ...]) -> tuple[Card, int]:
    """The card, and which of its PINs."""
    name = words[0] if words else ""
    chv = _CHV.get(name.upper())
    if chv is None and name.isdigit() and len(name) == 1:
        raise CommandError(GpgErr.INV_ID, f"there is no PIN {name}; 1 is the PIN, 3 the Admin PIN (SO PIN)")
    if len(words) > 1 and _KEYGRIP.fullmatch(words[1]):
        found = await conn.service.find_all(words[1], await conn.card())
        if not found:
            raise CommandError(GpgErr.NOT_FOUND, f"no token has the key {words[1]}")
        return found[0].card, chv or 1
    if chv is not None:
        return await conn.need_card(), chv
    card, _key = await _named_card(conn, name)
    return card, 1


@command("CHECKPIN <idstr>")
async def checkpin(conn: Connection, args: Arguments) -> None:
    """Log in to the token that is, or that holds, <idstr>: a serial number, a key's id, or nothing for the current
    card.

    The PIN is asked for unless the token is logged in. <serialno>[CHV3] compares the Admin PIN, which is the token's
    SO PIN; that ends the login.
    """
    wanted = _CHECKED.fullmatch(args.rest)
    name, chv = (wanted["name"], wanted["chv"]) if wanted else (args.rest, None)
    await conn.service.rescan()
    card, key = await _named_card(conn, name)
    if chv != "3" and (card.token.logged_in or not card.token.login_required):
        return
    try:
        if chv == "3":
            conn.must_be_allowed_to_change(card)
            await PinChanges(conn.service.logins).check_officers(card, conn)
        else:
            await conn.service.check_pin(card, key, conn)
    finally:
        await conn.service.rescan(again=chv == "3")


async def _named_card(conn: Connection, name: str) -> tuple[Card, CardKey | None]:
    """The card with this serial number, which a fingerprint may follow, or with this key; the current one for none."""
    if not name:
        return await conn.need_card(), None
    card = conn.service.catalogue.by_serial(name.partition("/")[0])
    if card is not None:
        return card, None
    found = await conn.service.find_all(name, await conn.card_for(name))
    if found:
        return found[0].card, found[0]
    if name.upper() in _CHV:  # a place without a key is the card's, too
        return await conn.need_card(), None
    if _FOREIGN.fullmatch(name):
        said = f"{name} is no PIN of a token; a serial number, a key's id or nothing stands for its PIN"
        raise CommandError(GpgErr.INV_ID, said)
    await conn.need_card()  # the card worked with may have gone, and with it the name
    raise CommandError(GpgErr.INV_ID, f"no card and no key is called {name}")
