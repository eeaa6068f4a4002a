"""Records transcripts: a real gpg, gpgsm or ssh, gpg-agent and scd on a SoftHSM token, read from the agent's log.

    python -m tests.transcripts.record FOLDER [SCENARIO …]

writes FOLDER/SCENARIO.txt with the placeholders of `cast.Names` where it recognises a value. The agent's log cuts long
lines, and shows only the first octets of binary ones: what those must be is told by the command before them, or else
comes out as `{*}`, to be completed by hand.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scd.service.finding.places import ROLES
from scd.service.finding.serials import display_serial, keyref, serial_mark, wire_serial
from scd.token.model import TokenId
from tests.e2e import cards, user
from tests.e2e.ssh import public_line
from tests.harness.dialogue import Answer, edit_key
from tests.harness.gnupg import CommandFailed, GnupgHome, scd_config
from tests.harness.tokens import MintedToken, mint

_LINE = re.compile(r"DBG: (chan_\d+) (<-|->) (.*)")
_GREETING = "OK PKCS#11 smart-card server"
_BINARY = re.compile(r"\[ 44 20 .*\]|\[\[Confidential data not shown\]\]")  # the latter since gpg-agent 2.4
_NAMED = re.compile(r"^C: ([A-Z]+) .*?(?:\{(?:grip|keyref):([^}]+)\}|(OPENPGP\.[123]))$")
_PLACED = re.compile(r"KEYPAIRINFO \{grip:([^}]+)\} (OPENPGP\.[123]) ")
_NEW = re.compile(
    r"KEYPAIRINFO ([0-9A-F]{40}) OPENPGP\.([123]) .*\nS: S KEY-FPR ([0-9A-F]{40})\nS: S KEY-CREATED-AT (\d+)"
)
_IN_PLACE = re.compile(r"KEYPAIRINFO ([0-9A-F]{40}) OPENPGP\.([123]) ")
_ATTACHED = re.compile(r"KEY-FPR ([123]) ([0-9A-F]{40})\n(?:S: S KEY-(?:FPR|TIME) .*\n)*?S: S KEY-TIME \1 (\d+)")
_ANSWERS = {"READKEY": "public", "READCERT": "certificate", "PKSIGN": "signature", "PKAUTH": "signature",
            "PKDECRYPT": "plain"}  # fmt: skip


def set_up(home: GnupgHome, token: MintedToken) -> None:
    """An OpenPGP key of the token's two RSA keys, and a letter to it."""
    user.make_stubs(home)
    first, second = (user.grip(token.objects[name]) for name in ("rsa2048", "rsa2048-bare"))
    user.key_by_grip(home, "RSA", first, subkey=("RSA", second))
    home.gpg("-o", home.path / "letter.gpg", "-e", "-r", user.UID, user.letter_in(home))


def card_status(home: GnupgHome, _token: MintedToken) -> None:
    """What people try first."""
    home.gpg("--card-status")


def gpgsm_learn_card(home: GnupgHome, _token: MintedToken) -> None:
    """Certificates for gpgsm."""
    home.gpgsm("--learn-card")


def gpgsm_learn_named_card(home: GnupgHome, token: MintedToken) -> None:
    """The card whose certificates are wanted is named: since GnuPG 2.5."""
    home.gpgsm("--learn-card", wire_serial(_identity(token), {}))


def sign(home: GnupgHome, _token: MintedToken) -> None:
    """One OpenPGP signature."""
    home.gpg("-u", user.UID, "--yes", "-s", user.letter_in(home))


def wrong_pin(home: GnupgHome, token: MintedToken) -> None:
    """One refused PIN, then the right one."""
    home.pinentry.script("000000", token.pin)
    sign(home, token)


def cancel(home: GnupgHome, token: MintedToken) -> None:
    """The Cancel button."""
    home.pinentry.always(None)
    sign(home, token)


def decrypt(home: GnupgHome, _token: MintedToken) -> None:
    """One letter is read."""
    home.gpg("-d", home.path / "letter.gpg")


def set_up_ecdh(home: GnupgHome, token: MintedToken) -> None:
    """An OpenPGP key of two keys on NIST P-256, and a letter to it."""
    user.make_stubs(home)
    first, second = (user.grip(token.objects[name]) for name in ("p256", "p256-ecdh"))
    user.key_by_grip(home, "ECDSA", first, subkey=("ECDH", second))
    home.gpg("-o", home.path / "letter.gpg", "-e", "-r", user.UID, user.letter_in(home))


def quick_gen_key(home: GnupgHome, _token: MintedToken) -> None:
    """The documented way to an OpenPGP key."""
    home.gpg("--quick-gen-key", user.UID, "card", "default", "never")


def ssh(home: GnupgHome, _token: MintedToken) -> None:
    """The list of keys, and a signature by the first."""
    first = home.run("ssh-add", "-L").out.splitlines()[0]
    public = home.write("id.pub", first + "\n")
    home.run("ssh-keygen", "-Y", "sign", "-n", "file", "-f", public, user.letter_in(home))


def ssh_certificate(home: GnupgHome, token: MintedToken) -> None:
    """An Ed25519 key signs more than a line holds: since GnuPG 2.5."""
    for name, file in (("ed25519", "ca.pub"), ("p256", "certified.pub")):
        home.write(file, public_line(token.objects[name]) + "\n")
    principals = ",".join(f"somebody{number}" for number in range(20))
    home.run("ssh-keygen", "-q", "-U", "-s", "ca.pub", "-I", "x", "-n", principals, "certified.pub")


def kill(home: GnupgHome, _token: MintedToken) -> None:
    """What gpgconf --kill scdaemon makes gpg-connect-agent say."""
    home.connect_agent("SCD SERIALNO", "scd killscd")


def card_edit_generate(home: GnupgHome, _token: MintedToken) -> None:
    """Three keys made on the token, of the kind chosen with key-attr: on NIST P-256."""
    choices: dict[str, Answer] = {"cardedit.genkeys.algo": ("2",) * 3, "keygen.curve": ("3",) * 3}
    cards.generate(home, "key-attr", answers=choices)


def roles(home: GnupgHome, token: MintedToken) -> None:
    """The configuration names the keys of the three places."""
    of = {"sign": "rsa2048", "encr": "rsa2048-bare", "auth": "p256"}
    user.with_roles(home, **{role: user.grip(token.objects[name]) for role, name in of.items()})


def existing_key_generate(home: GnupgHome, _token: MintedToken) -> None:
    """An OpenPGP key of the three keys that the configuration names."""
    cards.generate(home)


def key_on_disk(home: GnupgHome, _token: MintedToken) -> None:
    """An OpenPGP key in a file."""
    cards.local_key(home, "nistp256")


def keytocard(home: GnupgHome, _token: MintedToken) -> None:
    """It is moved to the token."""
    primary = home.gpg("-k", "--with-colons").out.split("fpr:::::::::")[1][:40]
    answers: dict[str, Answer] = {"keyedit.keytocard.use_primary": "y", "cardedit.genkeys.storekeytype": "1"}
    edit_key(home, primary, "keytocard", answers=answers)


def gpg_card_generate(home: GnupgHome, _token: MintedToken) -> None:
    """One key made on the token, and what gpg-card shows then."""
    home.run("gpg-card", "generate", "--algo=nistp256", "OPENPGP.1", "--", "list")


Act = Callable[[GnupgHome, MintedToken], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is recorded, what must have happened before, on which token, and what has to be installed."""

    act: Act
    before: Act | None = None
    token: str = "work"
    program: str = "gpg"


SCENARIOS: dict[str, Scenario] = {
    "card-status": Scenario(card_status),
    "sign": Scenario(sign, set_up),
    "wrong-pin": Scenario(wrong_pin, set_up),
    "pinentry-cancel": Scenario(cancel, set_up),
    "decrypt": Scenario(decrypt, set_up),
    "quick-gen-key": Scenario(quick_gen_key, card_status),
    "decrypt-ecdh": Scenario(decrypt, set_up_ecdh),
    "gpgsm-learn-card": Scenario(gpgsm_learn_card),
    "gpgsm-learn-named-card": Scenario(gpgsm_learn_named_card),
    "ssh": Scenario(ssh),
    "ssh-certificate": Scenario(ssh_certificate),
    "killscd": Scenario(kill),
    "card-edit-generate": Scenario(card_edit_generate, token="empty"),
    "existing-key-generate": Scenario(existing_key_generate, roles),
    "keytocard": Scenario(keytocard, key_on_disk, "empty"),
    "gpg-card-generate": Scenario(gpg_card_generate, token="empty", program="gpg-card"),
}


def record(name: str, folder: Path) -> str:
    """Run one scenario in a new home; the daemon's part of the conversation as a transcript."""
    scenario = SCENARIOS[name]
    tokens = mint(folder / f"{name}.tokens", (scenario.token,))
    token = tokens.tokens[scenario.token]
    with GnupgHome(tokens) as home:
        home.write("scd.conf", scd_config(tokens, home.daemon_log))
        home.pinentry.always(token.pin)
        if scenario.before is not None:
            home.start_agent()
            scenario.before(home, token)
            home.stop_agent()
            home.agent_log.unlink()
        home.start_agent()
        try:
            scenario.act(home, token)
        except CommandFailed as error:
            print(error, file=sys.stderr)  # noqa: T201  # a cancelled signature is a scenario, too
        lines = conversation(home.agent_log.read_text(encoding="utf-8", errors="replace"))
    version = ".".join(map(str, user.gnupg_version()))
    head = [f"# {name}", f"# Modelled on: recorded with gpg-agent {version}, scd and SoftHSM"]
    head.append(f"# Tokens: {scenario.token}")
    named = with_placeholders("\n".join(lines), token).split("\n")
    return "\n".join([*head, *completed(named)]) + "\n"


def conversation(log: str) -> list[str]:
    """The C and S lines of all connections to the daemon, in the order of the log."""
    lines: list[str] = []
    ours: set[str] = set()  # channels
    for channel, arrow, text in _LINE.findall(log):
        if arrow == "<-" and text.startswith(_GREETING):
            ours.add(channel)
            lines.append("")
        if channel in ours and text != "[eof]":
            lines.append(f"{'S' if arrow == '<-' else 'C'}: {_BINARY.sub('D {*}', text)}")
    return lines


def with_placeholders(text: str, token: MintedToken) -> str:
    """Names in place of the values that change with every token that is made."""
    identity = _identity(token)
    serial = wire_serial(identity, {})
    names = {serial: "serial", display_serial(identity, serial).replace(" ", "+"): "display"}
    for entry in token.objects.values():
        if entry.keygrip is not None and entry.cka_id is not None:
            grip = bytes.fromhex(entry.keygrip)
            names[entry.keygrip] = f"grip:{entry.name}"
            names[keyref(serial, entry.cka_id, grip, unique=True)] = f"keyref:{entry.name}"
    names[serial_mark(serial)] = "mark"
    names |= new_keys(text, names)
    for value, name in names.items():
        text = re.sub(rf"{re.escape(value)}(?![0-9A-F])", f"{{{name}}}", text)
    text = re.sub(r"\S*/scd-\w+/S\.scd", "{socket}", text)
    return text.replace(f"P11.{serial_mark(serial)}", "P11.{mark}")


def _identity(token: MintedToken) -> TokenId:
    return TokenId("SoftHSM project", "SoftHSM v2", token.serial, token.label)


def new_keys(text: str, known: dict[str, str]) -> dict[str, str]:
    """The keygrips and fingerprints of keys that were made, taken in or attached; by the labels new keys are given."""
    titles = {str(role.number): role.title for role in ROLES}
    names: dict[str, str] = {}
    for grip, place in _IN_PLACE.findall(text):
        titles[place] = known.get(grip, f"grip:{titles[place]}").removeprefix("grip:")
        names[grip] = f"grip:{titles[place]}"
    found = [(place, print_, created) for _, place, print_, created in _NEW.findall(text)]
    for place, print_, created in found + _ATTACHED.findall(text):
        names[print_] = f"fingerprint:{titles[place]}:{created}"
    return names


def completed(lines: list[str]) -> list[str]:
    """What stands for binary data, by the command or the inquiry that it answers."""
    answer = "*"
    reply = "pin"
    placed: dict[str, str] = {}
    done: list[str] = []
    for line in lines:
        placed |= {place: name for name, place in _PLACED.findall(line)}
        if named := _NAMED.match(line):
            word, name = _ANSWERS.get(named[1]), named[2] or placed.get(named[3])
            answer = f"{word}:{name}" if word and name else "*"
        elif line.startswith("C: ") and not line.startswith(("C: D ", "C: END")):
            answer = "*"
        elif line.startswith("S: INQUIRE "):
            reply = "pin" if line.startswith("S: INQUIRE NEEDPIN") else "*"
        done.append(line.replace("D {*}", f"D {{{reply}}}" if line.startswith("C: ") else f"D {{{answer}}}"))
    return done


def main(arguments: list[str]) -> None:
    """See the top of this file."""
    folder = Path(arguments[0])
    for name in arguments[1:] or (name for name, one in SCENARIOS.items() if shutil.which(one.program)):
        (folder / f"{name}.txt").write_text(record(name, folder), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
