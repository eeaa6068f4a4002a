"""A key that was taken in is used once, before anybody gives up their own copy of it."""

from __future__ import annotations

import os

from scd.cryptoki.ckr import USER_NOT_LOGGED_IN, CkrError
from scd.cryptoki.keytemplates import NewKey
from scd.cryptoki.keytypes import choose
from scd.cryptoki.keytypes.operation import Operation
from scd.cryptoki.writing import Writing
from scd.gcrypt import digestinfo
from scd.gcrypt.curves import Family
from scd.gcrypt.pkcs1 import pad_signature
from scd.gcrypt.pubkey import PublicKey, RsaPublicKey
from scd.token.errors import InvalidData, UnsupportedAlgorithm

_DIGEST = bytes(range(32))
_SECRET = b"is this the key?"
_BASE_U = {"Curve25519": 9, "X448": 5}  # RFC 7748 §4: what a secret number is multiplied with to get its public key


def prove(writing: Writing, wanted: NewKey, public: PublicKey) -> None:
    """Sign and decrypt as wanted with the key that was just listed. Raises CkrError, too.

    gpg deletes its copy after keytocard, and modules store keys that they compute nonsense with, or nothing at all.
    A key that wants the PIN for each use is believed. Raises UnsupportedAlgorithm and WrongKeyUsage.
    """
    operation = Operation(
        writing.native, writing.session, writing.listing.handles[public.keygrip], writing.mechanisms, 0, None,
        about=f"{writing.about}, the new key",
    )  # fmt: skip
    try:
        works = (not wanted.sign or _signs(operation, public)) and (not wanted.decrypt or _decrypts(operation, public))
    except InvalidData:
        works = False
    except CkrError as error:
        if error.rv != USER_NOT_LOGGED_IN:
            raise
        return
    if not works:
        raise UnsupportedAlgorithm(f"{writing.about} has stored the {public.algorithm} key, but not what it was given")


def _signs(operation: Operation, public: PublicKey) -> bool:
    """An RSA signature is checked; for the others it is enough that there is one."""
    if not isinstance(public, RsaPublicKey):
        return bool(choose.sign(operation, public, _DIGEST))
    block = digestinfo.add("sha256", _DIGEST)
    signature = choose.sign(operation, public, block)
    return _power(public, signature) == pad_signature(block, len(signature))


def _decrypts(operation: Operation, public: PublicKey) -> bool:
    """A secret made for it; on curves the base point, of which the public key itself must come."""
    if isinstance(public, RsaPublicKey):
        return choose.decrypt(operation, public, _power(public, _padded(_SECRET, (public.bits + 7) // 8))) == _SECRET
    curve = public.curve_info
    if curve.family is Family.MONTGOMERY:
        base, expected = _BASE_U[curve.name].to_bytes(curve.q_bytes, "little"), public.q
    else:
        base, expected = curve.g, public.q[1 : 1 + curve.field_bytes]
    return choose.decrypt(operation, public, base) == expected


def _power(public: RsaPublicKey, octets: bytes) -> bytes:
    n, e = int.from_bytes(public.n, "big"), int.from_bytes(public.e, "big")
    return pow(int.from_bytes(octets, "big"), e, n).to_bytes((public.bits + 7) // 8, "big")


def _padded(message: bytes, length: int) -> bytes:
    """PKCS#1 v1.5, block type 2: no octet of the padding is zero."""
    fill = bytes(octet or 1 for octet in os.urandom(length - len(message) - 3))
    return b"\0\2" + fill + b"\0" + message
