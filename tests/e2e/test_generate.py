"""`generate` in gpg --card-edit: keys made on the token, and an OpenPGP key from keys that are there already."""

from __future__ import annotations

import pytest

from tests.e2e.cards import (
    card_status,
    elliptic,
    everything_works,
    generate,
    keys_on_card,
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
    lines_to_daemon,
    make_stubs,
    sign_and_verify,
    with_roles,
)
from tests.harness.dialogue import Answer, card_edit
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted


def created_at(home: GnupgHome, fingerprint: str) -> int:
    """When gpg says the key or subkey was made."""
    lines = home.gpg("-K", "--with-colons", "--with-subkey-fingerprint").out.splitlines()
    times = {}
    for number, line in enumerate(lines):
        if line.startswith(("sec:", "ssb:")):
            times[lines[number + 1].split(":")[9]] = int(line.split(":")[5])
    return times[fingerprint]


def test_generated_keys_sign_decrypt_and_serve_ssh(new_home: GnupgHome) -> None:
    fingerprint = made(generate(new_home))

    assert [prompt.kind for prompt in new_home.pinentry.prompts] == ["pin"]
    everything_works(new_home, fingerprint)
    card = card_status(new_home)
    primary, authentication, encryption = secret_fingerprints(new_home)
    assert card.fingerprints == [primary, encryption, authentication]
    assert card.created == [created_at(new_home, key) for key in card.fingerprints]
    assert card.fields["keyattr1"][1:3] == ["1", "2048"]
    assert card.complaints == ""


@pytest.mark.parametrize(
    ("number", "sign", "encrypt"),
    [
        pytest.param("1", ["22", "Ed25519"], ["18", "Curve25519"], id="curve25519"),
        pytest.param("3", ["19", "NIST P-256"], ["18", "NIST P-256"], id="nistp256"),
        pytest.param("6", ["19", "brainpoolP256r1"], ["18", "brainpoolP256r1"], id="brainpoolP256r1"),
    ],
)
def test_key_attr_decides_what_is_generated(
    new_home: GnupgHome, number: str, sign: list[str], encrypt: list[str]
) -> None:
    choices: dict[str, Answer] = {"cardedit.genkeys.algo": ("2",) * 3, "keygen.curve": (number,) * 3}

    fingerprint = made(generate(new_home, "key-attr", answers=choices))

    card = card_status(new_home)
    assert [card.fields[f"keyattr{place}"][1:3] for place in (1, 2, 3)] == [sign, encrypt, sign]
    sign_and_verify(new_home, fingerprint)
    encrypt_and_decrypt(new_home, fingerprint)


def test_key_attr_changes_the_length_of_rsa_keys(new_home: GnupgHome) -> None:
    choices: dict[str, Answer] = {
        "cardedit.genkeys.algo": ("1",) * 3,
        "cardedit.genkeys.size": ("3072", "", "4096"),
    }

    card_edit(new_home, "admin", "key-attr", answers=choices)

    fields = card_status(new_home).fields
    assert [fields[f"keyattr{place}"][1:3] for place in (1, 2, 3)] == [["1", "3072"], ["1", "2048"], ["1", "4096"]]


def test_kind_of_key_the_token_cannot_make_is_refused_at_once(new_home: GnupgHome) -> None:
    """The answer tells what it can make; nothing is changed."""
    before = new_home.connect_agent("SCD GETATTR KEY-ATTR")

    reply = new_home.connect_agent("SCD SETATTR KEY-ATTR --force+1+22+ed999")

    assert reply.splitlines()[-1].startswith("ERR")
    assert new_home.connect_agent("SCD GETATTR KEY-ATTR") == before


def test_generate_replaces_its_own_keys_when_the_user_says_so(new_home: GnupgHome) -> None:
    elliptic(new_home)
    first = made(generate(new_home))
    before = keys_on_card(new_home)

    declined = generate(new_home, answers={"cardedit.genkeys.replace_keys": "n"})
    assert "keygen.name" not in declined.asked
    assert keys_on_card(new_home) == before

    second = made(generate(new_home, answers={"cardedit.genkeys.replace_keys": "y"}))
    assert first != second
    assert len(keys_on_card(new_home)) == 3
    assert not set(keys_on_card(new_home)) & set(before)
    everything_works(new_home, second)


def test_other_keys_of_the_token_are_untouched(gnupg_home: MakeHome, own_card: TokensOf) -> None:
    """gpg asks because it is shown fingerprints, and sends --force; still nobody had put these keys into the places."""
    tokens = own_card("work")
    home: GnupgHome = gnupg_home(tokens)
    home.pinentry.always(tokens.tokens["work"].pin)
    make_stubs(home)
    attached = created(home.gpg("--status-fd", "1", "--quick-gen-key", UID, "card", "default", "never").out)
    before = keys_on_card(home)

    fingerprint = made(generate(home, answers={"cardedit.genkeys.replace_keys": "y"}))

    after = keys_on_card(home)
    assert set(before) < set(after)
    assert len(after) == len(before) + 3
    assert [after[keygrip] for keygrip in card_status(home).keygrips] == ["OPENPGP.1", "OPENPGP.2", "OPENPGP.3"]
    assert not set(card_status(home).keygrips) & set(before)
    for key in (attached, fingerprint):
        sign_and_verify(home, key)
        encrypt_and_decrypt(home, key)


def test_existing_keys_become_an_openpgp_key_and_the_token_is_not_changed(
    gnupg_home: MakeHome, own_card: TokensOf
) -> None:
    """gnupg-pkcs11-scd's workflow, which no GnuPG since 2.1 could finish with it. Twice it makes the same key:
    the certificates tell since when there are these three.
    """
    tokens = own_card("work")
    objects = tokens.tokens["work"].objects
    roles = {"sign": "rsa2048", "encr": "p384", "auth": "ed25519"}
    before = contents(tokens)
    found = []
    for _ in range(2):
        home: GnupgHome = gnupg_home(tokens)
        home.pinentry.always(tokens.tokens["work"].pin)
        with_roles(home, **{role: grip(objects[name]) for role, name in roles.items()})
        fingerprint = made(generate(home))
        assert secret_keygrips(home) == [grip(objects[roles[role]]) for role in ("sign", "auth", "encr")]
        found.append(secret_fingerprints(home))

    assert contents(tokens) == before
    assert found[0] == found[1]
    everything_works(home, fingerprint)


def contents(tokens: Minted) -> dict[str, bytes]:
    """The token's objects as SoftHSM keeps them; its own record is written anew at each login."""
    objects = tokens.folder.rglob("*.object")
    return {path.name: path.read_bytes() for path in objects if path.name != "token.object"}


def test_generate_without_the_pin_makes_nothing(new_home: GnupgHome) -> None:
    new_home.pinentry.always(None)

    failed = generate(new_home, check=False)

    assert "1" in failed.said("SC_OP_FAILURE")
    assert lines_to_daemon(new_home, "GENKEY") == []
    assert keys_on_card(new_home) == {}
