"""A key on two tokens, as people do who fear for the first one: whichever is present is used, and no dialog asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.ssh import offered, public_line, ssh_sign_and_verify
from tests.e2e.user import encrypt_and_decrypt, grip, key_by_grip, make_stubs, sign_and_verify, stubs
from tests.harness.drawer import Drawer
from tests.harness.gnupg import GnupgHome

SPARE_PIN = "spare-pin-299792"
KEYS = {"p256": "21", "rsa2048-bare": "22", "rsa2048": "23"}
"""What is on both, with the CKA_IDs on the spare token: other ones, in another order."""


@pytest.fixture
def drawer(tokens_of: TokensOf, tmp_path: Path) -> Drawer:
    """Token `work`, and `spare` with copies of its keys, which lies in the drawer."""
    made = Drawer(tokens_of("work").copy(tmp_path / "softhsm"))
    made.util("--init-token", "--free", "--label", "spare", "--pin", SPARE_PIN, "--so-pin", "97531864")
    for name, cka_id in KEYS.items():
        pem = made.tokens.tokens["work"].objects[name].key_pem
        assert pem is not None
        made.util(
            "--import", pem, "--token", "spare", "--label", f"copy of {name}", "--id", cka_id, "--pin", SPARE_PIN
        )  # fmt: skip
    made.take_away("spare")
    return made


@pytest.fixture
def home(gnupg_home: MakeHome, drawer: Drawer) -> GnupgHome:
    """A person who knows both PINs, and cancels every other window."""
    made: GnupgHome = gnupg_home(drawer.tokens)
    made.pinentry.for_text('"work"', drawer.tokens.tokens["work"].pin)
    made.pinentry.for_text('"spare"', SPARE_PIN)
    return made


@pytest.fixture
def fingerprint(home: GnupgHome, drawer: Drawer) -> str:
    """An OpenPGP key, made while the first token was there and the spare one was not."""
    work = drawer.tokens.tokens["work"].objects
    make_stubs(home)
    made = key_by_grip(home, "RSA", grip(work["rsa2048"]), subkey=("RSA", grip(work["rsa2048-bare"])))
    assert asked(home) == ["work"]
    return made


def asked(home: GnupgHome) -> list[str]:
    """The tokens whose PIN was asked for since the last time; nothing else may have been asked."""
    prompts = home.pinentry.prompts
    home.pinentry.forget_prompts()
    assert {prompt.kind for prompt in prompts} <= {"pin"}, prompts
    return [prompt.description.split('"')[1] for prompt in prompts]


def test_the_spare_token_signs_and_decrypts_and_the_first_one_again(
    home: GnupgHome, drawer: Drawer, fingerprint: str
) -> None:
    sign_and_verify(home, fingerprint)
    encrypt_and_decrypt(home, fingerprint)
    assert asked(home) == []
    before = stubs(home)

    drawer.exchange("work", "spare")
    sign_and_verify(home, fingerprint)
    encrypt_and_decrypt(home, fingerprint)
    assert asked(home) == ["spare"]

    drawer.exchange("spare", "work")
    sign_and_verify(home, fingerprint)
    encrypt_and_decrypt(home, fingerprint)
    assert asked(home) == ["work"]
    assert {name: before[name] for name in stubs(home)} == before


def test_a_daemon_that_never_saw_the_first_token_serves_the_spare_one(
    home: GnupgHome, drawer: Drawer, fingerprint: str
) -> None:
    home.stop_agent()
    drawer.exchange("work", "spare")

    encrypt_and_decrypt(home, fingerprint)
    sign_and_verify(home, fingerprint)

    assert asked(home) == ["spare"]


def test_both_are_there(home: GnupgHome, drawer: Drawer, fingerprint: str) -> None:
    drawer.put_back("spare")
    home.stop_agent()

    sign_and_verify(home, fingerprint)
    encrypt_and_decrypt(home, fingerprint)

    assert len(asked(home)) == 1


def test_ssh_with_the_spare_token(home: GnupgHome, drawer: Drawer) -> None:
    """The agent has the first token's key in its list of identities, and a stub of it."""
    key = drawer.tokens.tokens["work"].objects["p256"]
    config = home.path / "scd.conf"
    config.write_text(config.read_text() + f"openpgp-auth {grip(key)}\n")
    assert public_line(key) in offered(home)
    ssh_sign_and_verify(home, key)
    assert asked(home) == ["work"]

    drawer.exchange("work", "spare")
    ssh_sign_and_verify(home, key)

    assert asked(home) == ["spare"]


def test_no_token_at_all_is_asked_for(home: GnupgHome, drawer: Drawer, fingerprint: str) -> None:
    drawer.take_away("work")

    letter = home.write("letter.txt", "Without any token.\n")
    failed = home.gpg("-u", fingerprint, "-o", home.path / "letter.sig", "--detach-sign", letter, check=False)

    assert failed.status != 0
    assert "confirm" in {prompt.kind for prompt in home.pinentry.prompts}
