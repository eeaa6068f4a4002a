"""A mistake in scd.conf: gpg said "No SmartCard daemon", nobody why. Now scd stays, says it, and is mended alive."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import scd.daemon.commands  # noqa: F401  # fills the table
from scd.daemon.table import COMMANDS
from scd.daemon.unconfigured import _ANSWERED, _TOLD
from tests.harness.gnupg import GnupgHome
from tests.modes.stage import Stage, reaping_orphans, softhsm
from tests.regress.tokens import PlainTokens

CONFIGURATION = 115
MISTAKES = {
    "an unknown option": ("xyzzy", "unknown option 'xyzzy'; take the line out"),
    "a misspelt option": ("verbos", "unknown option 'verbos'; did you mean 'verbose'?"),
    "a wrong value": ("pin-cache soon", "pin-cache"),
    "no library": ("providers other", "other"),
}


@pytest.fixture
def tokens(tmp_path: Path) -> PlainTokens:
    made = PlainTokens(tmp_path / "softhsm")
    made.init("card")
    made.generate("card", "rsa:2048", "--id", "01")
    return made


@pytest.fixture
def stage(tokens: PlainTokens) -> Iterator[Stage]:
    with reaping_orphans():
        made = Stage(softhsm(tokens))
        made.env |= tokens.env
        yield made
        made.close()


@pytest.mark.parametrize(("line", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_until_it_is_mended(stage: Stage, line: str, told: str) -> None:
    right = stage.config
    stage.configure(f"{line}\n{right}" if line != "providers other" else f"{right}{line}\n")
    daemon = stage.start("--multi-server")
    client = daemon.ready()
    with daemon.connected() as other:
        for one in (client, other):
            refused = one.transact("SERIALNO")
            assert refused.code == CONFIGURATION
            assert f"{stage.home}/scd.conf:" in refused.text
            assert told in refused.text
        assert stage.logged.count("configuration error: ") == 1
        assert f"{stage.home}/scd.conf:" in stage.logged
        assert told in stage.logged

        stage.configure(right)

        assert client.transact("SERIALNO").ok
        assert len(other.transact("LEARN --force").values("KEYPAIRINFO")) == 1
    daemon.hang_up()
    assert daemon.end() == 0


def test_every_command_about_cards_is_answered_so(stage: Stage) -> None:
    stage.configure(f"{stage.config}xyzzy\n")
    daemon = stage.start("--multi-server")
    client = daemon.ready()
    for name in sorted(set(COMMANDS) - _ANSWERED - {"GETINFO"}):
        assert client.transact(name).code == CONFIGURATION, name
    for item in ("reader_list", "card_list", "status", "active_apps", "nonsense"):
        assert client.transact(f"GETINFO {item}").code == CONFIGURATION, item
    for item in _TOLD - {"cmd_has_option"}:
        assert client.transact(f"GETINFO {item}").ok, item
    for line in ("RESTART", "RESET", "OPTION event-signal=12", "HELP", "GETINFO cmd_has_option SERIALNO all"):
        assert client.transact(line).ok, line
    assert client.transact("KILLSCD").ok
    assert daemon.end() == 0


def test_sighup_reads_it_again(stage: Stage) -> None:
    right = stage.config
    stage.configure(f"xyzzy\n{right}")
    daemon = stage.start("--multi-server")
    client = daemon.ready()
    assert "'xyzzy'" in client.transact("SERIALNO").text

    stage.configure(f"verbose\nplugh\n{right}")
    daemon.signal(signal.SIGHUP)
    stage.wait_for_log("unknown option 'plugh'")
    refused = client.transact("SERIALNO")
    assert (refused.code, "scd.conf:4: unknown option 'plugh'" in refused.text) == (CONFIGURATION, True)

    stage.configure(right)
    daemon.signal(signal.SIGHUP)
    stage.wait_for_log("configuration read again")
    assert client.transact("SERIALNO").ok
    daemon.hang_up()
    assert daemon.end() == 0


def test_a_file_that_cannot_be_read(stage: Stage) -> None:
    path = stage.home / "scd.conf"
    path.unlink()
    path.mkdir()
    daemon = stage.start("--multi-server")
    client = daemon.ready()
    refused = client.transact("SERIALNO")
    assert refused.code == CONFIGURATION
    assert f"{path}: cannot read this option file: Is a directory" in refused.text
    assert "configuration error: " in stage.said  # the log file is not known
    daemon.hang_up()
    assert daemon.end() == 0


def test_gpg_says_that_the_configuration_is_wrong(gnupg_home: Callable[..., GnupgHome], tokens: PlainTokens) -> None:
    home = gnupg_home(tokens)
    right = (home.path / "scd.conf").read_text()
    home.write("scd.conf", right + "xyzzy\n")
    assert "Configuration error" in home.gpg("--card-status", check=False).err
    assert "scd.conf:5: unknown option 'xyzzy'" in home.daemon_log.read_text()

    home.write("scd.conf", right)

    assert "Application type" in home.gpg("--card-status").out
