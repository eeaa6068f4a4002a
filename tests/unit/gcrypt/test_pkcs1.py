"""PKCS#1 v1.5 padding against cryptography, with the raw RSA operation done by pow()."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from scd.gcrypt import digestinfo
from scd.gcrypt.pkcs1 import pad_signature, unpad_decrypted

LENGTH = 128


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 8 * LENGTH)


def private_operation(key: rsa.RSAPrivateKey, block: bytes) -> bytes:
    """What CKM_RSA_X_509 does."""
    numbers = key.private_numbers()
    result = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
    return result.to_bytes(LENGTH, "big")


def test_padded_block_makes_the_signature_cryptography_makes(private_key: rsa.RSAPrivateKey) -> None:
    block = digestinfo.add("sha256", hashlib.sha256(b"message").digest())

    signature = private_operation(private_key, pad_signature(block, LENGTH))

    assert signature == private_key.sign(b"message", padding.PKCS1v15(), hashes.SHA256())


def test_longest_block_has_eight_octets_of_padding() -> None:
    block = bytes(range(117))

    assert pad_signature(block, LENGTH) == b"\0\1" + b"\xff" * 8 + b"\0" + block
    assert pad_signature(b"", 11) == b"\0\1" + b"\xff" * 8 + b"\0"


@pytest.mark.parametrize(("block", "length"), [(bytes(118), LENGTH), (b"", 10), (b"", 0)])
def test_block_that_does_not_fit_is_refused(block: bytes, length: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        pad_signature(block, length)


@pytest.mark.parametrize("message", [b"", b"\0", b"session key", bytes(117)])
def test_what_cryptography_encrypts_is_unpadded(private_key: rsa.RSAPrivateKey, message: bytes) -> None:
    ciphertext = private_key.public_key().encrypt(message, padding.PKCS1v15())

    block = private_operation(private_key, ciphertext)

    assert unpad_decrypted(block) == message
    assert unpad_decrypted(block[1:]) == message


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\0",
        b"\2",
        b"\0\2",
        bytes(LENGTH),
        b"\0\1" + b"\xff" * 8 + b"\0message",
        b"\1\2" + b"\xff" * 8 + b"\0message",
        b"\0\0\2" + b"\xff" * 8 + b"\0message",
        b"\0\2" + b"\xff" * 7 + b"\0message",
        b"\2" + b"\xff" * 7 + b"\0message",
        b"\0\2" + b"\0" + b"\xff" * 20,
        b"\0\2" + b"\xff" * 126,
    ],
    ids=[
        "nothing",
        "one zero",
        "type without zero",
        "type only",
        "zeros",
        "type 1",
        "no zero in front",
        "two zeros in front",
        "seven octets",
        "seven octets without zero in front",
        "zero at once",
        "no separator",
    ],
)
def test_bad_padding_is_always_the_same_error(block: bytes) -> None:
    with pytest.raises(ValueError, match=r"^the decrypted block is not padded as PKCS#1 v1\.5 demands$") as caught:
        unpad_decrypted(block)
    assert caught.value.__cause__ is None


FILLING = st.lists(st.integers(1, 255), min_size=8, max_size=60).map(bytes)


@given(FILLING, st.binary(max_size=40), st.booleans())
def test_every_padded_message_comes_back(filling: bytes, message: bytes, with_zero: bool) -> None:
    block = b"\2" + filling + b"\0" + message

    assert unpad_decrypted(b"\0" + block if with_zero else block) == message


@given(st.binary(max_size=40))
def test_garbage_is_unpadded_only_if_it_is_padded(block: bytes) -> None:
    try:
        message = unpad_decrypted(block)
    except ValueError:
        return
    filling = block.removesuffix(b"\0" + message).removeprefix(b"\0").removeprefix(b"\2")
    assert len(filling) >= 8
    assert 0 not in filling
