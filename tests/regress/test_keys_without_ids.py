"""GnuPG with keys of curves made by `pkcs11-tool --keypairgen` without --id, and with one that is another's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.user import key_by_grip, make_stubs, sign_and_verify
from tests.harness.gnupg import CommandFailed, GnupgHome
from tests.regress.tokens import PIN, PlainTokens, new_key, public_of

MakeHome = Callable[..., GnupgHome]


@pytest.fixture
def tokens(tmp_path: Path) -> PlainTokens:
    made = PlainTokens(tmp_path / "softhsm")
    made.init("card")
    return made


def home_with(gnupg_home: MakeHome, tokens: PlainTokens) -> GnupgHome:
    home = gnupg_home(tokens)
    home.pinentry.always(PIN)
    make_stubs(home)
    return home


def keygrips(home: GnupgHome) -> list[str]:
    lines = home.connect_agent("SCD LEARN --force").splitlines()
    return [line.split()[2] for line in lines if line.startswith("S KEYPAIRINFO")]


def test_each_of_two_keys_without_a_cka_id_makes_signatures_of_its_own(
    gnupg_home: MakeHome, tokens: PlainTokens
) -> None:
    for _ in range(2):
        tokens.generate("card", "EC:prime256v1")
    home = home_with(gnupg_home, tokens)
    found = keygrips(home)
    assert len(found) == 2
    for number, grip in enumerate(found):
        fingerprint = key_by_grip(home, "ecdsa", grip, uid=f"Alice {number} <alice{number}@example.org>")
        sign_and_verify(home, fingerprint)


def test_no_openpgp_key_comes_of_a_public_key_whose_private_one_is_another(
    gnupg_home: MakeHome, tokens: PlainTokens, tmp_path: Path
) -> None:
    old, new = new_key("prime256v1", tmp_path, "old"), new_key("prime256v1", tmp_path, "new")
    tokens.write("card", "pubkey", old.with_suffix(".pub"), "--id", "01")
    tokens.write("card", "privkey", new, "--id", "01")
    home = home_with(gnupg_home, tokens)
    with pytest.raises(CommandFailed):
        key_by_grip(home, "ecdsa", public_of(old).keygrip.hex().upper())
    assert home.gpg("--list-keys").out == ""
    assert keygrips(home) == []
