"""Every module with the real gpg and gpgsm."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.user import MESSAGE, encrypt_and_decrypt, key_by_grip, make_stubs, sign_and_verify
from tests.harness.gnupg import GnupgHome
from tests.modules.beds.bed import Bed, BedKey
from tests.modules.beds.tools import CA
from tests.modules.libgcrypt import keygrip

KINDS = {True: ("RSA", "RSA"), False: ("ECDSA", "ECDH")}


def test_card_status_makes_a_stub_for_each_key(home: GnupgHome, bed: Bed) -> None:
    status = home.gpg("--card-status")

    assert {path.stem for path in home.path.glob("private-keys-v1.d/*.key")} == {
        keygrip(key.public) for key in bed.keys.values()
    }
    assert "Serial number" in status.out
    assert "older than us" not in status.err


def test_every_signing_key_makes_an_openpgp_key_that_signs(home: GnupgHome, bed: Bed) -> None:
    make_stubs(home)

    for number, key in enumerate(key for key in bed.keys.values() if key.signs):
        uid = f"Alice {number} <alice{number}@example.org>"
        fingerprint = key_by_grip(home, _kinds(key)[0], keygrip(key.public), uid=uid)
        sign_and_verify(home, fingerprint)


def test_every_decrypting_key_reads_letters(home: GnupgHome, bed: Bed) -> None:
    make_stubs(home)
    signing = next(key for key in bed.keys.values() if key.signs)

    for number, key in enumerate(key for key in bed.keys.values() if key.decrypts):
        uid = f"Alice {number} <alice{number}@example.org>"
        subkey = (_kinds(key)[1], keygrip(key.public))
        fingerprint = key_by_grip(home, _kinds(signing)[0], keygrip(signing.public), subkey=subkey, uid=uid)
        encrypt_and_decrypt(home, fingerprint)


def test_gpgsm_learns_signs_and_decrypts(home: GnupgHome, bed: Bed) -> None:
    certified = [key for key in bed.keys.values() if key.certificate]
    home.trust_root(CA)

    home.gpgsm("--learn-card")

    listing = home.gpgsm("--with-colons", "--with-keygrip", "--list-keys").out.splitlines()
    assert {keygrip(key.public) for key in certified} <= {line.split(":")[9] for line in listing if line[:4] == "grp:"}
    for key in certified:
        if key.signs:
            signed = home.gpgsm("-u", f"&{keygrip(key.public)}", "--armor", "--sign", input=MESSAGE).stdout
            assert "[GNUPG:] GOODSIG" in home.gpgsm("--status-fd", "1", "--verify", input=signed).out
        if key.decrypts and isinstance(key.public, rsa.RSAPublicKey):
            secret = home.gpgsm("-e", "-r", f"&{keygrip(key.public)}", input=MESSAGE).stdout
            assert home.gpgsm("-d", input=secret).stdout == MESSAGE


def test_wrong_pin_is_asked_for_again(home: GnupgHome, bed: Bed) -> None:
    make_stubs(home)
    key = next(key for key in bed.keys.values() if key.signs and key.asks != "never")
    fingerprint = key_by_grip(home, _kinds(key)[0], keygrip(key.public))
    home.stop_agent()
    home.pinentry.forget_prompts()
    home.pinentry.script(bed.wrong_pin, bed.pin)

    sign_and_verify(home, fingerprint)

    kinds = [prompt.kind for prompt in home.pinentry.prompts]
    assert kinds[:2] == ["pin", "pin"]
    assert "refused" in home.pinentry.prompts[1].description


def _kinds(key: BedKey) -> tuple[str, str]:
    """gpg's names of the key's algorithm: to sign, to decrypt."""
    return KINDS[isinstance(key.public, rsa.RSAPublicKey)]
