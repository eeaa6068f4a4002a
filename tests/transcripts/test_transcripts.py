"""Every conversation in this folder is replayed; see play.py for their form and record.py for how they are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transcripts.play import FOLDER, Mismatch, play, read

FILES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_daemon_answers_as_written(path: Path) -> None:
    play(read(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_head_says_where_it_comes_from(path: Path) -> None:
    head = read(path).head
    assert head.get("modelled on")
    assert head.get("reference")


@pytest.mark.parametrize(
    ("conversation", "place"),
    [
        ("C: GETINFO version\nS: D 2.4.9\nS: OK\n", "made.txt:4"),
        ("C: NOP\nS: OK\nS: OK\n", "made.txt:5"),
        ("C: SERIALNO\nS: OK\n", "made.txt:4"),
        ("C: READKEY {grip:rsa2048}\nS: D {4 octets}\nS: OK\n", "made.txt:4"),
        ("C: GETINFO version\nS: D 99.0\n", "made.txt:4"),
    ],
    ids=["another value", "a line too many", "a line left out", "another length", "the end left out"],
)
def test_a_mismatch_names_the_line(tmp_path: Path, conversation: str, place: str) -> None:
    made = tmp_path / "made.txt"
    made.write_text(f"# Tokens: work\nS: OK PKCS#11 smart-card server for GnuPG ready\n{conversation}")
    with pytest.raises(Mismatch, match=place):
        play(read(made))
