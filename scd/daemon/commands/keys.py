"""READKEY, READCERT, KEYINFO: public halves. None of them may ask for a PIN."""

from __future__ import annotations

from scd.assuan.arguments import Arguments
from scd.assuan.gpgerror import GpgErr
from scd.daemon.commands.card import key_pair_info
from scd.daemon.connection import Connection
from scd.daemon.failures import CommandError
from scd.daemon.table import command
from scd.gcrypt.pubkey import PublicKey
from scd.gcrypt.sexp import advanced, parse
from scd.gcrypt.sshkey import ssh_line
from scd.service.finding.catalogue import CardKey

_FILTERS = {None: "", "": "", "sign": "sc", "encr": "e", "auth": "a"}
_FORMATS = frozenset({None, "", "advanced", "ssh"})


@command("READKEY [--format=advanced|ssh] [--advanced] [--info[-only]] <keyid>|<keygrip>")
async def readkey(conn: Connection, args: Arguments) -> None:
    """Return the public key as canonical S-expression; --info puts a KEYPAIRINFO line before it.

    Of a key that hides until login, what its stub says.
    """
    if not args.rest:
        raise CommandError(GpgErr.ASS_PARAMETER, "the key's id is missing")
    card = await conn.card_for(args.rest)
    public = await conn.service.find_public(args.rest, card)
    if public is None:
        if doubt := conn.service.catalogue.registry.doubt():
            raise CommandError(GpgErr.CARD, f"no key called {args.rest} was found, but {doubt}")
        raise CommandError(GpgErr.NOT_FOUND, f"no key is called {args.rest}")
    if args.has("--info") or args.has("--info-only"):
        await conn.service.look_at_keyrings()
        for key in conn.service.known(args.rest, card) or conn.service.hidden.find(args.rest, card):
            conn.status("KEYPAIRINFO", key_pair_info(conn, key, card))
    if not args.has("--info-only"):
        conn.send_data(_public_form(public, args))


def _public_form(public: PublicKey, args: Arguments) -> bytes:
    form = args.value("--format")
    if form not in _FORMATS:
        raise CommandError(GpgErr.ASS_PARAMETER, f"--format={form}: known are advanced and ssh")
    if form == "ssh":
        try:
            return ssh_line(public).encode()
        except ValueError as error:
            raise CommandError(GpgErr.UNSUPPORTED_ALGORITHM, str(error)) from error
    canonical = public.sexp()
    return advanced(parse(canonical)) if form == "advanced" or args.has("--advanced") else canonical


@command("READCERT <certid>|<keyid>")
async def readcert(conn: Connection, args: Arguments) -> None:
    """Return a certificate in DER; a key's id stands for the key's certificate."""
    if not args.rest:
        raise CommandError(GpgErr.ASS_PARAMETER, "the certificate's id is missing")
    card = await conn.card_for(args.rest)
    found = conn.service.certificate(args.rest, card)
    if found is None:
        await conn.service.rescan(again=True)
        found = conn.service.certificate(args.rest, card)
    if found is None:
        raise CommandError(GpgErr.NOT_FOUND, f"no certificate is called {args.rest}")
    conn.send_data(found.der)


@command("KEYINFO [--list[=auth|encr|sign]] [--data] <keygrip>")
async def keyinfo(conn: Connection, args: Arguments) -> None:
    """Say where a key is, or list the keys of all cards, by usage if wanted.

    One status line per key and card; with --data the lines come as data instead. Keys that a token hides until login
    are there, too, if a stub says that they were seen on it.
    """
    if args.has("--list") or args.value("--list") is not None:
        wanted = args.value("--list")
        if wanted not in _FILTERS:
            raise CommandError(GpgErr.ASS_PARAMETER, f"--list={wanted}: known are sign, encr and auth")
        await conn.service.rescan(again=True)
        letters = _FILTERS[wanted]
        card = await conn.card()
        every = [*conn.service.catalogue.keys(card), *conn.service.hidden.all(card)]
        keys = [key for key in every if not letters or key.capabilities & set(letters)]
    else:
        keys = await _by_grip(conn, args.rest)
    card, places = await conn.card(), conn.service.places
    for key in keys:
        line = f"{key.keygrip_hex} T {key.card.serial} {places.ref(key, card)} {places.usage(key)}"
        if args.has("--data"):
            conn.send_data(f"{line}\n".encode())
        else:
            conn.status("KEYINFO", line)


async def _by_grip(conn: Connection, grip: str) -> list[CardKey]:
    if not _is_keygrip(grip):
        raise CommandError(GpgErr.ASS_PARAMETER, "a keygrip has 40 hex digits")
    found = await conn.service.find_all(grip, await conn.card())
    if not found:
        await conn.slowdown.pause()
        raise CommandError(GpgErr.NOT_FOUND)
    return found


def _is_keygrip(text: str) -> bool:
    return len(text) == 40 and all(c in "0123456789abcdefABCDEF" for c in text)
