"""OpenPGP keys from keys that are on the token already, and what the card tells of them afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.cards import (
    ABOUT_THE_KEY,
    card_status,
    elliptic,
    generate,
    keys_on_card,
    local_key,
    made,
    secret_fingerprints,
    secret_keygrips,
)
from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.user import (
    UID,
    created,
    encrypt_and_decrypt,
    grip,
    key_by_grip,
    make_stubs,
    sign_and_verify,
)
from tests.harness.dialogue import Answer, converse, edit_key
from tests.harness.gnupg import GnupgHome, scd_config
from tests.harness.tokens import Minted

FLAGS_AS_THEY_ARE: dict[str, Answer] = {"keygen.flags": "Q"}


def quick_gen(home: GnupgHome) -> str:
    """`gpg --quick-gen-key UID card default never`, stubs made before."""
    make_stubs(home)
    return created(home.gpg("--status-fd", "1", "--quick-gen-key", UID, "card", "default", "never").out)


def test_attached_keys_have_their_fingerprint_on_the_card(home: GnupgHome) -> None:
    before = card_status(home)

    quick_gen(home)

    after = card_status(home)
    assert before.fingerprints == ["", "", ""]
    assert after.fingerprints[:2] == secret_fingerprints(home)
    assert after.keygrips[:2] == secret_keygrips(home)
    assert after.complaints == before.complaints == ""


def test_attached_key_is_the_one_gpg_signs_with(home: GnupgHome) -> None:
    fingerprint = quick_gen(home)

    signed = home.gpg("--status-fd", "2", "--sign", input=b"words")

    assert f"KEY_CONSIDERED {fingerprint}" in signed.err
    assert "error" not in signed.err


def test_no_fingerprint_of_a_key_that_was_never_attached(home: GnupgHome) -> None:
    """gpg without -u would look for that key, and fail."""
    assert home.connect_agent("SCD GETATTR KEY-FPR").splitlines() == ["OK"]


def test_existing_key_by_keygrip_in_gpgs_dialogue(home: GnupgHome, work: Minted) -> None:
    """An RSA key: gpg 2.2.40 takes every EC key for an ECDH key here (g10/keygen.c, check_keygrip)."""
    keygrip = grip(work.tokens["work"].objects["rsa2048"])
    make_stubs(home)

    talk = converse(
        home, "--expert", "--full-generate-key",
        answers={"keygen.algo": "keygrip", "keygen.keygrip": keygrip, **FLAGS_AS_THEY_ARE, **ABOUT_THE_KEY},
    )  # fmt: skip

    assert secret_keygrips(home) == [keygrip]
    sign_and_verify(home, made(talk))


def test_each_key_of_the_card_can_be_chosen_in_gpgs_dialogue(home: GnupgHome, work: Minted) -> None:
    make_stubs(home)
    names = list(keys_on_card(home))
    signing = grip(work.tokens["work"].objects["p384"])

    talk = converse(
        home, "--expert", "--full-generate-key",
        answers={
            "keygen.algo": "cardkey", "keygen.cardkey": str(names.index(signing) + 1),
            **FLAGS_AS_THEY_ARE, **ABOUT_THE_KEY,
        },
    )  # fmt: skip

    assert secret_keygrips(home) == [signing]
    sign_and_verify(home, made(talk))


def test_card_key_is_added_as_a_subkey(home: GnupgHome, work: Minted) -> None:
    objects = work.tokens["work"].objects
    make_stubs(home)
    fingerprint = key_by_grip(home, "ECDSA", grip(objects["p256"]))
    choice = list(keys_on_card(home)).index(grip(objects["p256-ecdh"])) + 1

    edit_key(
        home, fingerprint, "addkey",
        answers={
            "keygen.algo": "cardkey", "keygen.cardkey": str(choice), "keygen.valid": "0", **FLAGS_AS_THEY_ARE
        },
    )  # fmt: skip

    assert secret_keygrips(home)[1] == objects["p256-ecdh"].keygrip
    encrypt_and_decrypt(home, fingerprint)


@pytest.mark.parametrize("place", [1, 2, 3])
def test_addcardkey_makes_a_subkey_in_its_place(new_home: GnupgHome, place: int) -> None:
    elliptic(new_home)
    fingerprint = local_key(new_home, "nistp384")[0]

    edit_key(
        new_home, fingerprint, "addcardkey",
        answers={"cardedit.genkeys.subkeytype": str(place), "keygen.valid": "0"},
    )  # fmt: skip

    subkey = secret_fingerprints(new_home)[1]
    assert card_status(new_home).fingerprints == [subkey if place == number else "" for number in (1, 2, 3)]
    if place == 1:
        sign_and_verify(new_home, subkey)
    if place == 2:
        encrypt_and_decrypt(new_home, fingerprint)


def test_addcardkey_asks_before_it_replaces_one_key(new_home: GnupgHome) -> None:
    elliptic(new_home)
    fingerprint = made(generate(new_home))
    before = card_status(new_home)

    edit_key(
        new_home, fingerprint, "addcardkey",
        answers={
            "cardedit.genkeys.subkeytype": "2", "cardedit.genkeys.replace_key": "y", "keygen.valid": "0"
        },
    )  # fmt: skip

    after = card_status(new_home)
    subkey = secret_fingerprints(new_home)[-1]
    assert after.fingerprints[1] == subkey
    assert [after.fingerprints[0], after.fingerprints[2]] == [before.fingerprints[0], before.fingerprints[2]]
    encrypt_and_decrypt(new_home, f"{subkey}!")  # both subkeys may be of one second


def test_learn_card_sees_a_certificate_written_before(gnupg_home: MakeHome, own_card: TokensOf, work: Minted) -> None:
    """The certificate of the first key goes to a token that has the bare key only."""
    tokens = own_card("work")
    home: GnupgHome = gnupg_home(tokens)
    home.pinentry.always(tokens.tokens["work"].pin)
    bare = tokens.tokens["work"].objects["rsa2048-bare"]
    keyref = keys_on_card(home)[grip(bare)]
    certificate = certificate_for(home, bare.key_pem)

    reply = home.run(
        "gpg-connect-agent", f"/definqfile CERTDATA {certificate}", f"SCD WRITECERT {keyref}", "/bye"
    ).out  # fmt: skip

    assert reply.splitlines()[-1] == "OK", reply
    home.gpgsm("--learn-card")
    listing = home.gpgsm("--with-colons", "--with-keygrip", "--list-keys").out
    assert f"grp:::::::::{bare.keygrip}:" in listing
    assert "CN=written later" in listing


def certificate_for(home: GnupgHome, key_pem: Path | None) -> Path:
    """A self-signed certificate in DER for this key."""
    assert key_pem is not None
    path = home.path / "certificate.der"
    home.run(
        "openssl", "req", "-x509", "-new", "-key", key_pem, "-subj", "/CN=written later", "-days", "3650",
        "-outform", "DER", "-out", path,
    )  # fmt: skip
    return path


def test_read_only_refuses_every_change_at_once(gnupg_home: MakeHome, work: Minted) -> None:
    home: GnupgHome = gnupg_home(work, config=scd_config(work) + "read-only\n")
    home.pinentry.always(work.tokens["work"].pin)
    commands = ("SETATTR LOGIN-DATA alice", "GENKEY 1", "WRITECERT OPENPGP.1", "WRITEKEY OPENPGP.1", "PASSWD OPENPGP.1")

    replies = home.connect_agent(*(f"SCD {command}" for command in commands)).splitlines()

    assert replies == ["ERR 100696065 Permission denied <SCD>"] * len(commands)
    assert home.pinentry.prompts == []
