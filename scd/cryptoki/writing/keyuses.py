"""What a new key will be good for on a slot: the wish, and the mechanisms that are there to use it with."""

from __future__ import annotations

from dataclasses import replace

from scd.cryptoki.calls.numbers import Mechanism
from scd.cryptoki.writing.keytemplates import NewKey
from scd.cryptoki.writing.writing import Writing
from scd.gcrypt.curves import Family
from scd.token.errors import UnsupportedAlgorithm

_RSA = frozenset({int(Mechanism.RSA_PKCS), int(Mechanism.RSA_X_509)})
_ECDH = frozenset({int(Mechanism.ECDH1_DERIVE), int(Mechanism.ECDH1_COFACTOR_DERIVE)})
_NONE: frozenset[int] = frozenset()

# By family, None being RSA: one of these to sign with, one of those to decrypt with.
_USES: dict[Family | None, tuple[frozenset[int], frozenset[int]]] = {
    None: (_RSA, _RSA),
    Family.WEIERSTRASS: (frozenset({int(Mechanism.ECDSA)}), _ECDH),
    Family.EDWARDS: (frozenset({int(Mechanism.EDDSA)}), _NONE),
    Family.MONTGOMERY: (_NONE, _ECDH),
}


def usable(wanted: NewKey, algorithm: str, writing: Writing) -> NewKey:
    """The key as it can be used there: with only one of the wanted uses if the slot has no mechanism for the other.

    Raises UnsupportedAlgorithm when nothing is left. Such a key could be stored on some tokens all the same, and gpg
    deletes its own copy afterwards (seen: curves on opencryptoki 3.8's soft token, Ed25519 through p11-kit 0.24).
    """
    if not writing.mechanisms:
        return wanted
    signing, decrypting = _USES[None if wanted.curve is None else wanted.curve.family]
    sign = wanted.sign and bool(signing & writing.mechanisms)
    decrypt = wanted.decrypt and bool(decrypting & writing.mechanisms)
    if sign or decrypt:
        return replace(wanted, sign=sign, decrypt=decrypt)
    uses = " or ".join(word for word, wish in (("sign", wanted.sign), ("decrypt", wanted.decrypt)) if wish)
    raise UnsupportedAlgorithm(f"{writing.about} has no mechanism to {uses} with a key of {algorithm}")
