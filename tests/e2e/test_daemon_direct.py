"""The daemon driven as gpg-agent drives it, where the agent would hide what is to be seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.conftest import TokensOf
from tests.e2e.user import grip
from tests.harness.assuan_client import AssuanClient, RunningScd, pin_reply, run_scd
from tests.harness.gnupg import scd_config
from tests.harness.tokens import Minted

CANCELED = 99
BAD_PIN = 87
ENODEV = 32848
SHA256_INFO = "3031300D060960864801650304020105000420"

WITHOUT_READER = (
    "SERIALNO",
    "SERIALNO --all",
    "LEARN --force",
    "LEARN --keypairinfo",
    f"SETDATA {SHA256_INFO}{'5A' * 32}",
    "SETDATA --append 00",
    "GETATTR SERIALNO",
    "GETATTR KEY-FPR",
    "GETATTR KEY-ATTR",
    "GETATTR CHV-STATUS",
    "GETATTR DISP-NAME",
    "GETATTR EXTCAP",
    "GETATTR $SIGNKEYID",
    "GETATTR $AUTHKEYID",
    "GETATTR $DISPSERIALNO",
    "GETATTR NO-SUCH-THING",
    "KEYINFO --list",
    "KEYINFO --list=encr",
    "KEYINFO --list=auth",
    "GETINFO card_list",
    "OPTION event-signal=12",
    "RESTART",
)
"""Commands for whose data the agent has no use."""

StartDaemon = Callable[[Minted], RunningScd]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartDaemon]:
    """A starter of daemons in --multi-server mode, in a home of their own."""
    with ExitStack() as stack:

        def run(tokens: Minted) -> RunningScd:
            home = tmp_path / "home"
            home.mkdir(mode=0o700)
            (home / "scd.conf").write_text(scd_config(tokens, home / "scd.log"), encoding="utf-8")
            arguments = ["--multi-server", "--homedir", str(home)]
            return stack.enter_context(run_scd(arguments, tokens.env, stderr=tmp_path / "stderr"))

        yield run


@pytest.fixture
def client(start: StartDaemon, work: Minted) -> AssuanClient:
    """gpg-agent's connection, on the token `work`."""
    return start(work).client


def signing(client: AssuanClient, work: Minted, answer: bytes | None) -> int:
    """The code of one signature with the RSA key, the PIN question answered so."""
    assert client.transact(f"SETDATA {SHA256_INFO}{'5A' * 32}").ok
    command = f"PKSIGN --hash=sha256 {grip(work.tokens['work'].objects['rsa2048'])}"
    return client.transact(command, {"NEEDPIN": answer}).code


def test_no_data_lines_where_nobody_reads_them(client: AssuanClient) -> None:
    """Reference 1.5: a D line there makes the agent leave the OK unread, and all later replies are one off."""
    replies = {command: client.transact(command) for command in WITHOUT_READER}

    assert {command: reply.data for command, reply in replies.items() if reply.data} == {}
    assert {command: reply.inquiries for command, reply in replies.items() if reply.inquiries} == {}


def test_killscd_ends_the_process(start: StartDaemon, work: Minted) -> None:
    """Reference 1.4: gpgconf sends it in lower case; OK comes first."""
    daemon = start(work)

    assert daemon.client.transact("scd killscd").code
    assert daemon.client.transact("killscd").ok

    assert daemon.process.wait(30) == 0


@pytest.mark.parametrize("command", ["SERIALNO", "SERIALNO --all"])
def test_serialno_is_answered_by_one_line(client: AssuanClient, command: str) -> None:
    """Reference 1.5: two SERIALNO lines, or an odd number of digits, put the agent out of step."""
    serials = client.transact(command).values("SERIALNO")

    assert len(serials) == 1
    assert len(bytes.fromhex(serials[0].split()[0])) >= 1


def test_exactly_one_error_line_follows_a_cancel(client: AssuanClient, work: Minted) -> None:
    """Reference 1.5: the agent reads and throws away one line after CAN."""
    assert signing(client, work, None) == CANCELED
    pid = client.transact("GETINFO pid")
    assert pid.ok
    assert pid.data.isdigit()


def test_empty_pin_is_not_sent_to_the_token(client: AssuanClient, work: Minted) -> None:
    """Reference 4.3: an empty PIN costs a try; SoftHSM would note it in the token's flags."""
    assert signing(client, work, pin_reply("")) == BAD_PIN
    assert signing(client, work, pin_reply(work.tokens["work"].pin)) == 0


def test_login_outlives_restart(client: AssuanClient, work: Minted) -> None:
    """Reference 1.3: RESTART ends a client's session, not the token's login."""
    assert signing(client, work, pin_reply(work.tokens["work"].pin)) == 0
    assert client.transact("RESTART").ok

    assert signing(client, work, None) == 0


@pytest.mark.parametrize("command", ["SERIALNO", "SERIALNO --all", f"KEYINFO {'0' * 40}"])
def test_repeated_failures_are_slowed_down(
    start: StartDaemon, tokens_of: TokensOf, tmp_path: Path, command: str
) -> None:
    """Reference 2.3: a lower bound only, so that a busy machine cannot spoil it."""
    daemon = start(tokens_of("work") if command.startswith("KEYINFO") else no_tokens(tmp_path, tokens_of("work")))
    client = daemon.client
    begun = time.monotonic()

    codes = [client.transact(command).code for _ in range(6)]

    assert 0 not in codes
    if command.startswith("SERIALNO"):
        assert set(codes) == {ENODEV}
    assert time.monotonic() - begun >= 1


def test_a_slowed_client_does_not_slow_the_others(start: StartDaemon, tmp_path: Path, work: Minted) -> None:
    daemon = start(no_tokens(tmp_path, work))
    with daemon.connect() as other:
        for _ in range(4):
            daemon.client.transact("SERIALNO")
        daemon.client.send_raw(b"SERIALNO\n")

        assert other.transact("GETINFO version").ok

        assert daemon.client.read_reply().code == ENODEV


def no_tokens(folder: Path, tokens: Minted) -> Minted:
    """SoftHSM without any token: one uninitialised slot."""
    empty = folder / "no-tokens"
    (empty / "tokens").mkdir(parents=True)
    (empty / "softhsm2.conf").write_text(f"directories.tokendir = {empty}/tokens\nobjectstore.backend = file\n")
    return Minted(empty, tokens.module, {})
