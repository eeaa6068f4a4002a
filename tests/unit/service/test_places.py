"""The three places of an OpenPGP card."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scd.service.finding.catalogue import Card, Catalogue
from scd.service.finding.places import AUTHENTICATE, BY_NAME, ENCRYPT, ROLES, SIGN, Places, Role, found, put
from scd.service.finding.registry import RegisteredModule, Registry
from scd.token.model import Certificate
from tests.fakes.fake_module import FakeModule
from tests.fakes.fake_token import FakeKey, FakeToken
from tests.fakes.keys import private_key, public_of


def nothing(_card: Card) -> dict[str, bytes]:
    """A card of which nothing was recorded."""
    return {}


def two_cards(configured: dict[Role, bytes] | None = None) -> tuple[Catalogue, Places]:
    decrypting = FakeKey(private_key("work-p256-ecdh"), b"\1", "decrypting", can_sign=False)
    signing = FakeKey(private_key("work-ed25519"), b"\2", "signing")
    both = FakeKey(private_key("backup-rsa2048"), b"\1", "both")
    first, second = FakeToken("first", keys=[decrypting, signing]), FakeToken("second", keys=[both])
    catalogue = Catalogue(Registry((RegisteredModule("fake", FakeModule(first, second)),)))
    asyncio.run(catalogue.rescan())
    return catalogue, Places(catalogue, configured or {}, nothing)


def test_names_and_numbers() -> None:
    assert [role.place for role in ROLES] == ["OPENPGP.1", "OPENPGP.2", "OPENPGP.3"]
    assert BY_NAME["OPENPGP.2"] is BY_NAME["$ENCRKEYID"] is ENCRYPT


@pytest.mark.parametrize(("role", "label"), [(SIGN, "signing"), (ENCRYPT, "decrypting"), (AUTHENTICATE, "signing")])
def test_the_first_key_with_the_right_usage_takes_the_place(role: Role, label: str) -> None:
    catalogue, roles = two_cards()
    found = roles.key(role, catalogue.cards[0])
    assert found is not None
    assert found.pair.label == label


def test_a_configured_key_leaves_other_cards_their_own_places() -> None:
    catalogue, roles = two_cards({SIGN: public_of(private_key("backup-rsa2048")).keygrip})
    first, second = catalogue.cards
    assert labels(roles, first) == {1: "signing", 2: "decrypting"}
    assert labels(roles, second) == {1: "both"}
    assert roles.configured(first) == {}


def test_a_place_whose_configured_key_is_on_another_card_is_known_to_be_elsewhere() -> None:
    grips = {name: public_of(private_key(name)).keygrip for name in ("work-ed25519", "backup-rsa2048")}
    catalogue, roles = two_cards({SIGN: grips["work-ed25519"], ENCRYPT: grips["backup-rsa2048"]})
    first, second = catalogue.cards
    assert roles.elsewhere(ENCRYPT, first) is second.keys[0]
    assert roles.elsewhere(SIGN, second) is first.keys[1]
    assert roles.elsewhere(SIGN, first) is roles.elsewhere(AUTHENTICATE, first) is None


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
    assert Places(catalogue, {}, nothing).key(ENCRYPT, catalogue.cards[0]) is None


def one_card(*keys: FakeKey) -> tuple[Card, Catalogue]:
    catalogue = Catalogue(Registry((RegisteredModule("fake", FakeModule(FakeToken("one", keys=list(keys)))),)))
    asyncio.run(catalogue.rescan())
    return catalogue.cards[0], catalogue


def labels(places: Places, card: Card) -> dict[int, str]:
    return {role.number: key.pair.label for role, key in places.occupants(card).items()}


RSA = [
    FakeKey(private_key(name), bytes([n]), f"rsa{n}") for n, name in enumerate(("work-rsa2048", "backup-rsa2048"), 1)
]
ED = FakeKey(private_key("work-ed25519"), b"\3", "ed25519")
FIVE = [private_key(name) for name in ("work-rsa2048", "work-p256", "backup-rsa2048", "work-ed25519", "work-p256-ecdh")]


def test_places_are_filled_as_many_as_possible() -> None:
    """The first RSA key alone could decrypt; the keys that can only sign are enough for the other places."""
    card, catalogue = one_card(RSA[0], ED)
    assert labels(Places(catalogue, {}, nothing), card) == {1: "ed25519", 2: "rsa1"}


def test_signing_comes_before_decrypting_and_that_before_the_rest() -> None:
    card, catalogue = one_card(RSA[1])
    assert labels(Places(catalogue, {}, nothing), card) == {1: "rsa2"}
    card, catalogue = one_card(ED)
    assert labels(Places(catalogue, {}, nothing), card) == {1: "ed25519"}


def test_a_curve_s_key_that_can_derive_takes_the_place_for_decryption() -> None:
    card, catalogue = one_card(FakeKey(private_key("work-p256"), b"\1", "p256"), RSA[1], ED)
    assert labels(Places(catalogue, {}, nothing), card) == {1: "p256", 2: "rsa2", 3: "ed25519"}
    card, catalogue = one_card(RSA[0], FakeKey(private_key("work-p256"), b"\2", "p256"), ED)
    assert labels(Places(catalogue, {}, nothing), card) == {1: "rsa1", 2: "p256", 3: "ed25519"}


@pytest.mark.parametrize(
    ("usage", "filled"),
    [
        (None, {1: "p256", 2: "rsa1", 3: "ed25519"}),
        (("digital_signature", "key_agreement"), {1: "rsa1", 2: "p256", 3: "ed25519"}),
    ],
    ids=["no word", "key agreement"],
)
def test_a_curve_s_key_that_says_nothing_of_deriving_is_not_encrypted_to(
    usage: tuple[str, ...] | None, filled: dict[int, str]
) -> None:
    """Before login, on a token with private keys and certificates alone: pkcs11-tool writes them without CKA_DERIVE."""
    certificate = Certificate(b"", b"\2", "", None, "CN=x", 0, usage, is_ca=False)
    silent = FakeKey(private_key("work-p256"), b"\2", "p256", certificate, can_sign=None, can_decrypt=None)
    card, catalogue = one_card(RSA[0], silent, ED)
    assert labels(Places(catalogue, {}, nothing), card) == filled


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=5))
def test_no_filling_has_more_places(uses: list[tuple[bool, bool]]) -> None:
    """Against all that is possible, with keys that can sign, decrypt, both, or say neither."""
    keys = [
        FakeKey(key, bytes([n]), "", None, s, d) for n, (key, (s, d)) in enumerate(zip(FIVE, uses, strict=False), 1)
    ]
    card, catalogue = one_card(*keys)
    placed = Places(catalogue, {}, nothing).occupants(card)
    able = [[key for key in card.keys if role.letter in key.capabilities] for role in ROLES]
    most = max(
        sum(key is not None for key in filling)
        for filling in product(*([*keys_of, None] for keys_of in able))
        if len({id(key) for key in filling if key}) == sum(key is not None for key in filling)
    )
    assert len(placed) == len({key.keyref for key in placed.values()}) == most
    assert all(role.letter in key.capabilities for role, key in placed.items())


def test_a_key_has_one_place_at_most() -> None:
    card, catalogue = one_card(*RSA)
    assert labels(Places(catalogue, {}, nothing), card) == {1: "rsa1", 2: "rsa2"}


def test_a_key_for_nothing_else_is_taken_for_decryption() -> None:
    only = FakeKey(private_key("backup-rsa2048"), b"\2", "decrypting", can_sign=False)
    card, catalogue = one_card(FakeKey(private_key("work-rsa2048"), b"\1", "both"), only, ED)
    assert labels(Places(catalogue, {}, nothing), card) == {1: "both", 2: "decrypting", 3: "ed25519"}


def test_what_was_recorded_wins_over_the_order() -> None:
    card, catalogue = one_card(*RSA)
    places = Places(catalogue, {}, lambda _card: {"OPENPGP.1": put(card.keys[1]), "OPENPGP.2": found(card.keys[0])})
    assert labels(places, card) == {1: "rsa2", 2: "rsa1"}
    assert places.was_put(SIGN, card.keys[1])
    assert not places.was_put(ENCRYPT, card.keys[0])


def test_beside_a_recorded_place_none_is_filled_unasked() -> None:
    """Else a key that makes way, or is new on the token, would push another one out of its place."""
    card, catalogue = one_card(*RSA, ED)
    places = Places(catalogue, {}, lambda _card: {"OPENPGP.1": put(card.keys[1])})
    assert labels(places, card) == {1: "rsa2"}
    assert places.unrecorded(card) == {}


def test_a_purpose_without_a_place_takes_a_key_without_one() -> None:
    card, catalogue = one_card(*RSA, ED)
    places = Places(catalogue, {}, lambda _card: {"OPENPGP.1": put(card.keys[0]), "OPENPGP.2": put(card.keys[1])})
    chosen = places.key(AUTHENTICATE, card)
    assert chosen is not None
    assert chosen.pair.label == "ed25519"


def test_places_filled_unasked_are_known_as_such() -> None:
    card, catalogue = one_card(*RSA)
    places = Places(catalogue, {SIGN: RSA[0].keygrip}, nothing)
    assert {role.number: key.pair.label for role, key in places.unrecorded(card).items()} == {2: "rsa2"}


def test_the_configuration_wins_over_what_was_recorded() -> None:
    card, catalogue = one_card(*RSA)
    recorded = {"OPENPGP.1": RSA[1].keygrip.hex().upper().encode()}
    assert labels(Places(catalogue, {SIGN: RSA[0].keygrip}, lambda _card: recorded), card) == {1: "rsa1", 2: "rsa2"}


def test_a_new_record_counts_at_once() -> None:
    card, catalogue = one_card(*RSA)
    recorded: dict[str, bytes] = {}
    places = Places(catalogue, {}, lambda _card: recorded)
    assert labels(places, card)[1] == "rsa1"
    recorded["OPENPGP.1"] = RSA[1].keygrip.hex().upper().encode()
    assert labels(places, card)[1] == "rsa2"


def test_a_record_of_a_key_that_has_gone_leaves_the_place_to_others() -> None:
    card, catalogue = one_card(*RSA)
    assert labels(Places(catalogue, {}, lambda _card: {"OPENPGP.1": b"00" * 20}), card)[1] == "rsa1"


def test_a_key_is_called_by_its_place_on_the_client_s_own_card_only() -> None:
    catalogue, places = two_cards()
    first, second = catalogue.cards
    signing = first.keys[1]
    assert places.ref(signing, first) == "OPENPGP.1"
    assert places.ref(signing, second) == signing.keyref
    assert places.ref(signing, None) == signing.keyref


def test_an_elliptic_key_in_the_encryption_place_is_shown_as_one() -> None:
    both = FakeKey(private_key("work-p256"), b"\1", "p256")
    card, catalogue = one_card(both)
    shown = {"OPENPGP.2": both.keygrip.hex().upper().encode()}
    assert Places(catalogue, {}, nothing).usage(card.keys[0]) == "sca"
    assert Places(catalogue, {}, lambda _card: shown).usage(card.keys[0]) == "e"
