"""RSA up to 16384 bits fits through every buffer."""

from __future__ import annotations

import pytest
from pkcs11 import Mechanism as M

from scd.gcrypt.pkcs1 import pad_signature
from scd.gcrypt.pubkey import RsaPublicKey
from scd.token.errors import InvalidData
from scd.token.model import TokenId
from scd.token.port import DecryptRequest, KeyAddress, SignRequest
from tests.fakes.keys import public_of
from tests.unit.cryptoki.in_memory import PIN
from tests.unit.cryptoki.large_rsa import large_rsa
from tests.unit.cryptoki.memory_module import MemoryNative, module
from tests.unit.cryptoki.memory_token import Bulk, MemoryToken

BITS = (8192, 16384)
UNVERIFIABLE = (1 << 66) + 17  # a public exponent that OpenSSL does not take at these lengths
TOKEN = TokenId("memory", "memory", "0001", "large")


def token_with(bits: int, e: int = 65537, **switches: object) -> MemoryToken:
    """The key only repeats what it is to compute with: how long a big number takes is not the question."""
    token = MemoryToken("large", **switches)  # type: ignore[arg-type]  # handed through
    handle = token.add_key(large_rsa(bits, e), b"\1", "large")
    token.objects[handle].compute = lambda data: data
    return token


def address(bits: int, e: int = 65537) -> KeyAddress:
    return KeyAddress(TOKEN, b"\1", public_of(large_rsa(bits, e)))


@pytest.mark.parametrize("bulk", Bulk)
@pytest.mark.parametrize("bits", BITS)
def test_its_attributes_are_read_whole(bits: int, bulk: Bulk) -> None:
    under = module(MemoryNative(token_with(bits, bulk=bulk)))
    under.login(TOKEN, PIN)
    found = under.objects(TOKEN)
    assert found is not None
    (key,) = found.keys
    assert isinstance(key.public, RsaPublicKey)
    assert (key.public.bits, key.public) == (bits, public_of(large_rsa(bits)))
    assert key.private_seen


@pytest.mark.parametrize("bits", BITS)
def test_signatures_and_plaintexts_have_room(bits: int) -> None:
    """A key that shows its public half is believed where its signatures cannot be verified."""
    length = bits // 8
    ways = frozenset({("Sign", M.RSA_X_509), ("Decrypt", M.RSA_X_509)})
    key = address(bits, UNVERIFIABLE)
    under = module(MemoryNative(token_with(bits, UNVERIFIABLE, ways=ways)))
    under.login(TOKEN, PIN)
    longest = b"m" * (length - 11)
    assert under.sign(SignRequest(key, longest)) == pad_signature(longest, length)
    padded = b"\0\2" + b"p" * 8 + b"\0" + longest
    assert under.decrypt(DecryptRequest(key, padded)) == longest
    with pytest.raises(InvalidData):
        under.sign(SignRequest(key, longest + b"m"))
