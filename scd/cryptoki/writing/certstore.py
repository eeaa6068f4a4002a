"""X.509 certificates written to the token and taken off it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from scd.cryptoki.calls.ckr import CkrError
from scd.cryptoki.calls.native import ulong
from scd.cryptoki.calls.numbers import FALSE, TRUE, X_509, Attribute, ObjectClass
from scd.cryptoki.writing.writing import Writing, require_id
from scd.token.errors import InvalidData, NotSupported, TokenFailure
from scd.token.model import Certificate


def write_certificate(writing: Writing, cka_id: bytes, label: str, der: bytes) -> None:
    """See the port. The new one comes before the old one goes: a full token loses nothing."""
    from scd.cryptoki.finding.certificates import certificate, certificate_names

    require_id(cka_id, writing.about)
    try:
        new = certificate(der, cka_id, label)
        der = new.der
        subject, issuer, serial = certificate_names(der)
    except ValueError as error:
        raise InvalidData(str(error)) from error
    old = _replaced(writing, new)
    if any(one.der == der for one in old.values()):
        return
    made = _create(
        writing,
        {
            int(Attribute.CLASS): ulong(ObjectClass.CERTIFICATE),
            int(Attribute.CERTIFICATE_TYPE): ulong(X_509),
            int(Attribute.TOKEN): TRUE,
            int(Attribute.PRIVATE): FALSE,
            int(Attribute.ID): cka_id,
            int(Attribute.LABEL): label.encode(),
            int(Attribute.SUBJECT): subject,
            int(Attribute.ISSUER): issuer,
            int(Attribute.SERIAL_NUMBER): serial,
            int(Attribute.VALUE): der,
        },
    )
    if _value(writing, made) != der:
        raise TokenFailure(f"{writing.about} has not kept the certificate; it may be full")
    writing.destroy(handle for handle in old if handle != made and _value(writing, handle) not in (None, der))


def _create(writing: Writing, template: Mapping[int, bytes]) -> int:
    """With the label, else with one like it: in NSS 3.87 a label belongs to the certificates of one subject only."""
    try:
        return writing.create(template, "certificates")
    except NotSupported:
        mark = hashlib.sha256(template[Attribute.VALUE]).hexdigest()[:8]
        label = template[Attribute.LABEL] + f" {mark}".encode()
        return writing.create({**template, int(Attribute.LABEL): label}, "certificates")


def _replaced(writing: Writing, new: Certificate) -> dict[int, Certificate]:
    return {
        handle: one
        for (_, handle), one in writing.listing.read.items()
        if isinstance(one, Certificate) and one.cka_id == new.cka_id and one.public == new.public
    }


def _value(writing: Writing, handle: int) -> bytes | None:
    """What the object holds now: where there is one place for each CKA_ID, the new one has replaced it already."""
    try:
        return writing.native.attributes(writing.session, handle, (Attribute.VALUE,)).get(Attribute.VALUE)
    except CkrError as error:
        if not error.is_stale_object:
            raise
        return None


def delete_certificate(writing: Writing, cka_id: bytes) -> None:
    """See the port."""
    require_id(cka_id, writing.about)
    writing.destroy(writing.find(ObjectClass.CERTIFICATE, {int(Attribute.ID): cka_id}))
