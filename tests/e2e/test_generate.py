"""`generate` in gpg --card-edit: keys made on the token, and an OpenPGP key from keys that are there already."""

from __future__ import annotations

import time

import pytest

from tests.e2e.cards import (
    card_status,
    elliptic,
    everything_works,
    generate,
    is_stub,
    keys_on_card,
    made,
    secret_fingerprints,
    secret_keygrips,
    ssh_works,
)
from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.user import encrypt_and_decrypt, grip, lines_to_daemon, sign_and_verify, with_roles
from tests.harness.dialogue import Answer, card_edit
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted

REPLACE: dict[str, Answer] = {"cardedit.genkeys.replace_keys": "y"}


def test_generated_keys_sign_decrypt_and_serve_ssh(new_home: GnupgHome) -> None:
    before = int(time.time())

    fingerprint = made(generate(new_home))

    assert [prompt.kind for prompt in new_home.pinentry.prompts] == ["pin"]
    everything_works(new_home, fingerprint)
    card = card_status(new_home)
    primary, authentication, encryption = secret_fingerprints(new_home)
    assert card.fingerprints == [primary, encryption, authentication]
    assert all(before <= created <= time.time() for created in card.created)
    assert card.fields["keyattr1"][1:3] == ["1", "2048"]
    assert card.complaints == ""


def test_creation_times_of_card_and_key_agree(new_home: GnupgHome) -> None:
    elliptic(new_home)

    generate(new_home)

    lines = [line.split(":") for line in new_home.gpg("-K", "--with-colons").out.splitlines()]
    primary, authentication, encryption = (int(line[5]) for line in lines if line[0] in ("sec", "ssb"))
    assert card_status(new_home).created == [primary, encryption, authentication]


def test_backup_of_the_encryption_key_is_a_file_and_the_key_a_stub(new_home: GnupgHome) -> None:
    fingerprint = made(generate(new_home, backup="y", answers={"passphrase.enter": ""}))

    (backup,) = new_home.path.glob("sk_*.gpg")
    assert "secret key packet" in new_home.gpg("--list-packets", backup).out
    assert all(is_stub(new_home, keygrip) for keygrip in secret_keygrips(new_home))
    everything_works(new_home, fingerprint)


@pytest.mark.parametrize(
    ("number", "sign", "encrypt"),
    [
        pytest.param("1", ["22", "Ed25519"], ["18", "Curve25519"], id="curve25519"),
        pytest.param("3", ["19", "NIST P-256"], ["18", "NIST P-256"], id="nistp256"),
        pytest.param("6", ["19", "brainpoolP256r1"], ["18", "brainpoolP256r1"], id="brainpoolP256r1"),
    ],
)
def test_key_attr_decides_what_is_generated(
    new_home: GnupgHome, number: str, sign: list[str], encrypt: list[str]
) -> None:
    choices: dict[str, Answer] = {"cardedit.genkeys.algo": ("2",) * 3, "keygen.curve": (number,) * 3}

    fingerprint = made(generate(new_home, "key-attr", answers=choices))

    card = card_status(new_home)
    assert [card.fields[f"keyattr{place}"][1:3] for place in (1, 2, 3)] == [sign, encrypt, sign]
    sign_and_verify(new_home, fingerprint)
    encrypt_and_decrypt(new_home, fingerprint)


def test_key_attr_changes_the_length_of_rsa_keys(new_home: GnupgHome) -> None:
    choices: dict[str, Answer] = {
        "cardedit.genkeys.algo": ("1",) * 3,
        "cardedit.genkeys.size": ("3072", "", "4096"),
    }

    card_edit(new_home, "admin", "key-attr", answers=choices)

    fields = card_status(new_home).fields
    assert [fields[f"keyattr{place}"][1:3] for place in (1, 2, 3)] == [["1", "3072"], ["1", "2048"], ["1", "4096"]]


def test_kind_of_key_the_token_cannot_make_is_refused_at_once(new_home: GnupgHome) -> None:
    """The answer tells what it can make; nothing is changed."""
    before = new_home.connect_agent("SCD GETATTR KEY-ATTR")

    reply = new_home.connect_agent("SCD SETATTR KEY-ATTR --force+1+22+ed999")

    assert reply.splitlines()[-1].startswith("ERR")
    assert new_home.connect_agent("SCD GETATTR KEY-ATTR") == before


def test_generate_asks_before_it_replaces(new_home: GnupgHome) -> None:
    elliptic(new_home)
    generate(new_home)
    before = keys_on_card(new_home)

    declined = generate(new_home, answers={"cardedit.genkeys.replace_keys": "n"})

    assert "cardedit.genkeys.replace_keys" in declined.asked
    assert "keygen.name" not in declined.asked
    assert keys_on_card(new_home) == before


def test_generating_again_replaces_the_three_keys(new_home: GnupgHome) -> None:
    elliptic(new_home)
    first = made(generate(new_home))
    before = keys_on_card(new_home)

    second = made(generate(new_home, answers=REPLACE))

    assert first != second
    after = keys_on_card(new_home)
    assert len(after) == 3
    assert not set(after) & set(before)
    everything_works(new_home, second)


def test_other_keys_of_the_token_are_untouched(gnupg_home: MakeHome, own_card: TokensOf) -> None:
    tokens = own_card("work")
    home: GnupgHome = gnupg_home(tokens)
    home.pinentry.always(tokens.tokens["work"].pin)
    before = keys_on_card(home)
    elliptic(home)

    fingerprint = made(generate(home))
    again = made(generate(home, answers=REPLACE))

    after = keys_on_card(home)
    assert set(before) < set(after)
    assert len(after) == len(before) + 3
    assert fingerprint != again
    everything_works(home, again)


def test_places_survive_a_restart_of_everything(new_home: GnupgHome) -> None:
    elliptic(new_home)
    fingerprint = made(generate(new_home))
    before = card_status(new_home)

    new_home.stop_agent()

    assert card_status(new_home).fields == before.fields
    everything_works(new_home, fingerprint)


def test_existing_keys_become_an_openpgp_key(home: GnupgHome, work: Minted) -> None:
    """gnupg-pkcs11-scd's workflow, which no GnuPG since 2.1 could finish with it."""
    objects = work.tokens["work"].objects
    with_roles(home, sign=grip(objects["rsa2048"]), encr=grip(objects["rsa2048-bare"]), auth=grip(objects["ed25519"]))
    before = keys_on_card(home)

    fingerprint = made(generate(home))

    assert secret_keygrips(home) == [grip(objects[name]) for name in ("rsa2048", "ed25519", "rsa2048-bare")]
    assert set(keys_on_card(home)) == set(before)
    sign_and_verify(home, fingerprint)
    encrypt_and_decrypt(home, fingerprint)
    ssh_works(home, fingerprint)


def test_existing_keys_give_the_same_fingerprints_in_another_home(gnupg_home: MakeHome, own_card: TokensOf) -> None:
    tokens = own_card("work")
    objects = tokens.tokens["work"].objects
    found = []
    for _ in range(2):
        home: GnupgHome = gnupg_home(tokens)
        home.pinentry.always(tokens.tokens["work"].pin)
        with_roles(home, sign=grip(objects["rsa2048"]), encr=grip(objects["p256-ecdh"]), auth=grip(objects["p256"]))
        generate(home)
        found.append(secret_fingerprints(home))

    assert found[0] == found[1]


def test_generate_without_the_pin_makes_nothing(new_home: GnupgHome) -> None:
    new_home.pinentry.always(None)

    failed = generate(new_home, check=False)

    assert "1" in failed.said("SC_OP_FAILURE")
    assert lines_to_daemon(new_home, "GENKEY") == []
    assert keys_on_card(new_home) == {}
