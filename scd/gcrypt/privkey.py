"""Private keys on their way from the agent to a token: WRITEKEY's S-expression, read and checked.

Nothing here is shown: no repr holds a number, no message a value, nothing is pickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from scd.gcrypt import sexp
from scd.gcrypt.curve import Curve, Family
from scd.gcrypt.curves import CURVES, curve_by_name, curve_by_oid
from scd.gcrypt.library import public_point
from scd.gcrypt.mpi import unsigned
from scd.gcrypt.points import plain_point
from scd.gcrypt.pubkey import EccPublicKey, RsaPublicKey

_RSA = frozenset({b"rsa", b"openpgp-rsa"})
_ECC = frozenset({b"ecc", b"ecdsa", b"ecdh", b"eddsa"})
_DIGITS_MAX = 12  # of created-at; gpg-agent writes ten


@dataclass(frozen=True, slots=True, repr=False)
class RsaPrivateKey:
    """n, e, d, p, q and u = p⁻¹ mod q: unsigned big endian; leading zero octets are taken off.

    Raises ValueError when they are not those of one key.
    """

    n: bytes
    e: bytes
    d: bytes
    p: bytes
    q: bytes
    u: bytes

    def __post_init__(self) -> None:
        for name in ("n", "e", "d", "p", "q", "u"):
            object.__setattr__(self, name, unsigned(getattr(self, name)))
        n, e, d, p, q, u = (int.from_bytes(one, "big") for one in (self.n, self.e, self.d, self.p, self.q, self.u))
        if p < 3 or q < 3 or n != p * q:
            raise ValueError("an RSA private key whose n is not p times q")
        if e < 3 or (e * d - 1) % (p - 1) or (e * d - 1) % (q - 1):
            raise ValueError("an RSA private key whose d does not belong to its e")
        if (u * p - 1) % q:
            raise ValueError("an RSA private key whose u is not the inverse of p")

    @property
    def public(self) -> RsaPublicKey:
        """The public half."""
        return RsaPublicKey(self.n, self.e)

    def __repr__(self) -> str:
        return f"RsaPrivateKey({self.public.algorithm}, …)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not serialised")


@dataclass(frozen=True, slots=True, repr=False)
class EccPrivateKey:
    """`curve`: libgcrypt's name; `q` as in `EccPublicKey`; `d` as PKCS#11 has it in CKA_VALUE.

    `d`: Weierstrass, the number, big endian, as long as the order; Edwards, the seed; Montgomery, little endian as in
    RFC 7748. Raises ValueError when q is not the public key of d.
    """

    curve: str
    q: bytes
    d: bytes

    def __post_init__(self) -> None:
        if self.curve not in CURVES:
            raise ValueError(f"unknown curve '{self.curve}'")
        if len(self.d) != _secret_bytes(CURVES[self.curve]):
            raise ValueError(f"a private key of {self.curve} of a wrong length")
        if public_point(CURVES[self.curve], self.d) != self.q:
            raise ValueError(f"a private key of {self.curve} whose q does not belong to its d")

    @property
    def public(self) -> EccPublicKey:
        """The public half."""
        return EccPublicKey(self.curve, self.q)

    def __repr__(self) -> str:
        return f"EccPrivateKey({self.curve}, …)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not serialised")


PrivateKey = RsaPrivateKey | EccPrivateKey


def parse_private_key(data: bytes) -> tuple[PrivateKey, int | None]:
    """The key of a canonical (private-key …), and its creation time in seconds since the epoch, None without one.

    The form is that of gpg-agent's KEYTOCARD (seen with 2.2.40; agent/command.c). Raises ValueError for anything else:
    malformed, protected, an unknown algorithm or curve, numbers that do not belong together.
    """
    tree = sexp.parse(data)
    if tree[:1] != (b"private-key",) or len(tree) < 2:
        raise ValueError("not a private key")
    key = tree[1]
    if isinstance(key, bytes) or not key:
        raise ValueError("a private key without an algorithm")
    values = _values(key[1:])
    if key[0] in _RSA:
        return RsaPrivateKey(*(_needed(values, name) for name in (b"n", b"e", b"d", b"p", b"q", b"u"))), _created(tree)
    if key[0] in _ECC:
        return _ecc(values), _created(tree)
    raise ValueError("a private key of an algorithm that is not served")


def _values(entries: tuple[sexp.Parsed, ...]) -> dict[bytes, bytes]:
    """(name value) by name; lists of another form, such as flags, tell nothing that is needed."""
    found: dict[bytes, bytes] = {}
    for entry in entries:
        match entry:
            case (bytes(name), bytes(value)):
                if name in found:
                    raise ValueError("a private key with the same part twice")
                found[name] = value
            case bytes():
                raise ValueError("a private key with a string where a list belongs")
    return found


def _needed(values: dict[bytes, bytes], name: bytes) -> bytes:
    if name not in values:
        raise ValueError(f"a private key without {name.decode()}")
    return values[name]


def _created(tree: tuple[sexp.Parsed, ...]) -> int | None:
    text = _values(tree[2:]).get(b"created-at")
    if text is None:
        return None
    if not text.isdigit() or len(text) > _DIGITS_MAX:
        raise ValueError("a created-at that is no time")
    return int(text)


def _ecc(values: dict[bytes, bytes]) -> EccPrivateKey:
    name = _needed(values, b"curve").decode("ascii", "replace")
    curve = curve_by_name(name) or curve_by_oid(name.lower().removeprefix("oid."))
    if curve is None:
        raise ValueError(f"the curve '{name}' is not served")
    q = plain_point(curve, _needed(values, b"q"))
    size = _secret_bytes(curve)
    number = unsigned(_needed(values, b"d"))  # OpenPGP takes leading zeros off, a signed number has one in front
    if len(number) > size:
        raise ValueError(f"a private key of {curve.name} of a wrong length")
    return EccPrivateKey(curve.name, q, _secret(curve, number.rjust(size, b"\0"), q))


def _secret(curve: Curve, octets: bytes, q: bytes) -> bytes:
    """`octets` in PKCS#11's order. GnuPG has Curve25519's number big endian, X448's as RFC 7748 has it: q tells."""
    reverse = octets[::-1]
    if curve.family is Family.MONTGOMERY and public_point(curve, reverse) == q:
        return reverse
    return octets


def _secret_bytes(curve: Curve) -> int:
    return len(curve.n) if curve.family is Family.WEIERSTRASS else curve.q_bytes
