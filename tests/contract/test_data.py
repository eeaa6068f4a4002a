"""Data kept on a token, and random numbers from it, for every implementation of the port."""

from __future__ import annotations

import pytest

from scd.token.errors import TokenNotPresent
from scd.token.model import DataObject, DataRecord, TokenId
from tests.contract.subject import Subject

NOWHERE = TokenId("nobody", "none", "0", "nowhere")


def write(own: Subject, label: str, value: bytes | None) -> None:
    own.run(own.module.write_data(own.token("empty"), (DataRecord(label, value),)))


def read(own: Subject) -> dict[str, bytes]:
    found = own.run(own.module.read_data(own.token("empty")))
    assert len({one.label for one in found}) == len(found)
    return {one.label: one.value for one in found}


def test_a_new_token_has_no_data(own: Subject) -> None:
    assert own.run(own.module.read_data(own.token("empty"))) == ()


def test_what_is_written_is_read_sorted_and_without_login(own: Subject) -> None:
    own.login("empty")
    for label, value in (("url", b"https://example.org/"), ("login", bytes(range(256))), ("Größe", b"")):
        write(own, label, value)
    own.run(own.module.logout(own.token("empty")))
    assert own.run(own.module.read_data(own.token("empty"))) == (
        DataObject("Größe", b""),
        DataObject("login", bytes(range(256))),
        DataObject("url", b"https://example.org/"),
    )


def test_a_value_is_replaced(own: Subject) -> None:
    own.login("empty")
    for value in (b"short", b"a longer one" * 100, b"", b"short"):
        write(own, "login", value)
        assert read(own) == {"login": value}


def test_a_value_is_deleted_and_the_others_stay(own: Subject) -> None:
    own.login("empty")
    write(own, "login", b"alice")
    write(own, "url", b"u")
    write(own, "login", None)
    assert read(own) == {"url": b"u"}


def test_several_records_are_written_at_once_and_told(own: Subject) -> None:
    own.login("empty")
    for label in ("login", "url"):
        write(own, label, b"old")
    records = (DataRecord("login", b"new"), DataRecord("url", None), DataRecord("name", b"Joe"))
    told = own.run(own.module.write_data(own.token("empty"), records))
    assert told == (DataObject("login", b"new"), DataObject("name", b"Joe"))
    assert own.run(own.module.write_data(own.token("empty"), records)) == told
    assert own.run(own.module.read_data(own.token("empty"))) == told


def test_nothing_to_delete_is_a_success(own: Subject) -> None:
    own.login("empty")
    write(own, "login", None)
    assert read(own) == {}


def test_data_spoil_no_listing(own: Subject) -> None:
    own.login("empty")
    before = own.objects("empty")
    write(own, "login", b"alice")
    after = own.objects("empty")
    assert (after.keys, after.certificates, after.skipped) == (before.keys, before.certificates, before.skipped)


@pytest.mark.parametrize("count", [0, 1, 32, 10_000])
def test_random_numbers_are_as_many_as_wanted_and_never_the_same(own: Subject, count: int) -> None:
    first, second = (own.run(own.module.random(own.token("work"), count)) for _ in range(2))
    assert len(first) == len(second) == count
    assert count < 32 or first != second


def test_a_token_says_what_keys_it_makes(own: Subject) -> None:
    assert {"rsa2048", "nistp256", "ed25519"} <= set(own.run(own.module.algorithms(own.token("work"))))


def test_a_token_that_is_not_there_has_neither(own: Subject) -> None:
    with pytest.raises(TokenNotPresent):
        own.run(own.module.random(NOWHERE, 8))
    with pytest.raises(TokenNotPresent):
        own.run(own.module.algorithms(NOWHERE))
    with pytest.raises(TokenNotPresent):
        own.run(own.module.read_data(NOWHERE))
    with pytest.raises(TokenNotPresent):
        own.run(own.module.write_data(NOWHERE, (DataRecord("login", b"alice"),)))
