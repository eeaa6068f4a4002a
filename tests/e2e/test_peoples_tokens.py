"""What a new user does with a token made by pkcs11-tool and openssl with default flags, from --card-status to ssh."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.cards import card_status, secret_keygrips
from tests.e2e.ssh import offered
from tests.e2e.test_git import signed_commit
from tests.e2e.user import (
    MESSAGE,
    UID,
    created,
    encrypt_and_decrypt,
    is_gnupg_22,
    key_by_grip,
    make_stubs,
    sign_and_verify,
)
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted
from tests.regress.tokens import PIN, PlainTokens, new_key, openssl, self_signed

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/local/bin")
NO_KEY = 40 * "0"
KINDS = ("rsa", "prime256v1", "ed25519")
GENERATED = {"rsa": "rsa:2048", "prime256v1": "EC:prime256v1", "ed25519": "EC:edwards25519"}


@dataclass(frozen=True, slots=True)
class Habit:
    """How somebody fills a token: `ids` whether --id is given, `certificates` none, self-signed or by a CA."""

    ids: bool
    certificates: str = "none"

    def __str__(self) -> str:
        return f"{'ids' if self.ids else 'no ids'}, {self.certificates}"


HABITS = [Habit(ids, kind) for ids in (True, False) for kind in ("none", "self-signed", "by a CA")]
# gpgsm 2.2.40 gives up on the whole card at a self-signed Ed25519 certificate.
CERTIFIED = [one for one in HABITS if one.certificates in ("by a CA", None if is_gnupg_22() else "self-signed")]


def fill(tokens: PlainTokens, label: str, habit: Habit, folder: Path) -> None:
    """An RSA, a P-256 and an Ed25519 key: made on the token, or with openssl where they have certificates."""
    tokens.init(label)
    for number, kind in enumerate(KINDS, 1):
        options = ("--id", f"0{number}") if habit.ids else ()
        if habit.certificates == "none":
            tokens.generate(label, GENERATED[kind], *options)
            continue
        key = new_key(kind, folder, f"{label}-{kind}")
        if kind == "ed25519":  # pkcs11-tool cannot write it
            tokens.load(label, key, f"0{number}")
        else:
            tokens.write(label, "privkey", key, *options)
        tokens.write(label, "cert", certificate(key, habit, folder, f"{label} {kind}"), *options)


def certificate(key: Path, habit: Habit, folder: Path, name: str) -> Path:
    if habit.certificates == "self-signed":
        return self_signed(key, name=f"/CN={name}")
    ca, request, issued = folder / "ca.crt", key.with_suffix(".csr"), key.with_suffix(".crt")
    if not ca.exists():
        self_signed(new_key("rsa", folder, "ca"), name="/CN=Our CA")
    openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
    signer = ("-CA", ca, "-CAkey", ca.with_suffix(".der"), "-CAcreateserial")
    openssl("x509", "-req", "-in", request, *signer, "-outform", "DER", "-out", issued)
    return issued


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., PlainTokens]:
    """A maker of such tokens by habit and labels, each made once; not to be written to."""
    made: dict[tuple[Habit, tuple[str, ...]], PlainTokens] = {}

    def give(habit: Habit, *labels: str) -> PlainTokens:
        if (habit, labels) not in made:
            folder = tmp_path_factory.mktemp("people")
            made[habit, labels] = tokens = PlainTokens(folder / "softhsm")
            for label in labels:
                fill(tokens, label, habit, folder)
        return made[habit, labels]

    return give


def home_with(gnupg_home: Callable[[Minted], GnupgHome], tokens: PlainTokens) -> GnupgHome:
    home = gnupg_home(tokens)
    home.pinentry.always(PIN)
    return home


@pytest.mark.parametrize("habit", HABITS, ids=str)
def test_from_card_status_to_openpgp_git_and_ssh(
    habit: Habit, filled: Callable[..., PlainTokens], gnupg_home: Callable[[Minted], GnupgHome]
) -> None:
    home = home_with(gnupg_home, filled(habit, "card"))
    status = card_status(home)
    assert status.complaints == ""
    assert NO_KEY not in status.keygrips

    fingerprint = created(home.gpg("--status-fd", "1", "--quick-generate-key", UID, "card", "default", "never").out)
    assert len(set(secret_keygrips(home, fingerprint))) > 1  # it signs and encrypts with different keys
    sign_and_verify(home, fingerprint)
    encrypt_and_decrypt(home, fingerprint)
    assert f"VALIDSIG {fingerprint}" in signed_commit(home, gpg_program="gpg", user_signingkey=fingerprint).err
    if SSHD is not None:
        assert log_in(home, SSHD) == "welcome\n"


@pytest.mark.parametrize("habit", CERTIFIED, ids=str)
def test_gpgsm_signs_and_decrypts(
    habit: Habit, filled: Callable[..., PlainTokens], gnupg_home: Callable[[Minted], GnupgHome]
) -> None:
    """P-256 keys written by pkcs11-tool may not derive; gpgsm cannot sign with Ed25519."""
    tokens = filled(habit, "card")
    home = home_with(gnupg_home, tokens)
    grips = learnt(home, tokens.folder.parent / "ca.crt")
    for kind in ("rsa", "prime256v1"):
        user = f"&{grips[f'CN=card {kind}']}"
        signed = home.gpgsm("-u", user, "--sign", input=MESSAGE).stdout
        assert "[GNUPG:] GOODSIG" in home.gpgsm("--status-fd", "1", "--verify", input=signed).out
    secret = home.gpgsm("-r", f"&{grips['CN=card rsa']}", "--encrypt", input=MESSAGE).stdout
    assert home.gpgsm("--decrypt", input=secret).stdout == MESSAGE


def test_keys_of_two_tokens_are_used_side_by_side(
    filled: Callable[..., PlainTokens], gnupg_home: Callable[[Minted], GnupgHome]
) -> None:
    home = home_with(gnupg_home, filled(HABITS[0], "first", "second"))
    make_stubs(home)
    for label in ("first", "second"):
        sign_and_verify(home, key_by_grip(home, "RSA", rsa_key(home, label), uid=f"Bob <{label}@example.org>"))


def rsa_key(home: GnupgHome, label: str) -> str:
    """The keygrip of the token's RSA key."""
    listing = home.connect_agent("SCD LEARN --force")
    on_token = set(re.findall(rf"^S KEY-FRIEDNLY (\S+) .* on {label}$", listing, re.MULTILINE))
    found: str
    (found,) = on_token & set(re.findall(r"^S KEYPAIRINFO (\S+) .* rsa2048$", listing, re.MULTILINE))
    return found


def learnt(home: GnupgHome, ca: Path) -> dict[str, str]:
    """gpgsm knows the token's certificates and trusts all: keygrips by subject."""
    if ca.exists():
        home.gpgsm("--import", ca)
    home.gpgsm("--learn-card")
    listing = home.gpgsm("--with-colons", "--with-keygrip", "--list-keys").out
    home.write(
        "trustlist.txt", "".join(f"{one} S relax\n" for one in re.findall(r"^fpr:+([0-9A-F]{40}):", listing, re.M))
    )
    home.connect_agent("RELOADAGENT")
    pairs = re.findall(r"^grp:+([0-9A-F]{40}):\nuid:[a-z]?:+([^:\n]+):", listing, re.M)
    return {subject: keygrip for keygrip, subject in pairs}


def log_in(home: GnupgHome, sshd: str) -> str:
    """ssh to an sshd of our own, which knows the first key that gpg-agent offers: what the other side says."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # root's sshd wants it; systemd makes it where sshd is a service
    home.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "host_key")
    home.write("authorized_keys", next(iter(offered(home))) + "\n")
    config = home.write(
        "sshd_config",
        f"HostKey {home.path}/host_key\nAuthorizedKeysFile {home.path}/authorized_keys\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nForceCommand echo welcome\n",
    )
    options = (
        f"ProxyCommand={sshd} -i -f {config} -E {home.path}/sshd.log", "StrictHostKeyChecking=no", "BatchMode=yes",
        f"UserKnownHostsFile={home.path}/known_hosts",
    )  # fmt: skip
    return home.run("ssh", "-T", "-F", "none", *(word for one in options for word in ("-o", one)), "127.0.0.1").out
