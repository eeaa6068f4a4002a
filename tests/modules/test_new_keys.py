"""Keys made on every module's token, put there and destroyed; what a module cannot do it says, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from scd.gcrypt.privkey import PrivateKey, parse_private_key
from scd.token.errors import KeyExists, KeyNotFound, PinRequired
from scd.token.model import KeyPair
from scd.token.port import KeyAddress
from tests.modules.beds.bed import Can
from tests.modules.port import REFUSALS, Port
from tests.unit.gcrypt.keytocard import KEYTOCARD

PLACE, OTHER_PLACE = b"\xaa\1", b"\xaa\2"
NEEDED = {"rsa2048": {Can.GENERATE}, "nistp256": {Can.GENERATE, Can.CURVES}}
FURTHER = ("rsa3072", "nistp384", "nistp521", "secp256k1", "brainpoolP256r1", "ed25519", "cv25519")


@pytest.fixture(autouse=True)
def cleared(port: Port) -> Iterator[None]:
    """What a test leaves in its places."""
    yield
    port.login()
    for place in (PLACE, OTHER_PLACE):
        port.destroy(place)


def imported(name: str) -> PrivateKey:
    """A key that gpg-agent sent."""
    return parse_private_key(KEYTOCARD[name][1])[0]


def only(port: Port, place: bytes = PLACE) -> KeyPair:
    """The one key there."""
    (key,) = port.keys_at(place)
    return key


@pytest.mark.parametrize("algorithm", NEEDED)
def test_a_key_is_made_and_works(port: Port, algorithm: str) -> None:
    made = port.attempt(NEEDED[algorithm], port.generate(algorithm, PLACE))

    if made is not None:
        key = only(port)
        assert (key.public, key.label, key.public.algorithm) == (made, "new", algorithm)
        assert (key.private_seen, key.can_sign) == (True, True)
        port.assert_works(key)


@pytest.mark.parametrize("name", ["rsa1024", "nistp256"])
def test_a_key_is_taken_in_and_works(port: Port, name: str) -> None:
    private = imported(name)
    needed = {Can.IMPORT} if name.startswith("rsa") else {Can.IMPORT, Can.CURVES}

    made = port.attempt(needed, port.take_in(private, PLACE))

    if made is not None:
        key = only(port)
        assert (key.public, key.label) == (private.public, "new")
        assert (key.private_seen, key.can_sign) == (True, True)
        port.assert_works(key)


@pytest.mark.parametrize("algorithm", FURTHER)
def test_whatever_else_is_made_works_and_the_rest_is_refused(port: Port, algorithm: str) -> None:
    made = port.made_or_refused(port.generate(algorithm, PLACE))

    if made is not None:
        key = only(port)
        assert key.public == made
        assert key.can_sign or key.can_decrypt
        port.assert_works(key)


@pytest.mark.parametrize("name", sorted(KEYTOCARD.keys() - {"rsa1024", "nistp256", "nistp256-ecdh"}))
def test_whatever_else_is_taken_in_works_and_the_rest_is_refused(port: Port, name: str) -> None:
    """gpg deletes its own copy of a key that was taken in."""
    made = port.made_or_refused(port.take_in(imported(name), PLACE))

    if made is not None:
        key = only(port)
        assert key.can_sign or key.can_decrypt
        port.assert_works(key)


def test_a_new_key_is_there_after_a_restart(port: Port, load: Callable[[], Port]) -> None:
    made = port.attempt(Can.GENERATE, port.generate("rsa2048", PLACE))

    if made is not None:
        again = load()
        again.login()
        assert only(again).public == made
        again.assert_works(only(again))


def test_an_algorithm_that_there_is_not_is_answered_with_those_there_are(port: Port) -> None:
    with pytest.raises(REFUSALS, match="rsa2048" if Can.GENERATE in port.bed.can else "makes no keys"):
        port.run(port.generate("nistp192", PLACE))


def test_a_place_that_is_taken_is_left_alone(port: Port) -> None:
    taken = next(key for key in port.bed.keys.values() if key.cka_id)
    before = port.content()

    with pytest.raises((KeyExists, *REFUSALS) if Can.GENERATE not in port.bed.can else KeyExists):
        port.run(port.generate("rsa2048", taken.cka_id))

    assert port.content() == before


def test_a_destroyed_key_is_gone_and_the_others_stay(port: Port) -> None:
    before = port.content()
    if port.attempt(Can.GENERATE, port.generate("rsa2048", PLACE)) is None:
        return
    key = only(port)
    address = KeyAddress(port.token, PLACE, key.public)

    port.run(port.module.destroy_key(address))

    assert port.content() == before
    with pytest.raises(KeyNotFound):
        port.run(port.module.destroy_key(address))
    made = port.run(port.generate("rsa2048", PLACE))
    assert only(port).public == made


def test_a_token_that_destroys_no_keys_says_so(port: Port) -> None:
    key = port.content()[0][0]
    if Can.DELETE in port.bed.can:
        made = port.run(port.generate("rsa2048", PLACE))
        key = only(port)
        assert key.public == made
    port.attempt(Can.DELETE, port.module.destroy_key(KeyAddress(port.token, key.cka_id, key.public)))
    assert (key in port.content()[0]) is (Can.DELETE not in port.bed.can)


def test_changes_want_the_login_first(port: Port) -> None:
    port.logout()
    for change in (port.generate("rsa2048", PLACE), port.take_in(imported("rsa1024"), PLACE)):
        with pytest.raises(PinRequired) as need:
            port.run(change)
        assert not need.value.context
    port.login()
    assert not port.keys_at(PLACE)
