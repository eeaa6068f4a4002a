"""gpg-agent's key stubs in each of its forms, and which card stands in for one that is absent."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from scd.gcrypt.sexp import build
from scd.service.kept.stubs import FOLDER, LONGEST_STUB, Stubs
from tests.unit.service.examples import TOKEN, card, key

GRIP = "AB" * 20
OLD, NEW = "D2760001240111503131AABBCCDD1111", "D276000124011150313111223344" + "1111"
SHADOW = (b"shadowed-private-key", (b"rsa", (b"n", b"\0\xc0"), (b"e", b"\1\0\1")))


def shadowed(*info: bytes) -> bytes:
    """The canonical form of older versions."""
    algorithm = (*SHADOW[1], (b"shadowed", b"t1-v1", info))
    return build((SHADOW[0], algorithm))


EXTENDED = f"""\
Token: {OLD} P11.AABBCCDD01 - work+(AABBCCDD)
Token: {NEW} P11.1122334405 - -
Label: on two cards
Key: (shadowed-private-key (rsa (n #00C0
  FFEE#)(e #010001#)(shadowed t1-v1
  (#{OLD}# P11.AABBCCDD01))))
""".encode()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / FOLDER).mkdir()
    return tmp_path


def write(home: Path, content: bytes, grip: str = GRIP) -> Stubs:
    (home / FOLDER / f"{grip}.key").write_bytes(content)
    return Stubs(str(home))


def test_every_token_line_and_the_key_itself_are_read(home: Path) -> None:
    assert write(home, EXTENDED).on_cards(GRIP) == {(OLD, "P11.AABBCCDD01"), (NEW, "P11.1122334405")}


def test_a_stub_without_token_lines_is_read(home: Path) -> None:
    only_key = EXTENDED[EXTENDED.index(b"Key:") :]
    assert write(home, b"# a remark: not a name\nCreated: 20260101T000000\n" + only_key).on_cards(GRIP) == {
        (OLD, "P11.AABBCCDD01")
    }


def test_quoted_names_of_gnupg_pkcs11_scd_are_read(home: Path) -> None:
    text = f'Key: (shadowed-private-key (rsa (n #00#)(shadowed t1-v1 (#{OLD}# "SoftHSM\\\\x20v2/a/01"))))'
    assert write(home, text.encode()).on_cards(GRIP) == {(OLD, r"SOFTHSM\X20V2/A/01")}


def test_the_canonical_form_is_read(home: Path) -> None:
    assert write(home, shadowed(bytes.fromhex(OLD), b"OPENPGP.2")).on_cards(GRIP) == {(OLD, "OPENPGP.2")}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Token: alone\n",
        b"Key: (protected-private-key (rsa (n #00#)))\n",
        b"(21:protected-private-key(3:rsa))",
        b"Key: (shadowed-private-key (rsa (shadowed ti-v1 (#00# x))))\n",  # a TPM's
        b"Key: (shadowed-private-key (rsa (shadowed t1-v1)))\n",
        b"Key: (shadowed-private-key (rsa (shadowed t1-v1 (#00#",
        shadowed(bytes.fromhex(OLD), b"OPENPGP.2")[:-3],
        b"\xff\xfe\0" * 30,
        EXTENDED.ljust(LONGEST_STUB + 1, b"\n"),
    ],
    ids=["empty", "short", "secret", "canonical secret", "tpm", "nothing", "cut", "canonical cut", "rubbish", "long"],
)
def test_what_is_no_stub_says_nothing(home: Path, content: bytes) -> None:
    assert write(home, content).on_cards(GRIP) == frozenset()


def test_a_token_line_counts_when_the_rest_is_broken(home: Path) -> None:
    assert write(home, EXTENDED[:-20]).on_cards(GRIP) == {(OLD, "P11.AABBCCDD01"), (NEW, "P11.1122334405")}


def test_no_file_no_home_no_regular_file(home: Path) -> None:
    assert Stubs(str(home)).on_cards(GRIP) == frozenset()
    assert Stubs(None).on_cards(GRIP) == frozenset()
    os.mkfifo(home / FOLDER / f"{GRIP}.key")
    assert Stubs(str(home)).on_cards(GRIP) == frozenset()


def test_the_card_with_a_key_of_the_absent_one_stands_in(home: Path) -> None:
    other = card(token=replace(TOKEN, label="another"))
    backup = card(key(), token=replace(TOKEN, label="backup"))
    stubs = write(home, EXTENDED, backup.keys[0].keygrip_hex)
    assert stubs.stand_in(OLD.lower(), (other, backup)) is backup
    assert stubs.stand_in(OLD, (other,)) is None
    assert stubs.stand_in(f"{OLD[:-5]}00000", (other, backup)) is None


def test_a_key_is_found_by_the_name_it_had_there(home: Path) -> None:
    backup = card(key())
    stubs = write(home, EXTENDED, backup.keys[0].keygrip_hex)
    assert stubs.key(OLD, "p11.aabbccdd01", backup.keys) is backup.keys[0]
    assert stubs.key(NEW, "P11.AABBCCDD01", backup.keys) is None


KYBER = (b"kyber768", (b"p", bytes(1184)), (b"s", bytes(2400)))


@pytest.mark.parametrize(
    ("content", "is_one"),
    [
        (b"Created: 20260101T000000\nKey: (private-key (kyber1024 (p #00#)(s #00#)))\n", True),
        (b"Key: (protected-private-key\n  (kyber768 (p #00#)(protected x)))\n", True),
        (build((b"private-key", KYBER)), True),
        (b"Label: kyber\nKey: (private-key (ecc (curve Ed25519)(q #40#)(d #00#)))\n", False),
        (EXTENDED, False),
        (b"", False),
    ],
    ids=["clear", "protected", "canonical", "named kyber", "stub", "empty"],
)
def test_a_kyber_key_is_told_by_its_file(home: Path, content: bytes, is_one: bool) -> None:
    (home / FOLDER / "notes").write_bytes(build((b"private-key", KYBER)))
    (home / FOLDER / "folder.key").mkdir()
    assert write(home, content).has_kyber_key() is is_one


def test_without_a_folder_there_is_no_kyber_key(tmp_path: Path) -> None:
    assert not Stubs(None).has_kyber_key()
    assert not Stubs(str(tmp_path)).has_kyber_key()
