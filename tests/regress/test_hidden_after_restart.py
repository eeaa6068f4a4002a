"""Keys that a token hides until login, after the daemon was started anew: gpg, ssh and gpgsm's questions are answered.

GnuPG 2.4 showed twenty insert-card dialogues in 15 s, 2.2 said "No secret key" as soon as another key was visible.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from scd.gcrypt.pubkey import PublicKey
from tests.e2e.ssh import offered
from tests.e2e.user import encrypt_and_decrypt, is_gnupg_22, key_by_grip, letter_in, sign_and_verify
from tests.harness.gnupg import GnupgHome
from tests.regress.tokens import ANSWERS, PIN, PlainTokens, daemon, new_key, public_of, self_signed

MakeHome = Callable[..., GnupgHome]
NO_SECKEY, NOT_FOUND = 17, 27


def grip_of(public: PublicKey) -> str:
    return public.keygrip.hex().upper()


def private_only(tokens: PlainTokens, key: Path, label: str, cka_id: str) -> None:
    """An RSA key with nothing public beside it."""
    tokens.write(label, "privkey", key, "--id", cka_id, "--usage-sign", "--usage-decrypt")


def everything_private(tokens: PlainTokens, key: Path, label: str, cka_id: str) -> None:
    """Public key and certificate are CKA_PRIVATE, too."""
    private_only(tokens, key, label, cka_id)
    tokens.write(label, "pubkey", key.with_suffix(".pub"), "--id", cka_id, "--private")
    tokens.write_private_certificate(label, self_signed(key), cka_id)


def all_but_the_certificate(tokens: PlainTokens, key: Path, label: str, cka_id: str) -> None:
    """As pkcs11-tool 0.23 does it with --private: the certificate is visible, and stands for the key."""
    private_only(tokens, key, label, cka_id)
    tokens.write(label, "pubkey", key.with_suffix(".pub"), "--id", cka_id, "--private")
    tokens.write(label, "cert", self_signed(key), "--id", cka_id)


HIDING = {
    "nothing public": private_only,
    "public objects are private": everything_private,
    "all but the certificate": all_but_the_certificate,
}


@pytest.fixture(params=HIDING, ids=list(HIDING))
def hide(request: pytest.FixtureRequest) -> Callable[[PlainTokens, Path, str, str], None]:
    return HIDING[request.param]


@pytest.fixture
def tokens(tmp_path: Path) -> PlainTokens:
    """One token with a visible key; another with nothing but a visible key is beside it."""
    made = PlainTokens(tmp_path / "softhsm")
    for label in ("card", "other"):
        made.init(label)
        made.generate(label, "rsa:2048", "--id", "0A", "--label", f"visible on {label}")
    return made


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return new_key("rsa", tmp_path)


@pytest.fixture
def home(gnupg_home: MakeHome, tokens: PlainTokens, key: Path, hide: Callable[..., None]) -> GnupgHome:
    """The hidden key's stub is there, as CHECKPIN and LEARN leave it; the daemon is not running."""
    hide(tokens, key, "card", "01")
    made = gnupg_home(tokens)
    made.pinentry.always(PIN)
    for serial in card_serials(made):
        made.connect_agent(f"SCD CHECKPIN {serial}")
    made.connect_agent("LEARN --force")
    restart(made)
    made.pinentry.forget_prompts()
    return made


def card_serials(home: GnupgHome) -> list[str]:
    return [line.split()[2] for line in home.connect_agent("SCD SERIALNO", "SCD GETINFO card_list").splitlines()
            if line.startswith("S SERIALNO")]  # fmt: skip


def restart(home: GnupgHome) -> None:
    """A daemon that has logged in nowhere; and an agent that does not first have to notice that the old one is gone."""
    home.stop_agent()


def test_gpg_signs_and_decrypts(home: GnupgHome, key: Path) -> None:
    grip = grip_of(public_of(key))
    fingerprint = key_by_grip(home, "RSA", grip, subkey=("RSA", grip))
    home.pinentry.forget_prompts()

    restart(home)
    sign_and_verify(home, fingerprint)
    restart(home)
    encrypt_and_decrypt(home, fingerprint)

    assert [prompt.kind for prompt in home.pinentry.prompts] == ["pin", "pin"]  # and nobody was to insert a card
    assert all('token "card"' in prompt.description for prompt in home.pinentry.prompts)


def test_ssh_is_offered_the_key_and_signs(home: GnupgHome, key: Path) -> None:
    from scd.gcrypt.sshkey import ssh_line

    grip, line = grip_of(public_of(key)), " ".join(ssh_line(public_of(key)).split()[:2])
    home.write("sshcontrol", f"{grip} 0\n")

    assert line in offered(home)
    home.write("key.pub", line + "\n")
    letter = letter_in(home)
    home.run("ssh-keygen", "-Y", "sign", "-f", "key.pub", "-n", "file", letter)
    home.write("signers", f"alice {line}\n")
    home.run("ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "alice", "-n", "file", "-s", f"{letter}.sig",
             input=letter.read_bytes())  # fmt: skip
    assert [prompt.kind for prompt in home.pinentry.prompts] == ["pin"]


@pytest.mark.skipif(is_gnupg_22(), reason="2.2 offers one key of each card, and this one has no place")
def test_ssh_is_offered_the_key_without_sshcontrol(home: GnupgHome, key: Path) -> None:
    from scd.gcrypt.sshkey import ssh_line

    assert " ".join(ssh_line(public_of(key)).split()[:2]) in offered(home)


@pytest.fixture
def stubs(home: GnupgHome, tmp_path: Path) -> Path:
    """Another home with the agent's stubs, for the daemon alone."""
    home.stop_agent()
    shutil.copytree(home.path / "private-keys-v1.d", tmp_path / "home" / "private-keys-v1.d")
    return tmp_path / "home"


def test_all_names_of_the_key_are_answered(stubs: Path, tokens: PlainTokens, key: Path) -> None:
    public = public_of(key)
    with daemon(tokens, stubs, "pin-cache 0\nprovider-softhsm-cert-private\n") as client:
        (line,) = client.transact(f"KEYINFO {grip_of(public)}").values("KEYINFO")
        grip, kind, _, keyref, usage = line.split()
        assert (grip, kind, usage) == (grip_of(public), "T", "scae")
        assert keyref.startswith(("P11.", "OPENPGP."))  # a certificate may stand for the first key of the first card
        for listing in ("--list", "--list=auth", "--list=encr", "--list=sign"):
            assert line in client.transact(f"KEYINFO {listing}").values("KEYINFO")
        for name in (grip, keyref):
            assert client.transact(f"READKEY {name}").data == public.sexp()
            assert client.transact(f"READKEY --info-only {name}").values("KEYPAIRINFO")
            assert client.transact(f"GETATTR $DISPSERIALNO {name}").values("$DISPSERIALNO")[0].startswith("card")
            assert client.transact("SETDATA " + "AB" * 32).ok
            signed = client.transact(f"PKSIGN --hash=sha256 {name}", ANSWERS)
            assert len(signed.data) == 256
            assert len(signed.inquiries) == 1
            assert not client.transact(f"PKSIGN --hash=sha256 {name}", {"NEEDPIN": None}).ok  # pin-cache 0


def test_forcesig_and_a_key_that_wants_its_pin_each_time_ask_once(stubs: Path, tokens: PlainTokens, key: Path) -> None:
    grip = grip_of(public_of(key))
    with daemon(tokens, stubs, f"openpgp-sign {grip}\n") as client:
        serial = client.transact(f"KEYINFO {grip}").values("KEYINFO")[0].split()[2]
        assert client.transact(f"SERIALNO --demand={serial}").ok
        assert client.transact("SETATTR CHV-STATUS-1 %00", ANSWERS).ok
        assert client.transact("RESET").ok
        assert client.transact("SETDATA " + "AB" * 32).ok
        assert len(client.transact(f"PKSIGN --hash=sha256 {grip}", ANSWERS).inquiries) == 1
        assert len(client.transact(f"PKSIGN --hash=sha256 {grip}", ANSWERS).inquiries) == 1


def test_a_key_that_is_no_more_is_believed_in_until_a_login_shows_the_truth(
    stubs: Path, tokens: PlainTokens, key: Path
) -> None:
    grip = grip_of(public_of(key))
    tokens.tool("card", "--delete-object", "--type", "privkey", "--id", "01")
    tokens.write("card", "privkey", new_key("rsa", key.parent, "next"), "--id", "02")
    with daemon(tokens, stubs) as client:
        assert client.transact(f"KEYINFO {grip}").ok
        assert client.transact("SETDATA " + "AB" * 32).ok
        refused = client.transact(f"PKSIGN --hash=sha256 {grip}", ANSWERS)
        assert (refused.code, len(refused.inquiries)) == (NO_SECKEY, 1)
        assert client.transact("RESET").ok
        assert client.transact(f"KEYINFO {grip}").code == NOT_FOUND
        assert not client.transact(f"PKSIGN --hash=sha256 {grip}", ANSWERS).inquiries


def test_what_a_login_has_disproved_is_not_listed_or_asked_for_after_it(tmp_path: Path, tokens: PlainTokens) -> None:
    """A public key and certificates without a private key, which before the login may well have one."""
    keys = [new_key("rsa", tmp_path, f"key{number}") for number in range(3)]
    tokens.write("card", "pubkey", keys[0].with_suffix(".pub"), "--id", "01")
    tokens.write("card", "cert", self_signed(keys[1], name="/CN=Bob"), "--id", "02")
    tokens.write("card", "cert", self_signed(keys[2], name="/CN=Carol"))
    grips = [grip_of(public_of(key)) for key in keys]
    with daemon(tokens, tmp_path, "pin-cache 0\n") as client:
        for grip in grips:
            assert client.transact(f"KEYINFO {grip}").ok
        assert client.transact("SETDATA " + "AB" * 32).ok
        refused = client.transact(f"PKSIGN --hash=sha256 {grips[0]}", ANSWERS)
        assert (refused.code, len(refused.inquiries)) == (NO_SECKEY, 1)
        assert len(client.transact("LEARN --force").values("KEYPAIRINFO")) == 2  # what is visible on either token
        for grip in grips:
            assert client.transact(f"KEYINFO {grip}").code == NOT_FOUND
            assert not client.transact(f"PKSIGN --hash=sha256 {grip}", ANSWERS).inquiries


def test_a_key_that_only_another_token_has_is_used_there(tmp_path: Path, tokens: PlainTokens) -> None:
    """Its certificate is on both tokens, and before the login stands for a key on either."""
    key = new_key("rsa", tmp_path)
    for label in ("card", "other"):
        tokens.write(label, "cert", self_signed(key), "--id", "01")
    tokens.write("other", "privkey", key, "--id", "01")
    grip = grip_of(public_of(key))
    with daemon(tokens, tmp_path, "pin-cache 0\n") as client:
        serials = [line.split()[0] for line in client.transact("GETINFO card_list").values("SERIALNO")]
        assert len(serials) == 2
        for serial in serials:  # whichever comes first
            assert client.transact(f"SERIALNO --demand={serial}").ok
            assert client.transact("SETDATA " + "AB" * 32).ok
            assert client.transact(f"PKSIGN --hash=sha256 {grip}", ANSWERS).ok
        assert client.transact("SETDATA " + "AB" * 32).ok
        assert len(client.transact(f"PKSIGN --hash=sha256 {grip}", ANSWERS).inquiries) == 1  # the other has no such key
