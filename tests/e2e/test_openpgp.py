"""OpenPGP keys made from a token's keys, and their use."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.user import (
    MESSAGE,
    UID,
    created,
    encrypt_and_decrypt,
    grip,
    is_gnupg_22,
    key_by_grip,
    letter_in,
    make_stubs,
    sign_and_verify,
    with_roles,
)
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted

WITH_CERTIFICATE = (("rsa2048", "RSA"), ("p256", "ECDSA"), ("p384", "ECDSA"), ("ed25519", "EDDSA"))
BARE = (("rsa2048-bare", "RSA"), ("ed25519-bare", "EDDSA"))
ON_BACKUP = (
    ("p521", "ECDSA"),
    ("brainpoolP256r1", "ECDSA"),
    ("brainpoolP512r1", "ECDSA"),
    ("rsa1024", "RSA"),
    ("rsa3072", "RSA"),
    ("rsa4096", "RSA"),
)


def test_card_status_lists_the_token_without_complaint(home: GnupgHome, work: Minted) -> None:
    status = home.gpg("--card-status")

    keys = [entry for entry in work.tokens["work"].keys.values() if entry.usable]
    assert set(home.path.glob("private-keys-v1.d/*.key")) == {
        home.path / "private-keys-v1.d" / f"{entry.keygrip}.key" for entry in keys
    }
    assert "Serial number" in status.out
    assert "rsa48" not in status.out
    assert "older than us" not in status.err
    assert "not available" not in status.out + status.err


def test_card_status_in_colons_names_reader_and_serial(home: GnupgHome) -> None:
    lines = dict(line.split(":", 1) for line in home.gpg("--with-colons", "--card-status").out.splitlines())

    assert lines["Reader"]
    assert lines["serial"].strip(":")


@pytest.mark.parametrize(("name", "kind"), WITH_CERTIFICATE + BARE)
def test_key_made_by_keygrip_signs(home: GnupgHome, work: Minted, name: str, kind: str) -> None:
    make_stubs(home)

    fingerprint = key_by_grip(home, kind, grip(work.tokens["work"].objects[name]))

    sign_and_verify(home, fingerprint)


@pytest.fixture
def home_of_backup(gnupg_home: MakeHome, tokens_of: TokensOf) -> GnupgHome:
    """A home with the token of the rarer algorithms, its stubs made."""
    backup = tokens_of("backup")
    home: GnupgHome = gnupg_home(backup)
    home.pinentry.always(backup.tokens["backup"].pin)
    make_stubs(home)
    return home


def test_rarer_keys_made_by_keygrip_sign(home_of_backup: GnupgHome, tokens_of: TokensOf) -> None:
    objects = tokens_of("backup").tokens["backup"].objects
    for name, kind in ON_BACKUP:
        fingerprint = key_by_grip(home_of_backup, kind, grip(objects[name]), uid=f"Bob <{name}@example.org>")

        sign_and_verify(home_of_backup, fingerprint)


def test_rarer_keys_decrypt(home_of_backup: GnupgHome, tokens_of: TokensOf) -> None:
    objects = tokens_of("backup").tokens["backup"].objects
    curves = [(name, "ECDH") for name in ("p521", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1")]
    for name, kind in [("rsa4096", "RSA"), ("rsa1024", "RSA"), *curves]:
        fingerprint = key_by_grip(
            home_of_backup,
            "RSA",
            grip(objects["rsa3072"]),
            subkey=(kind, grip(objects[name])),
            uid=f"Bob <{name}@example.org>",
        )

        encrypt_and_decrypt(home_of_backup, fingerprint)


@pytest.mark.parametrize("name", [name for name, _ in WITH_CERTIFICATE + BARE])
def test_quick_gen_key_from_card_takes_the_configured_keys(home: GnupgHome, work: Minted, name: str) -> None:
    objects = work.tokens["work"].objects
    with_roles(home, sign=grip(objects[name]), encr=grip(objects["p256-ecdh"]))
    make_stubs(home)

    fingerprint = created(home.gpg("--status-fd", "1", "--quick-gen-key", UID, "card", "default", "never").out)

    listing = home.gpg("-K", "--with-colons").out
    grips = [line.split(":")[9] for line in listing.splitlines() if line.startswith("grp:")]
    assert grips == [objects[name].keygrip, objects["p256-ecdh"].keygrip]
    sign_and_verify(home, fingerprint)


def test_quick_gen_key_from_card_needs_no_configuration(home: GnupgHome) -> None:
    make_stubs(home)

    fingerprint = created(home.gpg("--status-fd", "1", "--quick-gen-key", UID, "card", "default", "never").out)

    sign_and_verify(home, fingerprint)
    encrypt_and_decrypt(home, fingerprint)


def test_no_stubs_are_needed_by_gnupg_24(home: GnupgHome) -> None:
    if is_gnupg_22():
        pytest.skip("GnuPG 2.2 knows a token's keys by their stubs only")

    fingerprint = created(home.gpg("--status-fd", "1", "--quick-gen-key", UID, "card", "default", "never").out)

    sign_and_verify(home, fingerprint)


@pytest.mark.parametrize(
    ("name", "kind"), [("rsa2048", "RSA"), ("rsa2048-bare", "RSA"), ("p256-ecdh", "ECDH"), ("p384", "ECDH")]
)
def test_subkey_made_by_keygrip_decrypts(home: GnupgHome, work: Minted, name: str, kind: str) -> None:
    objects = work.tokens["work"].objects
    make_stubs(home)
    fingerprint = key_by_grip(home, "EDDSA", grip(objects["ed25519"]), subkey=(kind, grip(objects[name])))

    encrypt_and_decrypt(home, fingerprint)


def test_subkey_is_added_in_edit_key_by_keygrip(home: GnupgHome, work: Minted) -> None:
    objects = work.tokens["work"].objects
    make_stubs(home)
    fingerprint = key_by_grip(home, "ECDSA", grip(objects["p256"]))

    answers = ["addkey", "keygrip", grip(objects["p256-ecdh"]), "Q", "0", "save"]
    home.run(
        "gpg", "--expert", "--command-fd", "0", "--status-fd", "2", "--edit-key", fingerprint,
        input="\n".join([*answers, ""]),
    )  # fmt: skip

    listing = home.gpg("-K", "--with-colons").out
    assert f"grp:::::::::{objects['p256-ecdh'].keygrip}:" in listing
    encrypt_and_decrypt(home, fingerprint)


def test_hidden_recipient_is_found(home: GnupgHome, work: Minted) -> None:
    objects = work.tokens["work"].objects
    make_stubs(home)
    fingerprint = key_by_grip(home, "RSA", grip(objects["rsa2048"]), subkey=("RSA", grip(objects["rsa2048-bare"])))
    secret = home.gpg("-e", "-R", fingerprint, input=MESSAGE).stdout

    assert home.gpg("-d", input=secret).stdout == MESSAGE


def test_signing_without_a_named_key_ends_well(home: GnupgHome, work: Minted) -> None:
    make_stubs(home)
    fingerprint = key_by_grip(home, "RSA", grip(work.tokens["work"].objects["rsa2048"]))

    signed = home.gpg("--sign", input=MESSAGE)

    assert "error" not in signed.err
    checked = home.gpg("--status-fd", "2", "-d", input=signed.stdout)
    assert checked.stdout == MESSAGE
    assert f"VALIDSIG {fingerprint}" in checked.err


def test_every_digest_is_signed(home: GnupgHome, work: Minted) -> None:
    make_stubs(home)
    fingerprint = key_by_grip(home, "RSA", grip(work.tokens["work"].objects["rsa2048"]))

    for digest in ("SHA1", "RIPEMD160", "SHA224", "SHA256", "SHA384", "SHA512"):
        sign_and_verify(home, fingerprint, "--allow-weak-digest-algos", "--digest-algo", digest)


def test_one_prompt_serves_a_whole_session(home: GnupgHome, work: Minted) -> None:
    make_stubs(home)
    fingerprint = key_by_grip(home, "RSA", grip(work.tokens["work"].objects["rsa2048"]))

    for _ in range(3):
        home.gpg("--yes", "-u", fingerprint, "--sign", letter_in(home))

    assert [prompt.kind for prompt in home.pinentry.prompts] == ["pin"]


def test_secret_key_listing_shows_the_token(home: GnupgHome, work: Minted) -> None:
    make_stubs(home)
    key_by_grip(home, "RSA", grip(work.tokens["work"].objects["rsa2048"]))

    listing = home.gpg("-K").out

    assert "sec>" in listing
    assert "Card serial no." in listing


@pytest.fixture
def home_of_always(gnupg_home: MakeHome, tokens_of: TokensOf) -> GnupgHome:
    """A home with the token whose keys want the PIN for each use, its stubs made."""
    always = tokens_of("always")
    home: GnupgHome = gnupg_home(always)
    home.pinentry.always(always.tokens["always"].pin)
    make_stubs(home)
    return home


def test_always_authenticate_key_asks_each_time(home_of_always: GnupgHome, tokens_of: TokensOf) -> None:
    home = home_of_always
    fingerprint = key_by_grip(home, "RSA", grip(tokens_of("always").tokens["always"].objects["rsa2048"]))
    home.pinentry.forget_prompts()

    sign_and_verify(home, fingerprint)
    sign_and_verify(home, fingerprint)

    assert [prompt.kind for prompt in home.pinentry.prompts] == ["pin", "pin"]


@pytest.mark.parametrize(("name", "kind"), [("rsa2048", "RSA"), ("p256", "ECDH")])
def test_always_authenticate_key_decrypts(home_of_always: GnupgHome, tokens_of: TokensOf, name: str, kind: str) -> None:
    objects = tokens_of("always").tokens["always"].objects
    fingerprint = key_by_grip(home_of_always, "RSA", grip(objects["rsa2048"]), subkey=(kind, grip(objects[name])))

    encrypt_and_decrypt(home_of_always, fingerprint)
    encrypt_and_decrypt(home_of_always, fingerprint)


def test_pin_cache_zero_asks_once_per_signature(home: GnupgHome, work: Minted) -> None:
    path = home.path / "scd.conf"
    path.write_text(path.read_text(encoding="utf-8") + "pin-cache 0\n", encoding="utf-8")
    make_stubs(home)
    fingerprint = key_by_grip(home, "RSA", grip(work.tokens["work"].objects["rsa2048"]))
    home.pinentry.forget_prompts()

    sign_and_verify(home, fingerprint)
    sign_and_verify(home, fingerprint)

    assert [prompt.kind for prompt in home.pinentry.prompts] == ["pin", "pin"]


def test_the_agents_pin_cache_saves_the_second_prompt(home: GnupgHome, work: Minted) -> None:
    """2.2 has no such cache: it is not asked for one, and nothing fails."""
    path = home.path / "scd.conf"
    path.write_text(path.read_text(encoding="utf-8") + "pin-cache 0\nuse-gnupg-pin-cache\n", encoding="utf-8")
    make_stubs(home)
    fingerprint = key_by_grip(home, "RSA", grip(work.tokens["work"].objects["rsa2048"]))
    home.pinentry.forget_prompts()

    sign_and_verify(home, fingerprint)
    sign_and_verify(home, fingerprint)

    # With 2.4 the PIN was cached when the key was made.
    assert [prompt.kind for prompt in home.pinentry.prompts] == (["pin", "pin"] if is_gnupg_22() else [])
