"""WRITECERT: certificates beside their keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from scd.assuan.arguments import Arguments
from scd.assuan.gpgerror import GpgErr
from scd.daemon.connection import Connection
from scd.daemon.failures import CommandError
from scd.daemon.table import command
from scd.service.finding.catalogue import CardKey

CERTDATA_LIMIT = 16384  # octets, as scdaemon
_CLEAR = b" "  # what gpg-card's `writecert --clear` sends


@command("WRITECERT [--clear] <certid>")
async def writecert(conn: Connection, args: Arguments) -> None:
    """Put an X.509 certificate on the token, beside the key it belongs to, in place of an earlier one.

    It is asked for in DER (INQUIRE CERTDATA); a single blank, or --clear, takes the key's certificates away.
    """
    if not args.rest:
        raise CommandError(GpgErr.ASS_PARAMETER, "the key's id is missing")
    conn.must_be_allowed_to_change()
    found = await conn.service.find(args.rest, await conn.need_card())
    if not found:
        raise CommandError(GpgErr.INV_ID, f"no key is called {args.rest}; a certificate goes beside its key")
    key = found[0]
    conn.must_be_allowed_to_change(key.card)
    der = _CLEAR if args.has("--clear") else bytes(await conn.inquire("CERTDATA", limit=CERTDATA_LIMIT))
    await conn.service.change_certificates(key, "change its certificate", conn, _change(key, der))


def _change(key: CardKey, der: bytes) -> Callable[[], Awaitable[None]]:
    module, token, cka_id = key.card.module.module, key.card.token.id, key.pair.cka_id
    if der == _CLEAR:
        return lambda: module.delete_certificate(token, cka_id)
    _check(key, der)
    return lambda: module.write_certificate(token, cka_id, key.pair.label, der)


def _check(key: CardKey, der: bytes) -> None:
    from scd.cryptoki.finding.certificates import certificate  # asn1crypto: not before somebody writes a certificate

    try:
        read = certificate(der, key.pair.cka_id, key.pair.label)
    except ValueError as error:
        raise CommandError(GpgErr.BAD_CERT, f"not an X.509 certificate in DER: {error}") from None
    if read.public != key.pair.public:
        raise CommandError(GpgErr.BAD_CERT, f"the certificate of {read.subject or 'no subject'} is for another key")
