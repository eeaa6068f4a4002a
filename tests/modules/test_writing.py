"""Certificates and data written to every module's token, and random numbers from it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scd.token.model import Certificate, DataObject, DataRecord
from tests.modules.beds.bed import BedKey, Can
from tests.modules.beds.tools import certify
from tests.modules.port import REFUSALS, Port


def bare(port: Port) -> BedKey:
    """A key without a certificate, if there is one."""
    keys = list(port.bed.keys.values())
    return next((key for key in keys if key.certificate is None), keys[0])


def certificate_of(port: Port, key: BedKey) -> Certificate | None:
    (found,) = port.keys_at(key.cka_id)
    return found.certificate


def read(port: Port) -> tuple[DataObject, ...]:
    return port.run(port.module.read_data(port.token))


def test_a_certificate_goes_with_its_key(port: Port) -> None:
    key = bare(port)
    der = certify(key.public, "Written")
    before = port.content()

    port.attempt(Can.WRITE_CERTIFICATE, port.module.write_certificate(port.token, key.cka_id, "mine", der))

    found = certificate_of(port, key)
    if Can.WRITE_CERTIFICATE in port.bed.can:
        assert found is not None
        assert (found.der, found.cka_id, found.subject) == (der, key.cka_id, "CN=Written")
        port.run(port.module.delete_certificate(port.token, key.cka_id))
    assert port.content() == before


def test_a_new_certificate_takes_the_place_of_the_old_one(port: Port) -> None:
    """Another subject under the same label: NSS takes that for another certificate's label."""
    if Can.WRITE_CERTIFICATE not in port.bed.can:
        pytest.skip("keeps no certificates, as seen in the test before")
    key = bare(port)
    before = port.content()
    for name in ("Old", "New"):
        der = certify(key.public, name)
        port.run(port.module.write_certificate(port.token, key.cka_id, "mine", der))
        found = certificate_of(port, key)
        assert found is not None
        assert found.der == der
        assert port.content()[1] == before[1], "no certificate is left beside the key's"

    port.run(port.module.delete_certificate(port.token, key.cka_id))

    assert port.content() == before


def test_the_certificate_of_a_new_key_is_there_without_login(port: Port, load: Callable[[], Port]) -> None:
    place = b"\xaa\3"
    if port.attempt(Can.GENERATE, port.generate("rsa2048", place)) is None:
        return
    der = certify(port.known(place), "Of a new key")
    port.run(port.module.write_certificate(port.token, place, "new", der))

    (shown,) = load().keys_at(place)

    assert shown.certificate is not None
    assert shown.certificate.der == der
    port.run(port.module.delete_certificate(port.token, place))
    port.destroy(place)


def test_data_are_kept_changed_and_read_without_login(port: Port, load: Callable[[], Port]) -> None:
    assert read(port) == ()

    for value in (b"alice", b"a longer value" * 30):
        port.attempt(Can.KEEP_DATA, port.module.write_data(port.token, (DataRecord("login", value),)))

    kept = (DataObject("login", b"a longer value" * 30),) if Can.KEEP_DATA in port.bed.can else ()
    assert read(load()) == kept
    port.run(port.module.write_data(port.token, (DataRecord("login", None),)))
    assert read(port) == ()


def test_random_numbers_are_as_many_as_wanted(port: Port) -> None:
    port.logout()
    if Can.RANDOM not in port.bed.can:
        with pytest.raises(REFUSALS):
            port.run(port.module.random(port.token, 32))
        return

    first, second = (port.run(port.module.random(port.token, 32)) for _ in range(2))

    assert len(first) == len(second) == 32
    assert first != second
