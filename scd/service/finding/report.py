"""What the daemon sees and why, for the log of whoever says `verbose` twice: tokens, their keys, their places."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from scd.service.finding.catalogue import Card, CardKey, Catalogue
from scd.service.finding.places import ROLES, Places, Role
from scd.token.model import KeyPair, TokenInfo

log = logging.getLogger(__name__)

_SAYS = {True: "yes", False: "no", None: "not said"}


class Report:
    """Remembers what it told of each card, so that only news are told."""

    def __init__(self, catalogue: Catalogue, places: Places) -> None:
        self._catalogue = catalogue
        self._places = places
        self._told: dict[str, tuple[str, ...]] = {}

    def tell(self) -> None:
        """Log what is new of each card, and which cards went."""
        if not log.isEnabledFor(logging.DEBUG):
            return
        now = {card.serial: tuple(self._lines(card)) for card in self._catalogue.cards}
        for serial in self._told.keys() - now.keys():
            log.debug("card=%s gone", serial)
        for serial, lines in now.items():
            for line in lines:
                if line not in self._told.get(serial, ()):
                    log.debug("card=%s %s", serial, line)
        self._told = now

    def _lines(self, card: Card) -> Iterator[str]:
        names = card.token.id
        yield (
            f'token "{names.label}" of module {card.module.name}: manufacturer "{names.manufacturer}", model '
            f'"{names.model}", serial "{names.serial}"; {", ".join(_state(card.token))}'
        )
        for key in card.keys:
            yield f"key {key.keygrip_hex} {_key(key)}"
        for certificate in card.certificates:
            yield f'certificate without a key: {certificate.keyref} "{certificate.certificate.subject}"'
        for role in ROLES:
            yield f"place {role.number} ({role.title}): {self._place(card, role)}"

    def _place(self, card: Card, role: Role) -> str:
        key = self._places.occupants(card).get(role)
        return f"{key.keygrip_hex}, {self._places.why(role, key)}" if key else self._places.why_empty(role)


def _state(token: TokenInfo) -> Iterator[str]:
    yield "logged in" if token.logged_in else "not logged in" if token.login_required else "needs no login"
    if not token.pin_initialized:
        yield "no user PIN set"
    if token.pinpad:
        yield "PIN at the reader"
    if token.write_protected:
        yield "write-protected"


def _key(key: CardKey) -> str:
    pair = key.pair
    return (
        f'{pair.public.algorithm} as {key.keyref}: CKA_ID {pair.cka_id.hex() or "empty"}, label "{pair.label}"; '
        f"signs: {_SAYS[pair.can_sign]}, decrypts: {_SAYS[pair.can_decrypt]}{_certificate(pair)}; "
        f"so it may {''.join(sorted(key.capabilities)) or 'nothing'}"
        f"{'' if pair.private_seen else '; its private half is hidden until login'}"
    )


def _certificate(pair: KeyPair) -> str:
    if pair.certificate is None:
        return ", no certificate"
    usage = ", ".join(pair.certificate.key_usage) if pair.certificate.key_usage is not None else "no key usage"
    return f', certificate "{pair.certificate.subject}" ({usage})'
