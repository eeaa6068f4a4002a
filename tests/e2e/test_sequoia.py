"""Sequoia's programs on gpg-agent: `gpg-sq`, which reads GnuPG's own keyring, and `sq`. They take whole points only."""

from __future__ import annotations

import shutil

import pytest

from tests.e2e.user import MESSAGE, UID, grip, key_by_grip, make_stubs, with_roles
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted

pytestmark = pytest.mark.skipif(not shutil.which("gpg-sq"), reason="needs the packages sq and gpg-sq")


@pytest.fixture(params=["p256-ecdh", "p384"])
def letter(home: GnupgHome, work: Minted, request: pytest.FixtureRequest) -> bytes:
    """A letter to an OpenPGP key whose encryption key is on the token, in place 2: `sq` looks in the places only."""
    objects = work.tokens["work"].objects
    encr = grip(objects[request.param])
    with_roles(home, encr=encr)
    make_stubs(home)
    key_by_grip(home, "RSA", grip(objects["rsa2048"]), subkey=("ECDH", encr))
    return home.gpg("-e", "-r", UID, input=MESSAGE).stdout


def test_gpg_sq_decrypts(home: GnupgHome, letter: bytes) -> None:
    assert home.run("gpg-sq", "--batch", "-d", input=letter).stdout == MESSAGE


def test_sq_decrypts(home: GnupgHome, letter: bytes) -> None:
    home.write("cert.pgp", home.gpg("--armor", "--export", UID).out)
    home.run("sq", "cert", "import", "cert.pgp")
    assert home.run("sq", "decrypt", input=letter).stdout == MESSAGE
