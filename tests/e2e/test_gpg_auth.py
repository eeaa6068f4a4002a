"""gpg-auth (GnuPG 2.4, for PAM): who can use a key of ~/.ssh/authorized_keys is let in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.ssh import public_line
from tests.harness.gnupg import GnupgHome, Result
from tests.harness.tokens import Minted

PROGRAM = next(filter(Path.exists, (Path(p, "gpg-auth") for p in ("/usr/libexec", "/usr/lib/gnupg"))), None)

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="gpg-auth is not installed (GnuPG 2.4, package scdaemon)")


def log_in(home: GnupgHome, pin: str) -> Result:
    """Run gpg-auth; it asks on stdout and reads `p LENGTH` and the PIN from stdin."""
    home.start_agent()
    return home.run(str(PROGRAM), input=f"p {len(pin)}\n{pin}\n", check=False)


def authorize(home: GnupgHome, *lines: str) -> None:
    """Write ~/.ssh/authorized_keys."""
    (home.path / ".ssh").mkdir()
    home.write(".ssh/authorized_keys", "".join(f"{line} alice@example.org\n" for line in lines))


@pytest.mark.parametrize("name", ["rsa2048", "p256", "ed25519"])
def test_authorized_key_logs_in(home: GnupgHome, work: Minted, name: str) -> None:
    authorize(home, public_line(work.tokens["work"].objects[name]))

    entered = log_in(home, work.tokens["work"].pin)

    assert entered.status == 0, entered.err
    assert "Please input PIN for KEY (alice@example.org)" in entered.out
    assert home.pinentry.prompts == []


def test_pin_is_asked_for_at_each_login(home: GnupgHome, work: Minted) -> None:
    """PASSWD --clear: that somebody else has logged in to the token lets nobody in."""
    authorize(home, public_line(work.tokens["work"].objects["p256"]))
    home.connect_agent("SCD CHECKPIN")

    assert log_in(home, "not-the-pin").status != 0
    assert log_in(home, work.tokens["work"].pin).status == 0


def test_other_keys_are_not_asked_for(home: GnupgHome, work: Minted, minted: Minted) -> None:
    authorize(home, public_line(minted.tokens["backup"].objects["rsa2048"]))

    refused = log_in(home, work.tokens["work"].pin)

    assert refused.status != 0
    assert refused.out == ""
