"""A profile that came with scd and is broken, by an editor or half an update, ended the start with a traceback."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.tokens import REPOSITORY
from tests.modes.stage import Stage, reaping_orphans

CONFIGURATION = 115
SCD = (sys.executable, "-P", "-m", "scd")  # not the one in the working directory


def no_toml(profile: Path) -> None:
    profile.write_text("name = \n", encoding="utf-8")


def wrong_key(profile: Path) -> None:
    profile.write_text('name = "softhsm2"\nworkrs = 1\n', encoding="utf-8")


def unreadable(profile: Path) -> None:
    profile.unlink()
    profile.mkdir()  # which not even root can read as a file


@pytest.fixture(params=[no_toml, wrong_key, unreadable], ids=lambda one: one.__name__)
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the program with a profile that is broken in one of the ways."""
    ignored = shutil.ignore_patterns("__pycache__", "_profiles")
    shutil.copytree(REPOSITORY / "scd", tmp_path / "scd", ignore=ignored)
    shutil.copytree(REPOSITORY / "providers", tmp_path / "providers")
    spoil: Callable[[Path], None] = request.param
    profile = tmp_path / "providers" / "softhsm2.toml"
    assert profile.is_file()
    spoil(profile)
    return profile


@pytest.fixture
def stage(broken: Path) -> Iterator[Stage]:
    with reaping_orphans():
        made = Stage("")
        made.env["PYTHONPATH"] = str(broken.parents[1])
        yield made
        made.close()


def test_it_is_said_without_a_traceback(stage: Stage, broken: Path) -> None:
    done = stage.run("--server", command=SCD)
    said = done.stderr.decode()
    assert done.returncode == 2
    assert "Traceback" not in said
    assert str(broken) in said
    assert "install that again" in said


def test_what_gpg_agent_started_stays_until_it_is_mended(stage: Stage, broken: Path) -> None:
    daemon = stage.start("--multi-server", command=SCD)
    client = daemon.ready()
    refused = client.transact("SERIALNO")
    assert refused.code == CONFIGURATION
    assert str(broken) in refused.text
    assert "configuration error: " in stage.logged
    assert "Traceback" not in stage.said

    if broken.is_dir():
        broken.rmdir()
    shutil.copy(REPOSITORY / "providers" / "softhsm2.toml", broken)
    assert client.transact("SERIALNO").code != CONFIGURATION
    daemon.hang_up()
    assert daemon.end() == 0
