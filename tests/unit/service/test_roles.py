"""The three places of an OpenPGP card."""

from __future__ import annotations

import asyncio

import pytest

from scd.service.catalogue import Catalogue
from scd.service.registry import RegisteredModule, Registry
from scd.service.roles import AUTHENTICATE, BY_NAME, ENCRYPT, ROLES, SIGN, Role, Roles
from tests.fakes.fake_module import FakeModule
from tests.fakes.fake_token import FakeKey, FakeToken
from tests.fakes.keys import private_key, public_of


def two_cards(configured: dict[Role, bytes] | None = None) -> tuple[Catalogue, Roles]:
    decrypting = FakeKey(private_key("work-p256-ecdh"), b"\1", "decrypting", can_sign=False)
    signing = FakeKey(private_key("work-ed25519"), b"\2", "signing")
    both = FakeKey(private_key("backup-rsa2048"), b"\1", "both")
    first, second = FakeToken("first", keys=[decrypting, signing]), FakeToken("second", keys=[both])
    catalogue = Catalogue(Registry((RegisteredModule("fake", FakeModule(first, second)),)))
    asyncio.run(catalogue.rescan())
    return catalogue, Roles(catalogue, configured or {})


def test_names_and_numbers() -> None:
    assert [role.place for role in ROLES] == ["OPENPGP.1", "OPENPGP.2", "OPENPGP.3"]
    assert BY_NAME["OPENPGP.2"] is BY_NAME["$ENCRKEYID"] is ENCRYPT


@pytest.mark.parametrize(("role", "label"), [(SIGN, "signing"), (ENCRYPT, "decrypting"), (AUTHENTICATE, "signing")])
def test_the_first_key_with_the_right_usage_takes_the_place(role: Role, label: str) -> None:
    catalogue, roles = two_cards()
    found = roles.key(role, catalogue.cards[0])
    assert found is not None
    assert found.pair.label == label


def test_the_configured_key_wins_even_on_another_card() -> None:
    catalogue, roles = two_cards({SIGN: public_of(private_key("backup-rsa2048")).keygrip})
    found = roles.key(SIGN, catalogue.cards[0])
    assert found is not None
    assert found.pair.label == "both"


def test_a_configured_key_that_is_nowhere_leaves_the_place_to_the_card() -> None:
    catalogue, roles = two_cards({SIGN: bytes(20)})
    found = roles.key(SIGN, catalogue.cards[0])
    assert found is not None
    assert found.pair.label == "signing"


def test_without_a_card_only_configured_keys_have_places() -> None:
    _, roles = two_cards({SIGN: public_of(private_key("backup-rsa2048")).keygrip})
    assert roles.key(SIGN, None) is not None
    assert roles.key(ENCRYPT, None) is None


def test_a_card_without_such_a_key_has_no_such_place() -> None:
    token = FakeToken("bare", keys=[FakeKey(private_key("work-ed25519"), b"\1", "signing")])
    catalogue = Catalogue(Registry((RegisteredModule("fake", FakeModule(token)),)))
    asyncio.run(catalogue.rescan())
    assert Roles(catalogue, {}).key(ENCRYPT, catalogue.cards[0]) is None
