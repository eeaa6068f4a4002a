"""A card that was set up before: on another computer, beside another card, from a backup."""

from __future__ import annotations

from tests.e2e.cards import (
    card_status,
    elliptic,
    everything_works,
    generate,
    is_stub,
    made,
    secret_fingerprints,
    secret_keygrips,
)
from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.user import encrypt_and_decrypt
from tests.harness.dialogue import edit_key
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted


def public_key(home: GnupgHome, fingerprint: str) -> bytes:
    """The public half, as one gives it to others."""
    return home.gpg("--export", fingerprint).stdout


def test_another_computer_needs_the_public_key_only(new_home: GnupgHome, gnupg_home: MakeHome, blank: Minted) -> None:
    elliptic(new_home)
    fingerprint = made(generate(new_home))
    elsewhere: GnupgHome = gnupg_home(blank)
    elsewhere.pinentry.always(blank.tokens["empty"].pin)
    assert card_status(elsewhere).fingerprints == card_status(new_home).fingerprints

    elsewhere.gpg("--import", input=public_key(new_home, fingerprint))

    card_status(elsewhere)
    everything_works(elsewhere, fingerprint)


def test_card_status_of_two_cards_shows_the_keys_of_each(gnupg_home: MakeHome, own_card: TokensOf) -> None:
    tokens = own_card("work", "backup")
    home: GnupgHome = gnupg_home(tokens)
    for token in tokens.tokens.values():
        home.pinentry.for_text(f'"{token.label}"', token.pin)
    elliptic(home)
    fingerprint = made(generate(home))

    shown = home.gpg("--card-status", "all")

    assert shown.out.count("Application type .: OpenPGP") == 2
    assert "Reader ...........: PKCS#11 softhsm (work)" in shown.out
    assert "Reader ...........: PKCS#11 softhsm (backup)" in shown.out
    assert shown.out.count("Manufacturer .....: SoftHSM project") == 2
    assert fingerprint in shown.out.replace(" ", "")
    assert shown.err == ""


def test_backup_file_brings_the_key_to_another_card(gnupg_home: MakeHome, own_card: TokensOf, blank: Minted) -> None:
    """The encryption key's backup is a file, the key itself on the card only; then the card is lost."""
    new_home: GnupgHome = gnupg_home(blank, agent_options="s2k-count 65536")  # the least work for the passphrase
    new_home.pinentry.always(blank.tokens["empty"].pin)
    elliptic(new_home)
    fingerprint = made(generate(new_home, backup="y"))
    (backup,) = new_home.path.glob("sk_*.gpg")
    card_status(new_home)  # makes the stub that gpg 2.4.7 leaves out
    assert all(is_stub(new_home, keygrip) for keygrip in secret_keygrips(new_home))
    encrypt_and_decrypt(new_home, fingerprint)
    spare = own_card("work")
    new_home.stop_agent()
    new_home.env.update(spare.env)
    new_home.pinentry.for_text("PIN of token", spare.tokens["work"].pin)
    card_status(new_home)

    edit_key(
        new_home, fingerprint, f"bkuptocard {backup}", answers={"cardedit.genkeys.storekeytype": "2"}
    )  # fmt: skip

    assert card_status(new_home).fingerprints[1] == secret_fingerprints(new_home, fingerprint)[-1]
    encrypt_and_decrypt(new_home, fingerprint)
