"""SETDATA, PKSIGN, PKAUTH, PKDECRYPT: what private keys are for."""

from __future__ import annotations

from scd.assuan.arguments import Arguments
from scd.assuan.gpgerror import GpgErr
from scd.daemon.connection import Connection
from scd.daemon.failures import CommandError
from scd.daemon.table import command
from scd.gcrypt.digestinfo import HASH_LENGTHS

DATA_LIMIT = (
    16384  # octets; scdaemon takes 4096, the ciphertext of RSA 16384 needs 2048, ssh's Ed25519 the whole message
)

RANDOM_LIMIT = 65536  # octets
_HASHES = frozenset({*HASH_LENGTHS, "none"})


@command("SETDATA [--append] <hexstring>", confidential=True)
async def setdata(conn: Connection, args: Arguments) -> None:
    """Keep the data that the next PKSIGN, PKAUTH or PKDECRYPT works on."""
    try:
        octets = bytes.fromhex(args.rest)
    except ValueError:
        raise CommandError(GpgErr.ASS_PARAMETER, "the data are not a string of hex digits") from None
    if not octets and not args.has("--append"):
        raise CommandError(GpgErr.ASS_PARAMETER, "no data given")
    kept = len(conn.data) if args.has("--append") else 0
    if kept + len(octets) > DATA_LIMIT:
        raise CommandError(GpgErr.TOO_LARGE, f"more than {DATA_LIMIT} octets")
    conn.data[kept:] = octets


@command("PKSIGN [--hash=[rmd160|sha{1,224,256,384,512}|md5|none]] <keyid>|<keygrip>")
async def pksign(conn: Connection, args: Arguments) -> None:
    """Sign the data of SETDATA; the answer is the raw signature. Asks for the PIN when needed."""
    name = args.value("--hash")
    if name is not None and name.lower() not in _HASHES:
        raise CommandError(GpgErr.ASS_PARAMETER, f"--hash={name}: no such hash algorithm")
    await _sign(conn, args, name.lower() if name else None, authenticate=False)


@command("PKAUTH [--challenge-response] <keyid>|<keygrip>")
async def pkauth(conn: Connection, args: Arguments) -> None:
    """Sign the data of SETDATA for authentication (ssh, TLS). Asks for the PIN when needed.

    With --challenge-response the token signs a random challenge instead; OK says that the key is there and works.
    """
    if args.has("--challenge-response"):
        conn.data.clear()
        key = await _key_id(conn, args)
        await conn.service.prove(key, await conn.card_for(key), conn)
        return
    await _sign(conn, args, None, authenticate=True)


async def _sign(conn: Connection, args: Arguments, hash_name: str | None, *, authenticate: bool) -> None:
    key, data = await _key_id(conn, args), _data(conn)
    signature = await conn.service.sign(key, data, hash_name, await conn.card_for(key), conn, authenticate=authenticate)
    conn.send_data(signature)


@command("PKDECRYPT <keyid>|<keygrip>")
async def pkdecrypt(conn: Connection, args: Arguments) -> None:
    """Decrypt the data of SETDATA: RSA gives the plaintext, ECDH the shared point. Asks for the PIN when needed."""
    key, data = await _key_id(conn, args), _data(conn)
    plain = await conn.service.decrypt(key, data, await conn.card_for(key), conn)
    conn.status("PADDING", "0")
    conn.send_data(plain)


@command("RANDOM <nbytes>")
async def random(conn: Connection, args: Arguments) -> None:
    """Return that many octets of the token's random generator."""
    if not args.rest.isascii() or not args.rest.isdigit() or not 0 < int(args.rest) <= RANDOM_LIMIT:
        raise CommandError(GpgErr.ASS_PARAMETER, f"RANDOM wants a number of octets from 1 to {RANDOM_LIMIT}")
    conn.send_data(await conn.service.random(await conn.need_card(), int(args.rest)))


def _data(conn: Connection) -> bytes:
    if not conn.data:
        raise CommandError(GpgErr.NO_DATA, "SETDATA comes first")
    return bytes(conn.data)


async def _key_id(conn: Connection, args: Arguments) -> str:
    if not args.rest:
        raise CommandError(GpgErr.ASS_PARAMETER, "the key's id is missing")
    return args.rest if conn.stood_for is None else await conn.key_name(args.rest, conn.stood_for)
