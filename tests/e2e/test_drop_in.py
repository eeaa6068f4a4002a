"""A home set up by a real gnupg-pkcs11-scd goes on working when only the scdaemon-program line changes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.user import (
    MESSAGE,
    grip,
    is_gnupg_22,
    key_by_grip,
    sign_and_verify,
    stubs,
)
from tests.harness.gnupg import INCUMBENT, GnupgHome, scd_config
from tests.harness.tokens import Minted

CONFIG = "gnupg-pkcs11-scd.conf"
FIRST_EMPTY_SLOT = "D27600012401115031319909A5ED1111"

pytestmark = pytest.mark.skipif(not INCUMBENT.exists(), reason="gnupg-pkcs11-scd is not installed")


@dataclass(frozen=True, slots=True)
class OldHome:
    """What a person has who used gnupg-pkcs11-scd: a home, an OpenPGP key per RSA key, an encrypted letter for each."""

    home: GnupgHome
    fingerprints: tuple[str, ...]
    letters: tuple[bytes, ...]
    stubs: dict[str, bytes]


def set_up(home: GnupgHome, tokens: Minted) -> OldHome:
    """The documented way: card-status, a key by keygrip (option 13), gpgsm --learn-card; signs and encrypts once."""
    home.gpg("--card-status")
    fingerprints, letters = [], []
    for label, token in tokens.tokens.items():
        home.pinentry.for_text(label, token.pin)
        keygrip = grip(token.objects["rsa2048"])
        uid = f"Alice {label.title()} <alice@{label}.example.org>"
        fingerprint = key_by_grip(home, "RSA", keygrip, subkey=("RSA", keygrip), uid=uid)
        sign_and_verify(home, fingerprint)
        fingerprints.append(fingerprint)
        letters.append(home.gpg("-e", "-r", fingerprint, input=MESSAGE).stdout)
    home.gpgsm("--learn-card")
    return OldHome(home, tuple(fingerprints), tuple(letters), stubs(home))


def program_line(home: GnupgHome) -> str:
    """The one line of gpg-agent.conf that names the daemon."""
    lines = (home.path / "gpg-agent.conf").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("scdaemon-program "))


def switch(home: GnupgHome, ours: GnupgHome) -> None:
    """End the agent and change the one line to that of `ours`, a home with our daemon."""
    home.stop_agent()
    path = home.path / "gpg-agent.conf"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(program_line(home), program_line(ours)), encoding="utf-8")


@pytest.fixture(params=[("clone",), ("clone", "backup")], ids=["one token", "two tokens"])
def old(request: pytest.FixtureRequest, gnupg_home: MakeHome, tokens_of: TokensOf) -> OldHome:
    """A home set up by the incumbent and then switched over, its agent not started yet."""
    tokens = tokens_of(*request.param)
    home: GnupgHome = gnupg_home(tokens, scdaemon=INCUMBENT, config=scd_config(tokens), config_name=CONFIG)
    made = set_up(home, tokens)
    switch(home, gnupg_home(tokens))
    return made


def test_stubs_hold_the_serial_of_an_empty_slot(old: OldHome) -> None:
    """The premise of the other tests: the incumbent wrote a serial number that belongs to no token."""
    assert all(FIRST_EMPTY_SLOT.encode() in stub for stub in old.stubs.values())


def test_old_keys_sign(old: OldHome) -> None:
    for fingerprint in old.fingerprints:
        sign_and_verify(old.home, fingerprint)

    assert stubs(old.home) == old.stubs


def test_old_letters_are_read(old: OldHome) -> None:
    for letter in old.letters:
        assert old.home.gpg("-d", input=letter).stdout == MESSAGE

    assert stubs(old.home) == old.stubs


def test_no_card_is_asked_for(old: OldHome) -> None:
    old.home.pinentry.forget_prompts()
    for fingerprint in old.fingerprints:
        sign_and_verify(old.home, fingerprint)

    assert {prompt.kind for prompt in old.home.pinentry.prompts} == {"pin"}
    assert len(old.home.pinentry.prompts) == len(old.fingerprints)


def test_gpgsm_goes_on(old: OldHome, tokens_of: TokensOf) -> None:
    ca = tokens_of("work").tokens["work"].objects["ca"].certificate_pem
    assert ca is not None
    old.home.trust_root(ca)

    for path in (old.home.path / "private-keys-v1.d").glob("*.key"):
        signed = old.home.gpgsm("-u", f"&{path.stem}", "--sign", input=MESSAGE).stdout
        assert "GOODSIG" in old.home.gpgsm("--status-fd", "1", "--verify", input=signed).out
        secret = old.home.gpgsm("-e", "-r", f"&{path.stem}", input=MESSAGE).stdout
        assert old.home.gpgsm("-d", input=secret).stdout == MESSAGE

    assert stubs(old.home) == old.stubs


def test_configuration_file_is_read_and_left_alone(old: OldHome) -> None:
    before = (old.home.path / CONFIG).read_bytes()

    sign_and_verify(old.home, old.fingerprints[0])

    assert (old.home.path / CONFIG).read_bytes() == before
    assert not (old.home.path / "scd.conf").exists()


def test_card_status_twice_keeps_the_agent(old: OldHome) -> None:
    agent = old.home.start_agent()

    for _ in range(3):
        old.home.gpg("--card-status")

    assert old.home.start_agent() == agent
    for fingerprint in old.fingerprints:
        sign_and_verify(old.home, fingerprint)


def test_learn_card_again_keeps_the_keys(old: OldHome) -> None:
    old.home.gpgsm("--learn-card")

    for fingerprint in old.fingerprints:
        sign_and_verify(old.home, fingerprint)


def test_keys_the_incumbent_did_not_see_appear(gnupg_home: MakeHome, tokens_of: TokensOf) -> None:
    """EC certificates make gnupg-pkcs11-scd 0.10.0 fail for the whole token in GnuPG 2.4; in 2.2 it leaves them out."""
    tokens = tokens_of("work")
    home = gnupg_home(tokens, scdaemon=INCUMBENT, config=scd_config(tokens), config_name=CONFIG)
    home.pinentry.always(tokens.tokens["work"].pin)
    home.gpg("--card-status", check=is_gnupg_22())
    before = set(stubs(home))
    switch(home, gnupg_home(tokens))

    home.gpg("--card-status")

    ed25519 = tokens.tokens["work"].objects["ed25519"]
    assert f"{ed25519.keygrip}.key" not in before
    sign_and_verify(home, key_by_grip(home, "EDDSA", grip(ed25519)))
