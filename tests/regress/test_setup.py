"""After `sudo make setup` an ordinary `make` could not go on: .venv belonged to root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.tokens import REPOSITORY

NOBODY = 65534
FILES = ("pyproject.toml", "requirements-dev.txt", "scripts/setup")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that is set up already, as far as scripts/setup can see."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    mark = subprocess.run(f"cat {' '.join(FILES)} | cksum", shell=True, cwd=tmp_path, capture_output=True, check=True)
    (tmp_path / ".venv" / ".setup-done").write_bytes(mark.stdout)
    return tmp_path


def setup(checkout: Path) -> str:
    done = subprocess.run([checkout / "scripts" / "setup"], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


@pytest.mark.skipif(not all(map(shutil.which, ("cc", "certutil"))), reason="make setup would install packages here")
def test_nothing_is_said_where_nothing_is_to_do(checkout: Path) -> None:
    before = (checkout / ".venv" / ".setup-done").stat().st_mtime_ns
    assert setup(checkout) == ""
    assert (checkout / ".venv" / ".setup-done").stat().st_mtime_ns == before


@pytest.mark.skipif(os.getuid() != 0, reason="gives files away")
@pytest.mark.skipif(not all(map(shutil.which, ("cc", "certutil"))), reason="make setup would install packages here")
def test_what_root_has_set_up_belongs_to_the_checkouts_owner(checkout: Path) -> None:
    os.chown(checkout / "pyproject.toml", NOBODY, NOBODY)
    assert setup(checkout) == ""
    for path in (checkout / ".venv", checkout / ".venv" / "bin", checkout / ".venv" / ".setup-done"):
        assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)
