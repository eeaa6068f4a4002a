"""Steps of the tests that change a card: what gpg shows of it, keys made on it, keys moved to it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.e2e.ssh import offered
from tests.e2e.user import MESSAGE, created, encrypt_and_decrypt, sign_and_verify
from tests.harness.dialogue import Answer, Conversation, card_edit
from tests.harness.gnupg import GnupgHome

ABOUT_THE_KEY: dict[str, Answer] = {
    "keygen.valid": "0",
    "keygen.name": "Alice Example",
    "keygen.email": "alice@example.org",
    "keygen.comment": "",
}
"""What gpg asks when it makes a new OpenPGP key."""


@dataclass(frozen=True, slots=True)
class CardStatus:
    """`gpg --with-colons --card-status`: `fields` by the first word of each line; `complaints` is what stderr says
    but for files that gpg creates.
    """

    fields: dict[str, list[str]]
    complaints: str

    @property
    def fingerprints(self) -> list[str]:
        """Of the three places; empty where none is known."""
        return self.fields["fpr"][:3]

    @property
    def keygrips(self) -> list[str]:
        """Of the three places; 40 zeros where there is no key."""
        return self.fields["grp"][:3]

    @property
    def created(self) -> list[int]:
        """Epochs of the three places; 0 where none is known."""
        return [int(time) for time in self.fields["fprtime"][:3]]


def card_status(home: GnupgHome, *serial: str) -> CardStatus:
    """What gpg shows of the current card, or of this one."""
    shown = home.gpg("--with-colons", "--card-status", *serial)
    fields: dict[str, list[str]] = {}
    for line in shown.out.splitlines():
        word, _, rest = line.partition(":")
        fields.setdefault(word if word != "keyattr" else word + rest[0], rest.split(":"))
    complaints = [line for line in shown.err.splitlines() if not line.endswith(" created")]
    return CardStatus(fields, "\n".join(complaints))


def generate(
    home: GnupgHome,
    *before: str,
    backup: str = "n",
    answers: dict[str, Answer] | None = None,
    check: bool = True,
) -> Conversation:
    """`generate` in --card-edit, after the admin commands in `before`."""
    table = {"cardedit.genkeys.backup_enc": backup, **ABOUT_THE_KEY, **(answers or {})}
    return card_edit(home, "admin", *before, "generate", answers=table, check=check)


def made(talk: Conversation) -> str:
    """The fingerprint of the OpenPGP key that a dialogue made."""
    return created("\n".join(f"[GNUPG:] {line}" for line in talk.status))


def attribute(home: GnupgHome, place: int, algorithm: int, name: str) -> None:
    """What `key-attr` sends: keys of this kind are made in this place from now on."""
    reply = home.connect_agent(f"SCD SETATTR KEY-ATTR --force+{place}+{algorithm}+{name}")
    assert reply.splitlines()[-1] == "OK", reply


def elliptic(home: GnupgHome) -> None:
    """Set all three places to NIST P-256, whose keys are made at once."""
    for place, algorithm in ((1, 19), (2, 18), (3, 19)):
        attribute(home, place, algorithm, "nistp256")


def local_key(
    home: GnupgHome, algorithm: str, *subkeys: tuple[str, str], usage: str = "sign,cert", name: str = "bob"
) -> list[str]:
    """An OpenPGP key on disk without passphrase: the fingerprints of the primary key and of `subkeys` (kind, usage)."""
    options = ("--pinentry-mode", "loopback", "--passphrase", "", "--status-fd", "1")
    shown = home.gpg(*options, "--quick-gen-key", f"Bob <{name}@example.org>", algorithm, usage, "never")
    primary = created(shown.out)
    for kind, usage in subkeys:
        home.gpg(*options, "--quick-add-key", primary, kind, usage, "never")
    return secret_fingerprints(home, primary)


def secret_fingerprints(home: GnupgHome, *keys: str) -> list[str]:
    """The primary key and the subkeys of these keys, or of all that have a secret half, in gpg's order."""
    return _in_listing(home, "fpr", keys)


def secret_keygrips(home: GnupgHome, *keys: str) -> list[str]:
    """The keygrips in the order of `secret_fingerprints`."""
    return _in_listing(home, "grp", keys)


def _in_listing(home: GnupgHome, kind: str, keys: tuple[str, ...]) -> list[str]:
    listing = home.gpg("-K", "--with-colons", *keys).out.splitlines()
    return [line.split(":")[9] for line in listing if line.startswith(f"{kind}:")]


def is_stub(home: GnupgHome, keygrip: str) -> bool:
    """Whether the agent's file of this key only points at a card."""
    return b"shadowed-private-key" in (home.path / "private-keys-v1.d" / f"{keygrip}.key").read_bytes()


def everything_works(home: GnupgHome, fingerprint: str) -> None:
    """The key signs, decrypts, and its authentication key serves ssh."""
    sign_and_verify(home, fingerprint)
    encrypt_and_decrypt(home, fingerprint)
    ssh_works(home, fingerprint)


def ssh_works(home: GnupgHome, fingerprint: str) -> None:
    """ssh signs with the authentication key of this OpenPGP key."""
    public = " ".join(home.gpg("--export-ssh-key", fingerprint).out.split()[:2])
    assert public in offered(home)
    home.write("key.pub", public + "\n")
    home.write("allowed", f"alice {public}\n")
    home.write("letter.txt", MESSAGE.decode())
    (home.path / "letter.txt.sig").unlink(missing_ok=True)
    home.run("ssh-keygen", "-Y", "sign", "-n", "file", "-f", "key.pub", "letter.txt")
    home.run(
        "ssh-keygen", "-Y", "verify", "-n", "file", "-f", "allowed", "-I", "alice", "-s", "letter.txt.sig",
        input=MESSAGE,
    )  # fmt: skip


def keys_on_card(home: GnupgHome) -> dict[str, str]:
    """Every key the card shows: keyref by keygrip."""
    listing = home.connect_agent("SCD LEARN --keypairinfo")
    return dict(re.findall(r"^S KEYPAIRINFO ([0-9A-F]{40}) (\S+)", listing, re.MULTILINE))
