"""Programs for people that look at cards: gpg --card-edit, gpg's own key dialogue, gpg-card."""

from __future__ import annotations

import shutil

import pytest

from tests.e2e.user import created, encrypt_and_decrypt, make_stubs, sign_and_verify
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted


def test_existing_key_from_card_in_gpgs_dialogue(home: GnupgHome, work: Minted) -> None:
    """Option 14 lists the token's keys; the first one is taken, and signs."""
    make_stubs(home)
    answers = ["cardkey", "1", "Q", "0", "Alice Example", "alice@example.org", "", ""]

    made = home.run(
        "gpg", "--expert", "--status-fd", "1", "--command-fd", "0", "--full-generate-key", input="\n".join(answers)
    )  # fmt: skip

    keygrips = {entry.keygrip for entry in work.tokens["work"].keys.values()}
    listing = home.gpg("-K", "--with-colons").out
    assert {line.split(":")[9] for line in listing.splitlines() if line.startswith("grp:")} <= keygrips
    sign_and_verify(home, created(made.out))


def test_card_edit_lists_and_verifies(home: GnupgHome) -> None:
    edited = home.run("gpg", "--with-colons", "--command-fd", "0", "--card-edit", input="list\nverify\nquit\n")

    assert "\nserial:" in edited.out
    assert [prompt.kind for prompt in home.pinentry.prompts] == ["pin"]


def test_checkpin_unlocks_before_the_first_signature(home: GnupgHome) -> None:
    """Reference 4.6: the way to unlock a token whose objects are hidden."""
    make_stubs(home)
    fingerprint = created(home.gpg("--status-fd", "1", "--quick-gen-key", "Alice", "card", "default", "never").out)
    home.stop_agent()
    home.pinentry.forget_prompts()
    serial = home.connect_agent("SCD SERIALNO").split()[2]

    assert home.connect_agent(f"SCD CHECKPIN {serial}").splitlines()[-1] == "OK"
    home.pinentry.always(None)

    sign_and_verify(home, fingerprint)
    encrypt_and_decrypt(home, fingerprint)
    assert len(home.pinentry.prompts) == 1


def test_gpg_card_lists_every_key(home: GnupgHome, work: Minted) -> None:
    if shutil.which("gpg-card") is None:
        pytest.skip("gpg-card is not installed (GnuPG 2.4, package gnupg)")

    listed = home.run("gpg-card", "list").out

    for entry in work.tokens["work"].keys.values():
        assert entry.keygrip is not None
        assert entry.keygrip in listed
