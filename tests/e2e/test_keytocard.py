"""`keytocard`: keys that were made on disk, moved to the token."""

from __future__ import annotations

import pytest

from tests.e2e.cards import (
    card_status,
    everything_works,
    is_stub,
    keys_on_card,
    local_key,
    secret_fingerprints,
    secret_keygrips,
)
from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.user import encrypt_and_decrypt, sign_and_verify
from tests.harness.dialogue import Answer, Conversation, edit_key
from tests.harness.gnupg import GnupgHome

PRIMARY: dict[str, Answer] = {"keyedit.keytocard.use_primary": "y"}


def move_all(home: GnupgHome, fingerprint: str) -> Conversation:
    """Move the primary key to place 1, its first subkey to 2, its second to 3."""
    return edit_key(
        home, fingerprint, "keytocard", "key 1", "keytocard", "key 1", "key 2", "keytocard",
        answers={**PRIMARY, "cardedit.genkeys.storekeytype": ("1", "2", "3")},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("primary", "encryption", "authentication"),
    [
        ("rsa2048", "rsa3072", "rsa2048"),
        ("nistp256", "brainpoolP256r1", "nistp384/ecdsa"),
        ("ed25519", "cv25519", "ed25519"),
    ],
)
def test_moved_keys_work_from_the_token(
    new_home: GnupgHome, primary: str, encryption: str, authentication: str
) -> None:
    prints = local_key(new_home, primary, (encryption, "encr"), (authentication, "auth"))
    grips = secret_keygrips(new_home)

    move_all(new_home, prints[0])

    assert set(keys_on_card(new_home)) == set(grips)
    assert all(is_stub(new_home, keygrip) for keygrip in grips)
    assert card_status(new_home).fingerprints == prints
    assert secret_fingerprints(new_home) == prints
    everything_works(new_home, prints[0])
    assert len(new_home.pinentry.prompts) == 1


def test_without_save_the_file_keeps_the_key(new_home: GnupgHome) -> None:
    prints = local_key(new_home, "nistp256")
    (keygrip,) = secret_keygrips(new_home)

    unsaved: dict[str, Answer] = {"keyedit.save.okay": "n", "keyedit.cancel.okay": "y"}
    edit_key(
        new_home, prints[0], "keytocard", "quit",
        answers={**PRIMARY, **unsaved, "cardedit.genkeys.storekeytype": "1"},
    )  # fmt: skip

    assert not is_stub(new_home, keygrip)
    assert keygrip in keys_on_card(new_home)


def test_occupied_place_is_asked_about(new_home: GnupgHome) -> None:
    first = local_key(new_home, "nistp256")
    edit_key(new_home, first[0], "keytocard", answers={**PRIMARY, "cardedit.genkeys.storekeytype": "1"})
    before = keys_on_card(new_home)
    second = local_key(new_home, "nistp384", name="carol")

    refused = edit_key(
        new_home, second[0], "keytocard",
        answers={**PRIMARY, "cardedit.genkeys.storekeytype": "1", "cardedit.genkeys.replace_key": "n"},
    )  # fmt: skip

    assert "cardedit.genkeys.replace_key" in refused.asked
    assert keys_on_card(new_home) == before
    edit_key(
        new_home, second[0], "keytocard",
        answers={**PRIMARY, "cardedit.genkeys.storekeytype": "1", "cardedit.genkeys.replace_key": "y"},
    )  # fmt: skip
    assert card_status(new_home).fingerprints[0] == second[0]
    assert not set(keys_on_card(new_home)) & set(before)
    sign_and_verify(new_home, second[0])


def test_key_moved_to_a_place_that_another_fills_by_its_usage(gnupg_home: MakeHome, own_card: TokensOf) -> None:
    """Nobody put that one there: it stays, under its own name."""
    tokens = own_card("work")
    home: GnupgHome = gnupg_home(tokens)
    home.pinentry.always(tokens.tokens["work"].pin)
    before = keys_on_card(home)
    prints = local_key(home, "nistp256")
    (keygrip,) = secret_keygrips(home)

    talk = edit_key(home, prints[0], "keytocard", answers={**PRIMARY, "cardedit.genkeys.storekeytype": "1"})

    assert "cardedit.genkeys.replace_key" not in talk.asked
    after = keys_on_card(home)
    assert set(after) == {*before, keygrip}
    assert after[keygrip] == "OPENPGP.1"
    assert is_stub(home, keygrip)
    sign_and_verify(home, prints[0])


def test_one_key_for_signatures_and_decryption_does_both_from_one_place(new_home: GnupgHome) -> None:
    """It can be on the token once only, and its OpenPGP flags are not told: nobody must lose the way to their mail."""
    prints = local_key(new_home, "rsa2048", usage="sign,encr,cert")

    edit_key(new_home, prints[0], "keytocard", answers={**PRIMARY, "cardedit.genkeys.storekeytype": "1"})

    sign_and_verify(new_home, prints[0])
    encrypt_and_decrypt(new_home, prints[0])


def test_kind_of_key_no_token_takes_is_refused_and_stays_in_its_file(new_home: GnupgHome) -> None:
    prints = local_key(new_home, "dsa1024")
    (keygrip,) = secret_keygrips(new_home)

    talk = edit_key(
        new_home, prints[0], "keytocard", "quit",
        answers={**PRIMARY, "cardedit.genkeys.storekeytype": "1"}, check=False,
    )  # fmt: skip

    assert "KEYTOCARD failed" in talk.err
    assert new_home.pinentry.prompts == []
    assert not is_stub(new_home, keygrip)
