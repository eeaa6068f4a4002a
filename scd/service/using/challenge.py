"""A challenge for a key to sign, to see that the token has it and that it works."""

from __future__ import annotations

import os
from typing import Final

from scd.gcrypt import digestinfo
from scd.gcrypt.library import CannotCompute
from scd.gcrypt.proof import verifies
from scd.gcrypt.pubkey import PublicKey
from scd.service.using.signing import to_be_signed
from scd.token.errors import UnsupportedAlgorithm

_HASH: Final = "sha256"


def challenge() -> bytes:
    """A random SHA-256 DigestInfo, as PKAUTH takes it."""
    return digestinfo.add(_HASH, os.urandom(digestinfo.HASH_LENGTHS[_HASH]))


def answers(public: PublicKey, asked: bytes, signature: bytes) -> bool:
    """Whether `signature`, in the form of `SignRequest`, is the key's over this challenge.

    Raises UnsupportedAlgorithm where the library cannot tell.
    """
    try:
        return verifies(public, to_be_signed(public, asked, _HASH, authenticate=True), signature)
    except CannotCompute as error:
        raise UnsupportedAlgorithm(f"the token's answer cannot be verified: {error}") from error
