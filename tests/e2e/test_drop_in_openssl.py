"""As test_drop_in.py, on tokens as people have them: private keys and `openssl req -x509` certificates, nothing else.

gnupg-pkcs11-scd shows just what has a certificate. These say CA:TRUE, and once were taken for a CA's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeHome
from tests.e2e.test_drop_in import CONFIG, switch
from tests.e2e.user import MESSAGE, key_by_grip, sign_and_verify, stubs
from tests.harness.gnupg import INCUMBENT, GnupgHome, scd_config
from tests.regress.tokens import PIN, PlainTokens, new_key, public_of, self_signed

pytestmark = pytest.mark.skipif(not INCUMBENT.exists(), reason="gnupg-pkcs11-scd is not installed")


@dataclass(frozen=True, slots=True)
class OldHome:
    """A home as its owner left it: the OpenPGP keys, and a letter for each; all by the incumbent."""

    home: GnupgHome
    grips: tuple[str, ...]
    fingerprints: tuple[str, ...]
    letters: tuple[bytes, ...]
    stubs: dict[str, bytes]


@pytest.fixture
def old(gnupg_home: MakeHome, tmp_path: Path) -> OldHome:
    """Two RSA keys, each with its certificate; the switch is made, nothing has been started since.

    With CKA_IDs: what has none the incumbent does not show.
    """
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    keys = [new_key("rsa", tmp_path, f"key{number}") for number in range(2)]
    for number, key in enumerate(keys, 1):
        tokens.write("card", "privkey", key, "--id", f"0{number}")
        tokens.write("card", "cert", self_signed(key, name=f"/CN=Alice {number}"), "--id", f"0{number}")
    home = gnupg_home(tokens, scdaemon=INCUMBENT, config=scd_config(tokens), config_name=CONFIG)
    home.pinentry.always(PIN)
    home.gpg("--card-status")
    home.gpgsm("--learn-card")
    held = stubs(home)
    grips = tuple(public_of(key).keygrip.hex().upper() for key in keys)
    prints, letters = [], []
    for grip in grips:
        uid = f"Alice {grip[:4]} <alice-{grip[:4].lower()}@example.org>"
        prints.append(key_by_grip(home, "RSA", grip, subkey=("RSA", grip), uid=uid))
        sign_and_verify(home, prints[-1])
        letters.append(home.gpg("-e", "-r", prints[-1], input=MESSAGE).stdout)
    switch(home, gnupg_home(tokens))
    home.pinentry.forget_prompts()
    return OldHome(home, grips, tuple(prints), tuple(letters), held)


def test_the_incumbent_left_stubs(old: OldHome) -> None:
    """The premise of the others."""
    assert old.stubs.keys() == {f"{grip}.key" for grip in old.grips}


def test_gpg_signs_and_decrypts(old: OldHome) -> None:
    for fingerprint, letter in zip(old.fingerprints, old.letters, strict=True):
        sign_and_verify(old.home, fingerprint)
        assert old.home.gpg("-d", input=letter).stdout == MESSAGE
    assert {prompt.kind for prompt in old.home.pinentry.prompts} == {"pin"}  # and nobody was to insert a card
    assert stubs(old.home) == old.stubs


def test_old_letters_come_first(old: OldHome) -> None:
    for letter in old.letters:
        assert old.home.gpg("-d", input=letter).stdout == MESSAGE
    assert len(old.home.pinentry.prompts) == 1


def test_gpgsm_signs_and_decrypts(old: OldHome) -> None:
    trust_all(old.home)
    for grip in old.grips:
        signed = old.home.gpgsm("-u", f"&{grip}", "--sign", input=MESSAGE).stdout
        assert "GOODSIG" in old.home.gpgsm("--status-fd", "1", "--verify", input=signed).out
        secret = old.home.gpgsm("-e", "-r", f"&{grip}", input=MESSAGE).stdout
        assert old.home.gpgsm("-d", input=secret).stdout == MESSAGE
    assert stubs(old.home) == old.stubs


def trust_all(home: GnupgHome) -> None:
    """Their certificates are their own roots."""
    listing = home.gpgsm("--with-colons", "--list-keys").out.splitlines()
    prints = [line.split(":")[9] for line in listing if line.startswith("fpr:")]
    home.write("trustlist.txt", "".join(f"{print_} S relax\n" for print_ in prints))
    home.connect_agent("RELOADAGENT")
