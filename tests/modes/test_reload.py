"""SIGHUP: the configuration is read again, tokens are logged out."""

from __future__ import annotations

import signal

import pytest

from tests.harness.assuan_client import AssuanClient, pin_reply
from tests.harness.tokens import Minted
from tests.modes.stage import NO_MODULE, Running, Stage, eventually, is_running, softhsm

CANCELED = 99
DATA = "SETDATA 3031300D060960864801650304020105000420" + "5A" * 32


def sign(client: AssuanClient, tokens: Minted, pin: str | None = None) -> int:
    """The code of one signature; without `pin` the question for it is answered by CAN."""
    grip = tokens.tokens["work"].objects["rsa2048"].keygrip
    assert client.transact(DATA).ok
    answers = {} if pin is None else {"NEEDPIN": pin_reply(pin)}
    return client.transact(f"PKSIGN --hash=sha256 {grip}", answers).code


def reload(daemon: Running, says: str, times: int = 1) -> None:
    daemon.signal(signal.SIGHUP)
    daemon.stage.wait_for_log(says, times)


def test_tokens_are_logged_out(token_stage: Stage, work: Minted) -> None:
    daemon = token_stage.start("--multi-server")
    client = daemon.ready()
    assert sign(client, work, work.tokens["work"].pin) == 0
    assert sign(client, work) == 0
    old = daemon.workers()

    reload(daemon, "configuration read again, all tokens logged out")

    assert sign(client, work) == CANCELED
    assert sign(client, work, work.tokens["work"].pin) == 0
    eventually(lambda: not any(map(is_running, old)), "the old workers gone")
    assert len(daemon.workers()) == 1
    daemon.hang_up()
    assert daemon.end() == 0


def test_another_list_of_providers_takes_effect(token_stage: Stage, work: Minted) -> None:
    config = token_stage.config
    token_stage.configure(NO_MODULE)
    daemon = token_stage.start("--multi-server")
    client = daemon.ready()
    assert client.transact("GETINFO reader_list").data.startswith(b"PKCS#11+none")
    assert not client.transact("SERIALNO").ok

    token_stage.configure(config)
    reload(daemon, "configuration read again")

    assert client.transact("GETINFO reader_list").data.endswith(b"hsm\n")
    assert client.transact("SERIALNO").ok
    with daemon.connected() as other:
        assert other.transact("SERIALNO").ok

    token_stage.configure(NO_MODULE)
    reload(daemon, "configuration read again", 2)

    assert not client.transact("SERIALNO").ok
    daemon.hang_up()
    assert daemon.end() == 0


def test_a_broken_configuration_is_not_taken(token_stage: Stage, work: Minted) -> None:
    """The old one stays in force and the log says what is wrong; logins end all the same."""
    daemon = token_stage.start("--multi-server")
    client = daemon.ready()
    assert sign(client, work, work.tokens["work"].pin) == 0

    token_stage.configure(token_stage.config + "no-such-option\n")
    reload(daemon, "the configuration is kept as it was, because the new one is wrong: ")

    assert "scd.conf:6" in token_stage.logged
    assert "no-such-option" in token_stage.logged
    assert sign(client, work) == CANCELED
    assert sign(client, work, work.tokens["work"].pin) == 0

    token_stage.configure(softhsm(work))
    reload(daemon, "configuration read again")
    daemon.hang_up()
    assert daemon.end() == 0


def test_the_command_line_still_wins(stage: Stage) -> None:
    (stage.root / "other.conf").write_text("debug-all\nlog-file /nonexistent/log\n")
    daemon = stage.start(
        *("--multi-server", "--options", str(stage.root / "other.conf"), "--log-file", str(stage.log), "-v")
    )
    client = daemon.ready()

    reload(daemon, "configuration read again")

    assert client.transact("NOP").ok
    assert "/nonexistent" not in stage.logged
    daemon.hang_up()
    assert daemon.end() == 0


@pytest.mark.parametrize("broken", ["", "no-such-option\n"])
def test_the_log_is_opened_anew(stage: Stage, broken: str) -> None:
    """As logrotate wants it, whatever the configuration is like."""
    daemon = stage.start("--multi-server")
    daemon.ready()
    stage.configure(NO_MODULE + broken)
    old = stage.log.rename(stage.root / "log.1")

    reload(daemon, "the configuration is kept as it was" if broken else "configuration read again")

    daemon.hang_up()
    assert daemon.end() == 0
    assert f"pid={daemon.pid} end" in stage.logged
    assert f"pid={daemon.pid} end" not in old.read_text()


def test_a_hail_of_sighup(token_stage: Stage, work: Minted) -> None:
    daemon = token_stage.start("--multi-server")
    client = daemon.greeted()
    for _ in range(20):
        daemon.signal(signal.SIGHUP)
        assert client.transact("NOP").ok
    token_stage.wait_for_log("configuration read again")

    eventually(lambda: client.transact("SERIALNO").ok, "the token again")
    eventually(lambda: len(daemon.workers()) == 1, "the other workers gone")
    daemon.hang_up()
    assert daemon.end() == 0
