"""What a person with a token does: the steps that several end-to-end tests share."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import MintedObject

UID = "Alice Example <alice@example.org>"
MESSAGE = b"The words of the letter.\n"


@cache
def gnupg_version() -> tuple[int, ...]:
    """The version of the gpg under test, for what differs between 2.2 and 2.4."""
    first = subprocess.run(["gpg", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    return tuple(map(int, re.findall(r"\d+", first)[:3]))


def is_gnupg_22() -> bool:
    """Whether keys are found by their stubs and one key per card is offered to ssh."""
    return gnupg_version() < (2, 3)


def is_gnupg_25() -> bool:
    """Whether gpg-agent sends long data in several lines and works out OpenPGP's ECDH and Kyber itself."""
    return gnupg_version() >= (2, 5)


def grip(entry: MintedObject) -> str:
    """The keygrip of an object that has one."""
    assert entry.keygrip is not None
    return entry.keygrip


def make_stubs(home: GnupgHome) -> None:
    """Let gpg-agent write a stub for each key of every token, as people do by hand."""
    home.gpg("--card-status", "all")


def key_by_grip(
    home: GnupgHome,
    kind: str,
    keygrip: str,
    *,
    subkey: tuple[str, str] | None = None,
    uid: str = UID,
    usage: str = "cert,sign",
) -> str:
    """Make an OpenPGP key from existing keys (option 13 in batch form) and give its fingerprint.

    `kind` is gpg's Key-Type; `subkey` an encryption subkey's type and keygrip.
    """
    name, _, address = uid.partition(" <")
    lines = [
        f"Key-Type: {kind}",
        f"Key-Grip: {keygrip}",
        f"Key-Usage: {usage}",
        f"Name-Real: {name}",
        f"Name-Email: {address.rstrip('>')}",
        "Expire-Date: 0",
    ]
    if subkey:
        lines[3:3] = [f"Subkey-Type: {subkey[0]}", f"Subkey-Grip: {subkey[1]}", "Subkey-Usage: encrypt"]
    return created(home.gpg("--status-fd", "1", "--gen-key", input="\n".join([*lines, "%commit", ""])).out)


def created(status: str) -> str:
    """The fingerprint in gpg's KEY_CREATED line."""
    found = re.search(r"^\[GNUPG:\] KEY_CREATED [BPS] ([0-9A-F]{40})", status, re.MULTILINE)
    assert found, status
    return found[1]


def sign_and_verify(home: GnupgHome, fingerprint: str, *options: str) -> None:
    """Sign a letter with this key and see the signature verified."""
    letter = letter_in(home)
    signature = home.path / "letter.sig"
    home.gpg("--yes", "-u", fingerprint, *options, "-o", signature, "--detach-sign", letter)
    verified = home.gpg("--status-fd", "1", "--verify", signature, letter)
    assert f"[GNUPG:] VALIDSIG {fingerprint}" in verified.out


def encrypt_and_decrypt(home: GnupgHome, recipient: str, *options: str) -> None:
    """Encrypt a letter to this key and read it again with the token."""
    secret = home.gpg("-e", "-r", recipient, *options, input=MESSAGE).stdout
    assert MESSAGE not in secret
    assert home.gpg("-d", input=secret).stdout == MESSAGE


def letter_in(home: GnupgHome) -> Path:
    """A file to sign."""
    return home.write("letter.txt", MESSAGE.decode())


def with_roles(home: GnupgHome, **roles: str) -> None:
    """Add `openpgp-ROLE KEYGRIP` lines to the daemon's configuration."""
    path = home.path / "scd.conf"
    extra = "".join(f"openpgp-{role} {keygrip}\n" for role, keygrip in roles.items())
    path.write_text(path.read_text(encoding="utf-8") + extra, encoding="utf-8")


def learn(home: GnupgHome, ca: Path) -> None:
    """gpgsm knows the token's certificates, and trusts their issuer."""
    home.trust_root(ca)
    home.gpgsm("--learn-card")


def stubs(home: GnupgHome) -> dict[str, bytes]:
    """The key stubs, file by file."""
    return {path.name: path.read_bytes() for path in (home.path / "private-keys-v1.d").iterdir()}


def lines_to_daemon(home: GnupgHome, command: str) -> list[str]:
    """The lines beginning with this word that the agent's log says it wrote, to the daemon or to a client."""
    return re.findall(rf"-> ({re.escape(command)}\b.*)$", home.agent_log.read_text(errors="replace"), re.MULTILINE)


def lines_from_daemon(home: GnupgHome, word: str) -> list[str]:
    """The lines beginning with this word that the agent's log says it read, from the daemon or from a client."""
    return re.findall(rf"<- ({re.escape(word)}\b.*)$", home.agent_log.read_text(errors="replace"), re.MULTILINE)
