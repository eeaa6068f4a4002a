"""An EC key decrypts only where its slot has a derivation, whatever its attributes promise."""

from __future__ import annotations

import pytest
from pkcs11 import Mechanism as M

from tests.fakes.keys import private_key
from tests.unit.cryptoki.in_memory import Bench
from tests.unit.cryptoki.memory_token import MemoryToken


def can_decrypt(name: str, *listed: M) -> bool | None:
    """What is said of a key whose CKA_DERIVE and CKA_DECRYPT are true, on a slot with these mechanisms."""
    token = MemoryToken("memory", listed=frozenset(map(int, listed)))
    token.add_key(private_key(name), b"\1")
    (key,) = Bench(token).objects().keys
    return key.can_decrypt


@pytest.mark.parametrize("mechanism", [M.ECDH1_DERIVE, M.ECDH1_COFACTOR_DERIVE])
def test_a_slot_with_a_derivation_is_believed(mechanism: M) -> None:
    assert can_decrypt("work-p256", M.ECDSA, mechanism) is True


def test_a_slot_without_one_is_not() -> None:
    """tpm2-pkcs11 1.9.0 and the client of p11-kit 0.24.1."""
    assert can_decrypt("work-p256", M.ECDSA) is False


def test_a_slot_that_tells_no_mechanisms_is_believed() -> None:
    assert can_decrypt("work-p256") is True


def test_rsa_needs_no_derivation() -> None:
    assert can_decrypt("work-rsa2048", M.RSA_PKCS) is True
