"""Which key type's code signs and decrypts for a key."""

from __future__ import annotations

from scd.cryptoki.keytypes import ec, eddsa, rsa
from scd.cryptoki.keytypes.operation import Operation
from scd.gcrypt.curves import Family
from scd.gcrypt.pubkey import PublicKey, RsaPublicKey
from scd.token.errors import WrongKeyUsage


def sign(operation: Operation, public: PublicKey, data: bytes) -> bytes:
    """See `SignRequest`."""
    if isinstance(public, RsaPublicKey):
        return rsa.sign(operation, public, data)
    curve = public.curve_info
    if curve.family is Family.MONTGOMERY:
        raise WrongKeyUsage(f"{operation.about}: a {curve.name} key cannot sign")
    if curve.family is Family.EDWARDS:
        return eddsa.sign(operation, curve, data)
    return ec.sign(operation, curve, data)


def decrypt(operation: Operation, public: PublicKey, data: bytes) -> bytes:
    """See `DecryptRequest`."""
    if isinstance(public, RsaPublicKey):
        return rsa.decrypt(operation, public, data)
    curve = public.curve_info
    if curve.family is Family.EDWARDS:
        raise WrongKeyUsage(f"{operation.about}: an {curve.name} key cannot decrypt")
    return ec.derive(operation, curve, data)
