"""A key that was taken in is tried before gpg deletes its own copy."""

from __future__ import annotations

import pytest
from pkcs11 import Mechanism as M

from scd.gcrypt.privkey import parse_private_key
from scd.token.errors import TokenError, TokenFailure, TokenRemoved, UnsupportedAlgorithm
from scd.token.port import ImportRequest
from tests.unit.cryptoki.desk import PLACE, PRIVATE, Desk
from tests.unit.gcrypt.keytocard import KEYTOCARD

RSA, _ = parse_private_key(KEYTOCARD["rsa1024"][1])


@pytest.fixture
def desk() -> Desk:
    return Desk()


def take_in(desk: Desk, *, sign: bool, decrypt: bool) -> None:
    desk.module.import_key(ImportRequest(desk.id, PRIVATE, PLACE, "new", sign, decrypt))


@pytest.mark.parametrize("private", [PRIVATE, RSA], ids=["nistp256", "rsa1024"])
def test_it_signs_and_decrypts_once_and_stays(desk: Desk, private: object) -> None:
    desk.module.import_key(ImportRequest(desk.id, private, PLACE, "new", True, True))  # type: ignore[arg-type]
    assert desk.native.count("C_Sign") == 1
    assert desk.native.count("C_DeriveKey") + desk.native.count("C_Decrypt") == 1
    assert len(desk.keys()) == 2


def test_only_what_it_is_for_is_tried(desk: Desk) -> None:
    take_in(desk, sign=True, decrypt=False)
    assert desk.native.count("C_DeriveKey") == 0


@pytest.mark.parametrize(
    ("name", "sign", "decrypt"),
    [
        ("nistp256", True, False),
        ("nistp256", False, True),
        ("nistp256", True, True),
        ("ed25519", True, False),
        ("cv25519", False, True),
    ],
)
def test_a_key_that_was_garbled_is_not_kept(desk: Desk, name: str, sign: bool, decrypt: bool) -> None:
    desk.writes.garbles = 2
    private, _ = parse_private_key(KEYTOCARD[name][1])
    with pytest.raises(UnsupportedAlgorithm, match="not what it was given"):
        desk.module.import_key(ImportRequest(desk.id, private, PLACE, "new", sign, decrypt))
    assert not desk.token.objects


@pytest.mark.parametrize(
    ("name", "kind"),
    [("HOST_MEMORY", TokenFailure), ("MECHANISM_INVALID", UnsupportedAlgorithm), ("DEVICE_REMOVED", TokenRemoved)],
)
def test_a_key_that_cannot_be_used_is_not_kept(desk: Desk, name: str, kind: type[TokenError]) -> None:
    desk.writes.fail_next("C_SignInit", name)
    with pytest.raises(kind):
        take_in(desk, sign=True, decrypt=False)
    assert not desk.token.objects


def test_a_key_that_wants_the_pin_each_time_is_believed(desk: Desk) -> None:
    desk.writes.fail_next("C_Sign", "USER_NOT_LOGGED_IN")
    take_in(desk, sign=True, decrypt=False)
    assert len(desk.keys()) == 2


def test_a_use_that_the_slot_does_not_have_is_not_tried() -> None:
    desk = Desk(listed=frozenset({M.EC_KEY_PAIR_GEN, int(M.ECDSA)}))
    take_in(desk, sign=True, decrypt=True)
    assert desk.native.count("C_DeriveKey") == 0
