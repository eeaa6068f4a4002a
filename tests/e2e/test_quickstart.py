"""The demonstration works, and fails as it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.harness.gnupg import scd_program
from tests.harness.tokens import REPOSITORY

QUICKSTART = REPOSITORY / "examples" / "quickstart.sh"
STEPS = (
    "a SoftHSM token",
    "gpg-agent with scd",
    "gpg --card-status",
    "an OpenPGP key of the token's keys",
    "a file signed and verified",
    "a file encrypted and decrypted",
    "a CMS signature by gpgsm",
    "an ssh signature through gpg-agent",
)


def demonstrate(program: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "SCD_PROGRAM": str(program), "SCD_PYTHON": sys.executable}
    return subprocess.run([QUICKSTART], env=env, capture_output=True, text=True, timeout=120, check=False)


def homes_left(output: str) -> list[str]:
    """The throw-away homes the demonstration names and has not removed."""
    named = set(re.findall(r"/tmp/demo-scd\.\w+", output))
    assert named, "the demonstration named no home"
    return [home for home in named if Path(home).exists()]


def test_every_step_works_and_nothing_is_left(tmp_path: Path) -> None:
    done = demonstrate(scd_program(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    summary = re.findall(r"^  ok  (.{34})", done.stdout, re.MULTILINE)
    assert tuple(map(str.strip, summary)) == STEPS
    assert not homes_left(done.stdout)
    assert "outlived" not in done.stderr


def test_the_first_failure_ends_it_with_a_message(tmp_path: Path) -> None:
    program = tmp_path / "scd"
    program.write_text('#!/bin/sh\necho "ERR 1 no"\n')
    program.chmod(0o700)
    done = demonstrate(program)
    assert done.returncode == 2
    assert 'failed at "gpg --card-status"' in done.stderr
    assert "an OpenPGP key" not in done.stdout
    assert not homes_left(done.stdout)
