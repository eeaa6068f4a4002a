"""Lines openpgp-sign, -encr and -auth that name no key: what is wrong with them, and what would be right."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from scd.service.finding.catalogue import CardKey
from scd.service.finding.places import Role
from scd.service.operations import Service


async def wrong_keygrips(service: Service) -> list[str]:
    """A text for each of the configuration's keygrips that no token has now, listed or known to be hidden."""
    wrong = {role: grip for role, grip in service.places.wanted.items() if not _is_there(service, grip)}
    if wrong:
        await service.look_at_keyrings()
    return [_text(service, role, grip) for role, grip in wrong.items()]


def _is_there(service: Service, grip: bytes) -> bool:
    return bool(service.catalogue.find(grip.hex()) or service.hidden.find(grip.hex(), None))


def _text(service: Service, role: Role, grip: bytes) -> str:
    option = f"openpgp-{role.option}"
    keys = tuple(service.catalogue.keys())
    meant = next((key for key in keys if grip in _fingerprints(service, key)), None)
    if meant is not None:
        what = "is a fingerprint, and a keygrip belongs there"
        return f"{option} {grip.hex().upper()} {what}; the key's is {_shown(service, meant)}"
    able = [_shown(service, key) for key in keys if role.letter in key.capabilities]
    choice = f"keys for it are {', '.join(able)}" if able else "nor does any show a key for it"
    return f"{option} {grip.hex().upper()}: no token that is present shows a key with this keygrip; {choice}"


def _fingerprints(service: Service, key: CardKey) -> Iterator[bytes]:
    """By which people know the key elsewhere: those of its OpenPGP keys, and of its certificate for gpgsm."""
    for encryption in (False, True):
        attached = service.attachments.of(key, encryption=encryption)
        if attached is not None and attached.fingerprint is not None:
            yield attached.fingerprint
    if key.pair.certificate is not None:
        yield hashlib.sha1(key.pair.certificate.der, usedforsecurity=False).digest()


def _shown(service: Service, key: CardKey) -> str:
    return f'{key.keygrip_hex} ({key.pair.public.algorithm} on "{service.catalogue.title(key.card)}")'
