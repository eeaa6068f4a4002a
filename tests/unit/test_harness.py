"""The stand-ins of the tests behave as the real things would."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.assuan_client import AssuanClient, NoAnswer, Reply, escape, pin_reply, unescape
from tests.harness.gnupg import CommandFailed, GnupgHome
from tests.harness.pinentry import Pinentry, Prompt
from tests.harness.tokens import Minted

CANCELED = "ERR 83886179 Operation cancelled <Pinentry>"

# A smart-card daemon that greets, answers OK to all, and does not end with its stdin.
STUBBORN = """#!/bin/sh
echo "OK stubborn"
while read -r line; do echo OK; done
exec sleep 1000
"""


def ask(pinentry: Pinentry, *lines: str) -> list[str]:
    """What the stand-in says to one conversation, greeting left out."""
    conversation = "\n".join([*lines, "BYE", ""])
    done = subprocess.run([pinentry.program], input=conversation, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[1:]


@pytest.fixture
def pinentry(tmp_path: Path) -> Pinentry:
    return Pinentry(tmp_path / "pinentry")


def test_pinentry_cancels_until_it_is_told_a_pin(pinentry: Pinentry) -> None:
    assert ask(pinentry, "GETPIN") == [CANCELED, "OK"]


def test_pinentry_follows_the_script_then_the_text_then_the_default(pinentry: Pinentry) -> None:
    pinentry.always("default")
    pinentry.for_text("backup", "by-text")
    pinentry.script("first", None)
    said = [line for _ in range(4) for line in ask(pinentry, "SETDESC the backup token", "GETPIN")]
    assert [line for line in said if line != "OK"] == ["D first", CANCELED, "D by-text", "D by-text"]
    assert "D default" in ask(pinentry, "SETDESC another", "GETPIN")


def test_pinentry_writes_down_what_it_was_asked_but_no_pin(pinentry: Pinentry, tmp_path: Path) -> None:
    pinentry.always("very-secret")
    ask(pinentry, "SETDESC Unlock %22work%22%0A3 tries left", "SETPROMPT PIN", "GETPIN", "CONFIRM")
    assert pinentry.prompts == [
        Prompt("pin", 'Unlock "work"\n3 tries left', "PIN", True),
        Prompt("confirm", 'Unlock "work"\n3 tries left', "PIN", False),
    ]
    assert "very-secret" not in (tmp_path / "pinentry" / "prompts.jsonl").read_text()


def converse(server: bytes, line: str, answers: dict[str, bytes | None]) -> tuple[Reply, bytes]:
    """The reply the client makes of `server`'s octets, and what it sent itself."""
    to_client, from_client = os.pipe(), os.pipe()
    os.write(to_client[1], b"OK hello\n" + server)
    client = AssuanClient(to_client[0], from_client[1], timeout_s=5)
    reply = client.transact(line, answers)
    for fd in (*to_client, from_client[1]):
        os.close(fd)
    with os.fdopen(from_client[0], "rb") as sent:
        return reply, sent.read()


def test_client_reads_data_status_and_an_error() -> None:
    reply, _ = converse(b"# note\nS KEY a b\nD 1%0A\xff\nD 2\nERR 100663383 Bad PIN <SCD>\n", "X", {})
    assert (reply.data, reply.values("KEY"), reply.comments) == (b"1\n\xff2", ["a b"], ["note"])
    assert (reply.code, reply.source, reply.ok) == (87, 6, False)


def test_client_answers_an_inquiry_or_cancels_it() -> None:
    reply, sent = converse(b"INQUIRE NEEDPIN ||Unlock\nOK\n", "PKSIGN", {"NEEDPIN": pin_reply("1234")})
    assert (reply.ok, reply.inquiries) == (True, ["NEEDPIN ||Unlock"])
    assert sent == b"PKSIGN\nD 1234" + bytes(86) + b"\nEND\n"
    _, sent = converse(b"INQUIRE KEYDATA\nERR 99\n", "WRITEKEY", {})
    assert sent == b"WRITEKEY\nCAN\n"


def test_client_gives_up_on_a_daemon_that_says_nothing() -> None:
    read_fd, write_fd = os.pipe()
    with pytest.raises(NoAnswer):
        AssuanClient(read_fd, write_fd, timeout_s=0.01)
    os.close(read_fd)
    os.close(write_fd)


def test_escape_and_unescape_are_inverse() -> None:
    everything = bytes(range(256))
    assert unescape(escape(everything)) == everything


def test_a_failing_command_shows_what_it_said(gnupg_home: Callable[..., GnupgHome]) -> None:
    home = gnupg_home(scdaemon=Path("/nonexistent"))
    with pytest.raises(CommandFailed, match=r"(?s)gpg --batch --card-status.*No SmartCard daemon"):
        home.gpg("--card-status")


def test_a_daemon_that_outlives_the_agent_is_reported_and_ended(minted: Minted, tmp_path: Path) -> None:
    program = tmp_path / "stubborn"
    program.write_text(STUBBORN)
    program.chmod(0o700)
    with GnupgHome(minted, scdaemon=program) as home:
        home.connect_agent("SCD NOP")
        with pytest.raises(AssertionError, match=r"outlived gpg-agent by 0\.2 s: .*stubborn"):
            home.stop_agent(timeout_s=0.2)
    assert not home.path.exists()
