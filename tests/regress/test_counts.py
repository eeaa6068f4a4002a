"""How often the library is asked, on a plain SoftHSM token behind pkcs11-spy: no back and forth for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.assuan_client import AssuanClient, Reply
from tests.regress.spied import Seen, Watched, watch
from tests.regress.tokens import ANSWERS, PlainTokens, daemon, new_key, public_of

DATA = "CKO_DATA"
DIGEST = "AB" * 32


class Counted:
    """A client, and what its commands cost."""

    def __init__(self, client: AssuanClient, watched: Watched) -> None:
        self._client, self._watched = client, watched

    def ask(self, line: str) -> Reply:
        """The answer, which must be OK."""
        reply = self._client.transact(line, ANSWERS)
        assert reply.ok, reply.text
        return reply

    def cost(self, line: str) -> Seen:
        """What this one needed."""
        self._watched.seen()
        self.ask(line)
        return self._watched.seen()

    def grip(self) -> str:
        """The only key's keygrip."""
        (line,) = self.ask("LEARN --force").values("KEYPAIRINFO")
        return line.split()[0]


@pytest.fixture
def tokens(tmp_path: Path) -> PlainTokens:
    made = PlainTokens(tmp_path / "softhsm")
    made.init("card")
    return made


@contextmanager
def counted(tokens: PlainTokens, folder: Path) -> Iterator[Counted]:
    watched = watch(tokens)
    with daemon(watched, folder) as client:
        made = Counted(client, watched)
        made.ask("LEARN --force")
        yield made


def test_setattr_reads_the_data_once(tokens: PlainTokens, tmp_path: Path) -> None:
    with counted(tokens, tmp_path) as scd:
        first = scd.cost("SETATTR LOGIN-DATA alice")  # with the login
        assert (first.scans[DATA], first.calls["C_Login"], first.calls["C_CreateObject"]) == (1, 1, 1)
        changed, same = scd.cost("SETATTR LOGIN-DATA bob"), scd.cost("SETATTR LOGIN-DATA bob")
        assert changed.scans == same.scans == {DATA: 1}
        assert changed.total <= 20
        assert scd.cost("GETATTR LOGIN-DATA").scans == {}
        assert scd.ask("GETATTR LOGIN-DATA").values("LOGIN-DATA") == ["bob"]


def test_what_another_program_wrote_meanwhile_is_not_taken_for_ours(tokens: PlainTokens, tmp_path: Path) -> None:
    """What is known of the token decides nothing alone: it has changed since."""
    theirs = tmp_path / "theirs"
    theirs.write_text("carol", encoding="ascii")
    with counted(tokens, tmp_path) as scd:
        scd.ask("SETATTR LOGIN-DATA bob")
        tokens.tool("card", "--delete-object", "--type", "data", "--label", "LOGIN-DATA")
        tokens.write("card", "data", theirs, "--label", "LOGIN-DATA", "--application-label", "scd")
        scd.ask("SETATTR LOGIN-DATA bob")
    with daemon(tokens, tmp_path) as client:
        assert client.transact("GETATTR LOGIN-DATA").values("LOGIN-DATA") == ["bob"]


def test_a_new_key_is_one_key_and_two_looks_at_the_data(tokens: PlainTokens, tmp_path: Path) -> None:
    with counted(tokens, tmp_path) as scd:
        scd.ask("SETATTR LOGIN-DATA alice")
        made = scd.cost("GENKEY --algo=nistp256 OPENPGP.1")
        assert (made.scans[DATA], made.calls["C_GenerateKeyPair"]) == (1, 1)
        assert made.total <= 100
        forced = scd.cost("GENKEY --force --algo=nistp256 OPENPGP.1")
        assert (forced.scans[DATA], forced.calls["C_GenerateKeyPair"]) == (2, 1)
        assert forced.total <= 180
        scd.grip()


def test_a_key_is_replaced_under_its_id_by_one_that_is_made_once(tokens: PlainTokens, tmp_path: Path) -> None:
    with counted(tokens, tmp_path) as scd:
        scd.ask("GENKEY --algo=nistp256 OPENPGP.3")
        old = scd.grip()
        (place,) = scd.ask(f"READKEY --info-only {old}").values("KEYPAIRINFO")
        seen = scd.cost(f"GENKEY --force --algo=nistp256 {old}")
        assert (seen.scans[DATA], seen.calls["C_GenerateKeyPair"]) == (2, 1)
        assert seen.total <= 240
        new = scd.grip()
        assert new != old
        (now,) = scd.ask(f"READKEY --info-only {new}").values("KEYPAIRINFO")
        assert now.split()[1] == place.split()[1] == "OPENPGP.3"
        scd.ask(f"SETDATA {DIGEST}")
        scd.ask(f"PKSIGN --hash=sha256 {new}")
    listed = tokens.tool("card", "--list-objects")
    assert listed.count("Private Key Object") == listed.count("Public Key Object") == 1
    assert [line.split()[1] for line in listed.splitlines() if line.split()[:1] == ["ID:"]] == ["01", "01"]


def test_a_prompt_looks_at_no_other_token(tokens: PlainTokens, tmp_path: Path) -> None:
    tokens.init("other")
    tokens.generate("card", "EC:prime256v1", "--id", "01")
    with counted(tokens, tmp_path) as scd:
        grip = scd.grip()
        scd.ask(f"SETDATA {DIGEST}")
        seen = scd.cost(f"PKSIGN --hash=sha256 {grip}")
        assert seen.calls["C_Login"] == 1
        assert "C_GetSlotList" not in seen.calls
        assert seen.calls["C_GetTokenInfo"] <= 5


def test_a_pin_that_was_given_is_not_looked_for(tokens: PlainTokens, tmp_path: Path) -> None:
    with counted(tokens, tmp_path) as scd:
        scd.ask("CHECKPIN")
        seen = scd.cost("CHECKPIN")
        assert seen.calls.keys() <= {"C_GetSlotList", "C_GetTokenInfo"}
        scd.ask("PASSWD --clear")
        assert scd.ask("CHECKPIN").inquiries


@pytest.mark.parametrize("kind", ["rsa", "prime256v1", "ed25519"])
def test_a_signature_is_two_calls(tokens: PlainTokens, tmp_path: Path, kind: str) -> None:
    key = new_key(kind, tmp_path)
    tokens.load("card", key, "01")
    sign = f"PKSIGN --hash=sha256 {public_of(key).keygrip.hex().upper()}"
    with counted(tokens, tmp_path) as scd:
        scd.ask(f"SETDATA {DIGEST}")
        scd.ask(sign)
        for _ in range(3):
            scd.ask(f"SETDATA {DIGEST}")
            assert scd.cost(sign).calls == {"C_SignInit": 1, "C_Sign": 1}
