"""Every module as a card in gpg's hands: keys made and moved there, data kept; what cannot be done costs no key."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.cards import (
    card_status,
    generate,
    is_stub,
    keys_on_card,
    local_key,
    made,
    secret_keygrips,
)
from tests.e2e.user import encrypt_and_decrypt, make_stubs, sign_and_verify
from tests.harness.dialogue import Conversation, edit_key
from tests.harness.gnupg import GnupgHome
from tests.modules.beds.bed import Bed, Can

NEEDED = {"rsa2048": {Can.IMPORT}, "nistp256": {Can.IMPORT, Can.CURVES}}


@pytest.fixture
def own_home(gnupg_home: Callable[..., GnupgHome], own_bed: Bed) -> GnupgHome:
    """A GnuPG home on a bed of the test's own, and a person who knows the PIN."""
    made_home = gnupg_home(None, config="")
    made_home.env.update(own_bed.env)
    made_home.write("scd.conf", own_bed.config(made_home.daemon_log))
    made_home.pinentry.always(own_bed.pin)
    return made_home


def move(home: GnupgHome, fingerprint: str) -> Conversation:
    """The primary key to the first place, as `keytocard` does it."""
    answers = {"keyedit.keytocard.use_primary": "y", "cardedit.genkeys.storekeytype": "1"}
    closing = {"keyedit.save.okay": "n", "keyedit.cancel.okay": "y"}
    return edit_key(home, fingerprint, "keytocard", answers={**answers, **closing}, check=False)


def test_generated_keys_sign_and_decrypt_and_the_others_stay(own_home: GnupgHome, own_bed: Bed) -> None:
    before = keys_on_card(own_home)

    if Can.GENERATE not in own_bed.can:
        failed = generate(own_home, check=False)
        assert failed.said("SC_OP_FAILURE")
        assert keys_on_card(own_home) == before
        return
    fingerprint = made(generate(own_home))

    sign_and_verify(own_home, fingerprint)
    encrypt_and_decrypt(own_home, fingerprint)
    after = keys_on_card(own_home)
    assert set(before) < set(after)
    assert len(after) == len(before) + 3
    status = card_status(own_home)
    assert len(set(status.fingerprints)) == 3
    assert set(secret_keygrips(own_home)) == set(status.keygrips)


def test_generated_keys_are_known_to_another_home(
    own_home: GnupgHome, own_bed: Bed, gnupg_home: Callable[..., GnupgHome]
) -> None:
    """With the public key alone: what was written down of the places is on the token, or the key ring tells."""
    if Can.GENERATE not in own_bed.can:
        pytest.skip("makes no keys, as seen in the test before")
    fingerprint = made(generate(own_home))
    public = own_home.gpg("--export", fingerprint).stdout
    own_home.stop_agent()
    other = gnupg_home(None, config="")
    other.env.update(own_bed.env)
    other.write("scd.conf", own_bed.config(other.daemon_log))
    other.pinentry.always(own_bed.pin)

    other.gpg("--import", input=public)
    make_stubs(other)

    sign_and_verify(other, fingerprint)
    encrypt_and_decrypt(other, fingerprint)


@pytest.mark.parametrize("algorithm", NEEDED)
def test_a_key_moved_to_the_card_works_and_one_that_cannot_be_stays_in_its_file(
    own_home: GnupgHome, own_bed: Bed, algorithm: str
) -> None:
    fingerprint = local_key(own_home, algorithm)[0]
    (keygrip,) = secret_keygrips(own_home)
    before = keys_on_card(own_home)

    talk = move(own_home, fingerprint)

    if NEEDED[algorithm] <= own_bed.can:
        assert is_stub(own_home, keygrip)
        assert keys_on_card(own_home).keys() == {*before, keygrip}
    else:
        assert "KEYTOCARD failed" in talk.err
        assert not is_stub(own_home, keygrip)
        assert keys_on_card(own_home) == before
    sign_and_verify(own_home, fingerprint)


def test_the_holders_name_is_kept(own_home: GnupgHome) -> None:
    """On the token where it keeps data, else in the home."""
    own_home.connect_agent("SCD SETATTR DISP-NAME Example<<Alice")
    own_home.stop_agent()

    assert card_status(own_home).fields["name"][:2] == ["Alice", "Example"]
