"""Tokens, logins and changes, for every implementation of the port."""

from __future__ import annotations

import pytest

from scd.token.errors import (
    InvalidData,
    KeyNotFound,
    PinIncorrect,
    PinRequired,
    TokenNotPresent,
)
from scd.token.model import PinTries, TokenId
from scd.token.port import REREAD, KeyAddress
from scd.token.secrets import Pin
from tests.contract.subject import Subject
from tests.fakes.keys import private_key, public_of

HASH = bytes(range(32))
NOWHERE = TokenId("nobody", "none", "0", "nowhere")


def test_every_token_is_listed_with_its_state(own: Subject) -> None:
    tokens = own.tokens()
    assert {"work", "backup", "awkward", "always"} <= tokens.keys()
    work = tokens["work"]
    assert work.initialized
    assert work.login_required
    assert work.pin_initialized
    assert not work.logged_in
    assert not work.pinpad
    assert work.pin_tries is PinTries.FULL
    assert 0 < work.pin_min <= work.pin_max


def test_a_token_that_was_never_initialised_is_listed_as_such(own: Subject) -> None:
    assert not own.tokens()[""].initialized


def test_nothing_happened_to_the_slots_since_the_last_time(own: Subject) -> None:
    first, second = (own.run(own.module.slots_changed()) for _ in range(2))
    assert first is not False
    assert second is not True


def test_private_keys_want_a_login_first(own: Subject) -> None:
    key = own.address("work", "work-p256")
    for use in (own.sign, own.decrypt):
        with pytest.raises(PinRequired) as need:
            use(key, HASH)
        assert not need.value.context


def test_a_wrong_pin_is_refused_and_the_right_one_still_accepted(own: Subject) -> None:
    work = own.token("work")
    with pytest.raises(PinIncorrect):
        own.run(own.module.login(work, Pin(b"not the pin")))
    assert own.tokens()["work"].pin_tries is PinTries.LOW
    assert not own.tokens()["work"].logged_in
    own.login("work")
    assert own.tokens()["work"].pin_tries is PinTries.FULL
    assert own.tokens()["work"].logged_in


def test_many_wrong_pins_exhaust_nothing_but_tries(own: Subject) -> None:
    """A binding that leaks a session with each would end with CKR_SESSION_COUNT on some tokens."""
    work = own.token("work")
    for _ in range(4):
        with pytest.raises(PinIncorrect):
            own.run(own.module.login(work, Pin(b"not the pin")))
    own.login("work")
    assert own.sign(own.address("work", "work-p256"), HASH)


def test_a_second_login_is_a_success(own: Subject) -> None:
    own.login("work")
    own.login("work")
    assert own.sign(own.address("work", "work-p256"), HASH)


def test_tokens_are_logged_in_one_by_one(own: Subject) -> None:
    own.login("work")
    tokens = own.tokens()
    assert tokens["work"].logged_in
    assert not tokens["backup"].logged_in
    with pytest.raises(PinRequired):
        own.sign(own.address("backup", "backup-p521"), HASH)


def test_logout_ends_the_right_to_use_keys(own: Subject) -> None:
    own.login("work")
    key = own.address("work", "work-p256")
    assert own.sign(key, HASH)
    own.run(own.module.logout(key.token))
    assert not own.tokens()["work"].logged_in
    with pytest.raises(PinRequired):
        own.sign(key, HASH)
    own.login("work")
    assert own.sign(key, HASH)


def test_logout_without_login_is_a_success(own: Subject) -> None:
    own.run(own.module.logout(own.token("work")))
    own.run(own.module.logout(NOWHERE))


def test_a_token_that_is_not_there_is_named_so(own: Subject) -> None:
    key = KeyAddress(NOWHERE, b"\1", public_of(private_key("work-p256")))
    with pytest.raises(TokenNotPresent):
        own.run(own.module.objects(NOWHERE))
    with pytest.raises(TokenNotPresent):
        own.run(own.module.login(NOWHERE, Pin(b"1234")))
    with pytest.raises(TokenNotPresent):
        own.sign(key, HASH)
    with pytest.raises(TokenNotPresent):
        own.decrypt(key, HASH)


def test_nothing_new_is_none(own: Subject) -> None:
    before = own.objects("work")
    assert own.run(own.module.objects(own.token("work"), before.version)) is None
    assert own.run(own.module.objects(own.token("work"), 0)) == before


def test_reading_anew_shows_everything_although_nothing_changed(own: Subject) -> None:
    before = own.objects("work")
    again = own.run(own.module.objects(own.token("work"), REREAD))
    assert again is not None
    assert (again.keys, again.certificates) == (before.keys, before.certificates)


def test_what_another_program_adds_is_seen(own: Subject) -> None:
    before = own.objects("work")
    own.add_key()
    after = own.run(own.module.objects(own.token("work"), before.version))
    assert after is not None
    assert after.version != before.version
    assert {key.label for key in after.keys} - {key.label for key in before.keys} == {"new"}


def test_a_key_that_another_program_adds_can_be_used(own: Subject) -> None:
    own.login("work")
    known = {key.keygrip for key in own.objects("work").keys}
    own.add_key()
    (new,) = (key for key in own.objects("work").keys if key.keygrip not in known)
    assert len(own.sign(KeyAddress(own.token("work"), new.cka_id, new.public), HASH)) == 64


def test_a_login_shows_the_private_halves(own: Subject) -> None:
    before = own.objects("work")
    own.login("work")
    after = own.run(own.module.objects(own.token("work"), before.version))
    assert after is not None
    assert all(key.private_seen for key in after.keys)
    assert {key.keygrip for key in after.keys} == {key.keygrip for key in before.keys}


def test_an_always_authenticate_key_wants_a_pin_for_each_use(own: Subject) -> None:
    own.login("always")
    key = own.address("always", "always-p256")
    for _ in range(2):
        with pytest.raises(PinRequired) as need:
            own.sign(key, HASH)
        assert need.value.context
        assert len(own.sign(key, HASH, own.pins["always"])) == 64


def test_a_wrong_context_pin_spoils_nothing(own: Subject) -> None:
    own.login("always")
    key = own.address("always", "always-p256")
    with pytest.raises(PinIncorrect):
        own.sign(key, HASH, b"not the pin")
    assert len(own.sign(key, HASH, own.pins["always"])) == 64


def test_an_always_authenticate_key_wants_the_login_as_well(own: Subject) -> None:
    with pytest.raises(PinRequired) as need:
        own.sign(own.address("always", "always-p256"), HASH)
    assert not need.value.context


def test_a_refused_request_spoils_nothing(own: Subject) -> None:
    own.login("work")
    rsa, p256 = own.address("work", "work-rsa2048"), own.address("work", "work-p256")
    with pytest.raises(InvalidData):
        own.sign(rsa, bytes(250))
    with pytest.raises(KeyNotFound):
        own.sign(KeyAddress(rsa.token, rsa.cka_id, public_of(private_key("backup-rsa2048"))), HASH)
    assert own.sign(rsa, HASH)
    assert own.sign(p256, HASH)
