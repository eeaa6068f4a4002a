"""Records transcripts: a real gpg, gpgsm or ssh, gpg-agent and scd on a SoftHSM token, read from the agent's log.

    python -m tests.transcripts.record FOLDER [SCENARIO …]

writes FOLDER/SCENARIO.txt with the placeholders of `cast.Names` where it recognises a value. The agent's log cuts long
lines, and shows only the first octets of binary ones: what those must be is told by the command before them, or else
comes out as `{*}`, to be completed by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from scd.service.serials import display_serial, keyref, serial_mark, wire_serial
from scd.token.model import TokenId
from tests.e2e import user
from tests.harness.gnupg import CommandFailed, GnupgHome, scd_config
from tests.harness.tokens import MintedToken, mint

_LINE = re.compile(r"DBG: (chan_\d+) (<-|->) (.*)")
_GREETING = "OK PKCS#11 smart-card server"
_BINARY = re.compile(r"\[ 44 20 .*\]|\[\[Confidential data not shown\]\]")  # the latter since gpg-agent 2.4
_NAMED = re.compile(r"^C: ([A-Z]+) .*\{(?:grip|keyref):([^}]+)\}$")
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


def quick_gen_key(home: GnupgHome, _token: MintedToken) -> None:
    """The documented way to an OpenPGP key."""
    home.gpg("--quick-gen-key", user.UID, "card", "default", "never")


def ssh(home: GnupgHome, _token: MintedToken) -> None:
    """The list of keys, and a signature by the first."""
    first = home.run("ssh-add", "-L").out.splitlines()[0]
    public = home.write("id.pub", first + "\n")
    home.run("ssh-keygen", "-Y", "sign", "-n", "file", "-f", public, user.letter_in(home))


def kill(home: GnupgHome, _token: MintedToken) -> None:
    """What gpgconf --kill scdaemon makes gpg-connect-agent say."""
    home.connect_agent("SCD SERIALNO", "scd killscd")


Scenario = Callable[[GnupgHome, MintedToken], None]

# What is recorded, and what must have happened before.
SCENARIOS: dict[str, tuple[Scenario | None, Scenario]] = {
    "card-status": (None, card_status),
    "sign": (set_up, sign),
    "wrong-pin": (set_up, wrong_pin),
    "pinentry-cancel": (set_up, cancel),
    "decrypt": (set_up, decrypt),
    "quick-gen-key": (card_status, quick_gen_key),
    "gpgsm-learn-card": (None, gpgsm_learn_card),
    "ssh": (None, ssh),
    "killscd": (None, kill),
}


def record(name: str, folder: Path) -> str:
    """Run one scenario in a new home; the daemon's part of the conversation as a transcript."""
    before, act = SCENARIOS[name]
    tokens = mint(folder / f"{name}.tokens", ("work",))
    token = tokens.tokens["work"]
    with GnupgHome(tokens) as home:
        home.write("scd.conf", scd_config(tokens, home.daemon_log))
        home.pinentry.always(token.pin)
        if before is not None:
            before(home, token)
            home.stop_agent()
            home.agent_log.unlink()
        home.start_agent()
        try:
            act(home, token)
        except CommandFailed as error:
            print(error, file=sys.stderr)  # noqa: T201  # a cancelled signature is a scenario, too
        lines = conversation(home.agent_log.read_text(encoding="utf-8", errors="replace"))
    version = ".".join(map(str, user.gnupg_version()))
    head = [f"# {name}", f"# Modelled on: recorded with gpg-agent {version}, scd and SoftHSM", "# Tokens: work"]
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
    identity = TokenId("SoftHSM project", "SoftHSM v2", token.serial, token.label)
    serial = wire_serial(identity, {})
    names = {serial: "serial", display_serial(identity, serial).replace(" ", "+"): "display"}
    for entry in token.objects.values():
        if entry.keygrip is not None and entry.cka_id is not None:
            grip = bytes.fromhex(entry.keygrip)
            names[entry.keygrip] = f"grip:{entry.name}"
            names[keyref(serial, entry.cka_id, grip, unique=True)] = f"keyref:{entry.name}"
    names[serial_mark(serial)] = "mark"
    for value, name in names.items():
        text = re.sub(rf"{re.escape(value)}(?![0-9A-F])", f"{{{name}}}", text)
    text = re.sub(r"\S*/scd-\w+/S\.scd", "{socket}", text)
    return text.replace(f"P11.{serial_mark(serial)}", "P11.{mark}")


def completed(lines: list[str]) -> list[str]:
    """What stands for binary data, by the command or the inquiry that it answers."""
    answer = "*"
    done: list[str] = []
    for line in lines:
        if named := _NAMED.match(line):
            word = _ANSWERS.get(named[1])
            answer = f"{word}:{named[2]}" if word else "*"
        elif line.startswith("C: ") and not line.startswith(("C: D ", "C: END")):
            answer = "*"
        done.append(line.replace("D {*}", "D {pin}" if line.startswith("C: ") else f"D {{{answer}}}"))
    return done


def main(arguments: list[str]) -> None:
    """See the top of this file."""
    folder = Path(arguments[0])
    for name in arguments[1:] or SCENARIOS:
        (folder / f"{name}.txt").write_text(record(name, folder), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
