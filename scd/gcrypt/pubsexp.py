"""Public keys read from libgcrypt's S-expressions; `pubkey.py` writes them."""

from __future__ import annotations

from scd.gcrypt.curves import curve_by_name, curve_by_oid
from scd.gcrypt.points import plain_point
from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey
from scd.gcrypt.sexp import Parsed

_RSA = frozenset({b"rsa", b"openpgp-rsa"})
_ECC = frozenset({b"ecc", b"ecdsa", b"ecdh", b"eddsa"})


def public_in(tree: tuple[Parsed, ...]) -> PublicKey:
    """The public key in `(public-key (rsa (n …) (e …)))`, or in any other kind of key that shows these numbers.

    Raises ValueError for another algorithm, an unknown curve, and numbers that are missing or no key's.
    """
    match tree:
        case (bytes(), (bytes(algorithm), *entries)):
            values = {entry[0]: entry[1] for entry in entries if isinstance(entry, tuple) and len(entry) == 2}
        case _:
            raise ValueError("no key")
    if algorithm in _RSA:
        return RsaPublicKey(_octets(values, b"n"), _octets(values, b"e"))
    if algorithm not in _ECC:
        raise ValueError("a key of an algorithm that is not served")
    name = _octets(values, b"curve").decode("ascii", "replace")
    curve = curve_by_name(name) or curve_by_oid(name.lower().removeprefix("oid."))
    if curve is None:
        raise ValueError(f"the curve {name} is not served")
    return EccPublicKey(curve.name, plain_point(curve, _octets(values, b"q")))


def _octets(values: dict[Parsed, Parsed], name: bytes) -> bytes:
    value = values.get(name)
    if not isinstance(value, bytes):
        raise ValueError(f"a key without {name.decode()}")
    return value
