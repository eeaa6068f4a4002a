"""What gpg-agent stumbles over, seen from gpg: each test names the trap it keeps shut."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.user import (
    MESSAGE,
    grip,
    is_gnupg_22,
    key_by_grip,
    letter_in,
    lines_from_daemon,
    lines_to_daemon,
    make_stubs,
    sign_and_verify,
)
from tests.harness import processes
from tests.harness.assuan_client import connect
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted

SPIES = ("usr/lib/*/pkcs11/pkcs11-spy.so", "usr/lib64/pkcs11/pkcs11-spy.so", "usr/lib/pkcs11/pkcs11-spy.so")
ENDS_WITHIN_S = 15


def rsa_key(home: GnupgHome, work: Minted) -> str:
    """Stubs, and an OpenPGP key from the token's RSA key; nobody is logged in afterwards."""
    make_stubs(home)
    fingerprint = key_by_grip(home, "RSA", grip(work.tokens["work"].objects["rsa2048"]))
    home.stop_agent()
    home.pinentry.forget_prompts()
    return fingerprint


def test_refreshed_stubs_do_not_crash_the_agent(home: GnupgHome) -> None:
    """Reference 6.9: the agent dereferences null when $DISPSERIALNO fails while a stub has a display serial."""
    agent = home.start_agent()

    for _ in range(3):
        home.gpg("--card-status")

    assert home.start_agent() == agent
    stubs = [path.read_text() for path in (home.path / "private-keys-v1.d").iterdir()]
    assert stubs
    for stub in stubs:
        token_line = stub.replace("\n ", "").splitlines()[0].split()
        assert len(token_line) == 5
        assert token_line[4] != "-", "without a display serial the trap is not even armed"


def test_no_version_warning(home: GnupgHome, work: Minted) -> None:
    """Reference 0.2: a lower version than gpg's own is answered with a warning at each use."""
    fingerprint = rsa_key(home, work)

    shown = home.gpg("--card-status").err + home.gpg("-u", fingerprint, "-s", input=MESSAGE).err
    shown += home.gpgsm("--learn-card").err

    assert "older than us" not in shown
    assert "Outdated" not in shown


def test_signing_at_a_missing_card_asks_a_bounded_number_of_times(gnupg_home: MakeHome, tokens_of: TokensOf) -> None:
    """Reference 2.3: in loopback mode GnuPG 2.4 repeats a failing SERIALNO without a pause, 8,000 times a second."""
    work = tokens_of("work")
    home = gnupg_home(work)
    home.pinentry.always(work.tokens["work"].pin)
    fingerprint = rsa_key(home, work)
    home.stop_agent()
    home.env |= tokens_of("empty").env
    home.agent_log.unlink()

    asking = subprocess.Popen(
        ["gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "x", "-u", fingerprint, "-s"],
        env=home.env, cwd=home.path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        asking.wait(4)
    except subprocess.TimeoutExpired:
        asking.kill()
        asking.wait()
    else:
        assert asking.returncode

    assert 1 <= len(lines_to_daemon(home, "SERIALNO")) <= 40


def test_canceled_pin_leaves_the_connection_in_step(home: GnupgHome, work: Minted) -> None:
    """Reference 1.5: after CAN the agent reads exactly one line; a second one would answer the next command."""
    fingerprint = rsa_key(home, work)
    home.pinentry.script(None)

    canceled = home.gpg("-u", fingerprint, "-s", input=MESSAGE, check=False)

    assert canceled.status
    assert "ancel" in canceled.err
    sign_and_verify(home, fingerprint)
    answers = home.connect_agent("SCD GETINFO pid", "SCD GETINFO version").splitlines()
    assert [line.split()[0] for line in answers] == ["D", "OK", "D", "OK"]


def test_wrong_pin_is_asked_for_again_with_a_word(gnupg_home: MakeHome, own_work: Minted) -> None:
    """Reference 4.4: gpg does not repeat, so the daemon must; and the window must say why it is there again."""
    home = gnupg_home(own_work)
    token = own_work.tokens["work"]
    home.pinentry.always(token.pin)
    fingerprint = rsa_key(home, own_work)
    home.pinentry.script("not-the-pin")

    sign_and_verify(home, fingerprint)

    first, second = (prompt.description for prompt in home.pinentry.prompts)
    assert token.label in first
    assert token.label in second
    assert second != first
    assert "PIN" in second.removesuffix(first)


def test_wrong_pin_in_loopback_costs_one_try(gnupg_home: MakeHome, own_work: Minted) -> None:
    """Reference 4.4: gpg's loopback gives the same wrong PIN to every question; the token must see it once."""
    home: GnupgHome = gnupg_home(own_work)
    home.pinentry.always(own_work.tokens["work"].pin)
    fingerprint = rsa_key(home, own_work)
    spied = spy_on(home, own_work)

    refused = home.gpg(
        "--pinentry-mode", "loopback", "--passphrase", "not-the-pin", "-u", fingerprint, "-s",
        input=MESSAGE, check=False,
    )  # fmt: skip

    assert refused.status
    assert "Bad PIN" in refused.err
    assert spied.read_text(errors="replace").count(": C_Login\n") == 1


def test_ten_signatures_take_one_login(gnupg_home: MakeHome, own_work: Minted) -> None:
    home: GnupgHome = gnupg_home(own_work)
    home.pinentry.always(own_work.tokens["work"].pin)
    fingerprint = rsa_key(home, own_work)
    spied = spy_on(home, own_work)

    for _ in range(5):
        home.gpg("-u", fingerprint, "-s", input=MESSAGE)

    calls = spied.read_text(errors="replace")
    assert calls.count(": C_Login\n") == 1
    assert calls.count(": C_Sign\n") == 5


def spy_on(home: GnupgHome, tokens: Minted) -> Path:
    """Put OpenSC's PKCS#11 spy before the module, and give the file it will write the calls to."""
    spies = [found for pattern in SPIES for found in Path("/").glob(pattern)]
    if not spies:
        pytest.skip("pkcs11-spy.so is not installed (package opensc)")
    home.stop_agent()
    output = home.path / "spy.log"
    home.env |= {"PKCS11SPY": str(tokens.module), "PKCS11SPY_OUTPUT": str(output)}
    config = home.path / "scd.conf"
    config.write_text(config.read_text().replace(str(tokens.module), str(spies[0])))
    return output


@pytest.fixture
def own_work(work: Minted, tmp_path: Path) -> Minted:
    """The token `work` in a copy, since a wrong PIN changes it."""
    return work.copy(tmp_path / "softhsm")


def test_gpgconf_kill_ends_the_daemon(home: GnupgHome, work: Minted) -> None:
    """Reference 1.4: `gpgconf --kill scdaemon` is `scd killscd` in lower case."""
    fingerprint = rsa_key(home, work)
    home.gpg("--card-status")
    before = processes.open_handles(home.daemon_pids())
    assert before

    home.run("gpgconf", "--kill", "scdaemon")

    assert not processes.wait_for_end(before, ENDS_WITHIN_S)
    works_again(home, fingerprint)


def test_hangup_ends_the_login(home: GnupgHome, work: Minted) -> None:
    fingerprint = rsa_key(home, work)
    sign_and_verify(home, fingerprint)
    daemon = home.daemon_pids()[0]

    os.kill(daemon, signal.SIGHUP)
    home.connect_agent("SCD SERIALNO")
    sign_and_verify(home, fingerprint)

    assert home.daemon_pids()[0] == daemon
    assert [prompt.kind for prompt in home.pinentry.prompts] == ["pin", "pin"]


def works_again(home: GnupgHome, fingerprint: str, within_s: float = 20) -> None:
    """The daemon is started again; GnuPG 2.2 looks for a dead one only every four seconds."""
    deadline = time.monotonic() + within_s
    while "OK" not in home.run("gpg-connect-agent", "SCD GETINFO pid", "/bye", check=False).out:
        assert time.monotonic() < deadline, "no new daemon"
    sign_and_verify(home, fingerprint)


def test_killed_daemon_is_replaced_and_its_remains_removed(home: GnupgHome, work: Minted) -> None:
    """Reference 9.6: gnupg-pkcs11-scd leaves a folder in /tmp for each crash."""
    sockets = home.path / "sockets"
    sockets.mkdir(mode=0o700)
    home.env["GNUPG_PKCS11_SOCKETDIR"] = str(sockets)
    fingerprint = rsa_key(home, work)
    home.gpg("--card-status")
    daemon, *workers = home.daemon_pids()
    assert workers
    handles = processes.open_handles([daemon, *workers])
    left = set(sockets.iterdir())
    assert left

    os.kill(daemon, signal.SIGKILL)

    assert not processes.wait_for_end(handles, ENDS_WITHIN_S), "workers must not outlive the daemon"
    works_again(home, fingerprint)
    now = set(sockets.iterdir())
    assert len(now) == 1
    assert not now & left
    home.stop_agent()
    assert set(sockets.iterdir()) == set()


def test_dead_worker_costs_one_operation_at_most(home: GnupgHome, work: Minted) -> None:
    fingerprint = rsa_key(home, work)
    sign_and_verify(home, fingerprint)
    daemon, *workers = home.daemon_pids()
    assert workers
    handles = processes.open_handles(workers)

    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    assert not processes.wait_for_end(handles, ENDS_WITHIN_S)
    home.gpg("-u", fingerprint, "-s", input=MESSAGE, check=False)

    works_again(home, fingerprint)
    assert daemon in home.daemon_pids()


def test_nothing_outlives_a_killed_agent(home: GnupgHome, work: Minted) -> None:
    rsa_key(home, work)
    home.gpg("--card-status")
    agent = home.start_agent()
    handles = processes.open_handles(home.daemon_pids())
    assert len(handles) >= 2

    os.kill(agent, signal.SIGKILL)

    assert not processes.wait_for_end(handles, ENDS_WITHIN_S)


def test_decryption_without_stub_disturbs_nothing(home: GnupgHome, work: Minted) -> None:
    """gpg-agent 2.5.12 asks for the public half of such a key by the keygrip's raw octets, and fails: until there is a
    stub (gpg --card-status), no card's ECDH key decrypts. 2.4 needs none.
    """
    objects = work.tokens["work"].objects
    make_stubs(home)
    fingerprint = key_by_grip(home, "ECDSA", grip(objects["p256"]), subkey=("ECDH", grip(objects["p384"])))
    secret = home.gpg("-e", "-r", fingerprint, input=MESSAGE).stdout
    (home.path / "private-keys-v1.d" / f"{grip(objects['p384'])}.key").unlink()
    before = home.connect_agent("SCD GETINFO pid")

    tried = home.gpg("-d", input=secret, check=False)

    assert home.connect_agent("SCD GETINFO pid") == before
    assert tried.stdout == (b"" if tried.status else MESSAGE)
    make_stubs(home)
    assert home.gpg("-d", input=secret).stdout == MESSAGE


def test_second_client_gets_its_own_connection(home: GnupgHome) -> None:
    """Reference 1.3: while the pipe is in use the agent connects through the socket."""
    home.start_agent()
    with connect(home.path / "S.gpg-agent") as holding:
        assert holding.transact("SCD SERIALNO").ok

        home.gpg("--card-status")

        with connect(home.path / "S.gpg-agent") as second:
            assert second.transact("SCD SERIALNO").ok
            assert holding.transact("SCD GETINFO connections").data == b"2"


def test_no_pin_is_asked_for_where_nobody_can_answer(home: GnupgHome) -> None:
    """Reference 4.6: an INQUIRE in LEARN, READKEY, READCERT, GETATTR or KEYINFO kills that command."""
    make_stubs(home)
    home.gpgsm("--learn-card")
    home.run("ssh-add", "-L")

    assert home.pinentry.prompts == []
    assert lines_from_daemon(home, "INQUIRE") == []


def test_letter_is_signed_without_named_key(home: GnupgHome, work: Minted) -> None:
    """Reference 6.3: an error for GETATTR KEY-FPR makes gpg end with status 2 although the signature is fine."""
    rsa_key(home, work)

    assert home.gpg("--yes", "--sign", letter_in(home)).status == 0


def test_extra_socket_may_ask_what_gnupg_24_allows_it(home: GnupgHome) -> None:
    """Reference 10.1: remote hosts reach four commands of the daemon."""
    if is_gnupg_22():
        pytest.skip("GnuPG 2.2 forbids SCD on the extra socket altogether")
    home.start_agent()
    socket = home.run("gpgconf", "--list-dirs", "agent-extra-socket").out.strip()

    for command in ("SERIALNO", "GETINFO version", "GETATTR KEY-FPR", "KEYINFO --list=encr"):
        answer = home.run("gpg-connect-agent", "-S", socket, f"SCD {command}", "/bye").out
        assert answer.splitlines()[-1] == "OK", command
