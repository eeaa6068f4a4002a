"""New keys on a slot that has no mechanism to use them with."""

from __future__ import annotations

import pytest
from pkcs11 import Attribute
from pkcs11 import Mechanism as M

from scd.gcrypt.privkey import parse_private_key
from scd.token.errors import UnsupportedAlgorithm
from scd.token.port import GenerateRequest, ImportRequest
from tests.unit.cryptoki.desk import PLACE, PRIVATE, Desk
from tests.unit.gcrypt.keytocard import KEYTOCARD

MAKES = frozenset({M.EC_KEY_PAIR_GEN, M.EC_EDWARDS_KEY_PAIR_GEN})


def desk_with(*listed: M) -> Desk:
    """Its slot makes keys on all curves, and uses them with these mechanisms."""
    return Desk(listed=MAKES | frozenset(map(int, listed)))


@pytest.mark.parametrize("name", ["nistp256", "ed25519", "cv25519", "rsa1024"])
def test_a_key_that_could_not_be_used_is_not_taken_in(name: str) -> None:
    """gpg deletes its copy when the token has said yes: opencryptoki 3.8 takes curves, and cannot use them."""
    desk = desk_with(M.AES_CBC)
    private, _ = parse_private_key(KEYTOCARD[name][1])
    with pytest.raises(UnsupportedAlgorithm, match=rf"no mechanism to (sign|decrypt|sign or decrypt) with .* {name}"):
        desk.module.import_key(ImportRequest(desk.id, private, PLACE, "new", True, True))
    assert desk.native.count("C_CreateObject") == 0


def test_a_key_to_decrypt_with_is_not_taken_in_where_there_is_no_derivation() -> None:
    """tpm2-pkcs11 1.9.0, and the client of p11-kit 0.24.1."""
    desk = desk_with(M.ECDSA)
    with pytest.raises(UnsupportedAlgorithm, match="no mechanism to decrypt"):
        desk.module.import_key(ImportRequest(desk.id, PRIVATE, PLACE, "new", False, True))
    with pytest.raises(UnsupportedAlgorithm, match="no mechanism to decrypt"):
        desk.module.generate(GenerateRequest(desk.id, "nistp256", PLACE, "new", False, True))
    assert not desk.token.objects


def test_of_two_uses_the_one_that_is_there_is_given() -> None:
    desk = desk_with(M.ECDSA)
    desk.take_in()
    private = desk.writes.templates[0]
    assert (private[Attribute.SIGN], private[Attribute.DERIVE]) == (b"\1", b"\0")
    (key,) = desk.objects().keys
    assert (key.can_sign, key.can_decrypt) == (True, False)


def test_a_slot_that_tells_no_mechanisms_is_asked() -> None:
    desk = Desk(listed=frozenset())
    desk.take_in()
    assert len(desk.keys()) == 2
