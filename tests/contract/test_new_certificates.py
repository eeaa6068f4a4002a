"""Certificates written and taken away, for every implementation of the port."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scd.token.errors import InvalidData
from scd.token.model import Certificate
from tests.contract.subject import Subject
from tests.fakes.keys import certificate, private_key

PLACE = b"\2"  # of work-p256


def renewed(name: str = "Renewed") -> bytes:
    """Another certificate for work-p256, in DER."""
    key = private_key("work-p256")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 4711, start, start.replace(year=2036))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def of_place(own: Subject) -> list[Certificate]:
    """All certificates with the CKA_ID, those of keys included."""
    found = own.objects("work")
    paired = [key.certificate for key in found.keys if key.certificate is not None]
    return [one for one in (*found.certificates, *paired) if one.cka_id == PLACE]


def test_a_certificate_is_written_beside_its_key(own: Subject) -> None:
    own.login("work")
    bare = own.address("work", "work-rsa2048-bare")
    der = certificate("backup-rsa2048").der  # for another key: it is not the port's to judge
    own.run(own.module.write_certificate(bare.token, bare.cka_id, "mine", der))
    (written,) = (one for one in own.objects("work").certificates if one.cka_id == bare.cka_id)
    assert (written.der, written.label) == (der, "mine")


def test_a_new_certificate_takes_the_place_of_the_old_one(own: Subject) -> None:
    own.login("work")
    work, der = own.token("work"), renewed()
    own.run(own.module.write_certificate(work, PLACE, "new", der))
    (written,) = of_place(own)
    assert written.der == der
    assert written.subject == "CN=Renewed"
    (key,) = (key for key in own.objects("work").keys if key.cka_id == PLACE)
    assert key.certificate == written


def test_the_same_certificate_again_changes_nothing(own: Subject) -> None:
    own.login("work")
    work, der = own.token("work"), renewed()
    own.run(own.module.write_certificate(work, PLACE, "new", der))
    before = of_place(own)
    own.run(own.module.write_certificate(work, PLACE, "new", der))
    assert of_place(own) == before


def test_a_certificate_for_another_key_stays_where_it_is(own: Subject) -> None:
    own.login("work")
    work = own.token("work")
    stranger = certificate("backup-rsa2048").der
    own.run(own.module.write_certificate(work, PLACE, "stranger", stranger))
    own.run(own.module.write_certificate(work, PLACE, "new", renewed()))
    assert {one.der for one in of_place(own)} == {stranger, renewed_der(own)}


def renewed_der(own: Subject) -> bytes:
    """ECDSA signatures differ each time: what was written is read."""
    (found,) = (one.der for one in of_place(own) if one.subject == "CN=Renewed")
    return found


WHOLE = certificate("work-p256").der


@pytest.mark.parametrize("der", [b"", b"no DER", WHOLE[:-1]], ids=len)
def test_what_is_no_certificate_is_not_written(own: Subject, der: bytes) -> None:
    own.login("work")
    before = own.objects("work")
    with pytest.raises(InvalidData):
        own.run(own.module.write_certificate(own.token("work"), PLACE, "new", der))
    assert own.objects("work").certificates == before.certificates
    assert own.objects("work").keys == before.keys


def test_octets_behind_a_certificate_are_not_written(own: Subject) -> None:
    own.login("work")
    own.run(own.module.write_certificate(own.token("work"), PLACE, "new", WHOLE + b"\0"))
    assert [one.der for one in of_place(own)] == [WHOLE]


def test_a_deleted_certificate_is_gone_and_its_key_stays(own: Subject) -> None:
    own.login("work")
    work = own.token("work")
    own.run(own.module.delete_certificate(work, PLACE))
    assert not of_place(own)
    (key,) = (key for key in own.objects("work").keys if key.cka_id == PLACE)
    assert len(own.sign(own.address("work", "work-p256"), bytes(32))) == 64
    assert key.certificate is None


def test_no_certificate_to_delete_is_a_success(own: Subject) -> None:
    own.login("work")
    before = own.objects("work")
    own.run(own.module.delete_certificate(own.token("work"), b"\x99"))
    assert own.objects("work").certificates == before.certificates


def test_an_empty_cka_id_is_no_place(own: Subject) -> None:
    own.login("work")
    with pytest.raises(InvalidData):
        own.run(own.module.delete_certificate(own.token("work"), b""))
    with pytest.raises(InvalidData):
        own.run(own.module.write_certificate(own.token("work"), b"", "new", renewed()))
