"""OpenPGP keys of two halves: one on the token, and a Kyber key, which no PKCS#11 module has yet, on disk."""

from __future__ import annotations

import pytest

from tests.e2e.cards import attribute, generate, keys_on_card, made, secret_keygrips
from tests.e2e.user import encrypt_and_decrypt, is_gnupg_25, key_by_grip, lines_to_daemon
from tests.harness.gnupg import GnupgHome

pytestmark = pytest.mark.skipif(not is_gnupg_25(), reason="gpg knows Kyber since GnuPG 2.5")


def kyber_key(home: GnupgHome, algorithm: str) -> str:
    """A Kyber key without passphrase in gpg-agent's folder: its keygrip."""
    folder = home.path / "private-keys-v1.d"
    before = set(folder.iterdir())
    home.write("parameters", f"(genkey({algorithm}))")
    home.run("gpg-connect-agent", "--hex", "/definqfile KEYPARAM parameters", "GENKEY --no-protection", "/bye")
    (new,) = set(folder.iterdir()) - before
    return new.stem


@pytest.mark.parametrize(
    ("curve", "kyber"),
    [
        ("cv25519", "kyber768"), ("nistp256", "kyber768"), ("nistp384", "kyber1024"),
        ("brainpoolP256r1", "kyber768"), ("brainpoolP384r1", "kyber1024"),
    ],
)  # fmt: skip
def test_letter_is_decrypted_by_token_and_file_together(new_home: GnupgHome, curve: str, kyber: str) -> None:
    """On NIST and Brainpool curves gpg-agent hashes the whole of ECDH's point, of which PKCS#11 gives one coordinate.

    Three letters, as one Y of two would be guessed.
    """
    for place, algorithm, name in ((1, 22, "ed25519"), (2, 18, curve), (3, 22, "ed25519")):
        attribute(new_home, place, algorithm, name)
    made(generate(new_home))
    grips = {place: keygrip for keygrip, place in keys_on_card(new_home).items()}
    second = kyber_key(new_home, kyber)

    fingerprint = key_by_grip(
        new_home, "EDDSA", grips["OPENPGP.1"], subkey=("KYBER", f"{grips['OPENPGP.2']},{second}"), uid="Bob <b@x.org>"
    )

    assert secret_keygrips(new_home, fingerprint)[-1] == f"{grips['OPENPGP.2']},{second}"
    before = len(lines_to_daemon(new_home, "PKDECRYPT"))
    for _ in range(3):
        encrypt_and_decrypt(new_home, "b@x.org")
    assert lines_to_daemon(new_home, "PKDECRYPT")[before:] == [f"PKDECRYPT {grips['OPENPGP.2']}"] * 3
