"""X.509 with gpgsm: learn, sign, decrypt, list."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.user import MESSAGE, is_gnupg_22, is_gnupg_25, learn
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted

CERTIFIED = ("rsa2048", "p256", "p384", "ed25519")


def ca_of(tokens: Minted) -> Path:
    """The issuer of all test certificates."""
    path = tokens.tokens["work"].objects["ca"].certificate_pem
    assert path is not None
    return path


@pytest.fixture
def learnt(home: GnupgHome, work: Minted) -> GnupgHome:
    """A home whose gpgsm has learnt the token `work`."""
    learn(home, ca_of(work))
    return home


def test_learn_card_imports_every_certificate(home: GnupgHome, work: Minted) -> None:
    learned = home.gpgsm("--learn-card")

    listing = home.gpgsm("--with-colons", "--with-keygrip", "--list-keys").out
    known = {line.split(":")[9] for line in listing.splitlines() if line.startswith("grp:")}
    objects = work.tokens["work"].objects
    assert {objects[name].keygrip for name in CERTIFIED} < known
    assert len(known) == len(CERTIFIED) + 1
    assert "CN=scd Test CA" in listing
    assert "older than us" not in learned.err


def test_secret_keys_are_listed_with_their_token(learnt: GnupgHome, work: Minted) -> None:
    listing = learnt.gpgsm("-K", "--with-keygrip").out

    objects = work.tokens["work"].objects
    for name in CERTIFIED:
        assert f"keygrip: {objects[name].keygrip}" in listing
    assert listing.count("keygrip:") == len(CERTIFIED)
    if not is_gnupg_25():  # gpgsm 2.5.12 looks for the keygrip with two letters too many in its own list
        assert listing.count("card s/n:") == len(CERTIFIED)


@pytest.mark.parametrize(("name", "digest"), [("rsa2048", "SHA512"), ("p256", "SHA256"), ("p384", "SHA384")])
def test_signature_is_verified(learnt: GnupgHome, work: Minted, name: str, digest: str) -> None:
    keygrip = work.tokens["work"].objects[name].keygrip
    signed = learnt.gpgsm("-u", f"&{keygrip}", "--digest-algo", digest, "--sign", input=MESSAGE).stdout

    verified = learnt.gpgsm("--status-fd", "1", "--verify", input=signed)

    assert "[GNUPG:] GOODSIG" in verified.out


def test_detached_signature_is_verified_by_openssl(learnt: GnupgHome, work: Minted) -> None:
    """Not with RSA: gpg-agent 2.2.40 puts a zero before a card's signature with its top bit set, and OpenSSL minds."""
    keygrip = work.tokens["work"].objects["p256"].keygrip
    letter = learnt.write("letter.txt", MESSAGE.decode())
    learnt.gpgsm("-u", f"&{keygrip}", "--digest-algo", "SHA256", "-o", "letter.p7s", "--detach-sign", letter)

    checked = learnt.run(
        "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "letter.p7s", "-content", letter,
        "-CAfile", ca_of(work), "-purpose", "any", "-out", "read.txt",
    )  # fmt: skip

    assert "erif" in checked.err
    assert (learnt.path / "read.txt").read_bytes() == MESSAGE


def test_message_to_the_rsa_certificate_is_decrypted(learnt: GnupgHome, work: Minted) -> None:
    keygrip = work.tokens["work"].objects["rsa2048"].keygrip
    secret = learnt.gpgsm("-e", "-r", f"&{keygrip}", input=MESSAGE).stdout

    assert learnt.gpgsm("-d", input=secret).stdout == MESSAGE


def test_message_to_the_ec_certificate_is_decrypted(learnt: GnupgHome, work: Minted) -> None:
    if is_gnupg_22():
        pytest.skip("gpgsm 2.2 does not encrypt to EC certificates")
    keygrip = work.tokens["work"].objects["p384"].keygrip
    secret = learnt.gpgsm("-e", "-r", f"&{keygrip}", input=MESSAGE).stdout

    assert learnt.gpgsm("-d", input=secret).stdout == MESSAGE


def test_learning_asks_for_no_pin(learnt: GnupgHome) -> None:
    assert learnt.pinentry.prompts == []
