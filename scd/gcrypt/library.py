"""Our public keys as objects of `cryptography`, which does all arithmetic that keys take part in.

It is imported at the first use: nothing of the start needs it. It may lack a curve of our table, as the OpenSSL of a
distribution under it may, or refuse an RSA key of an odd size: that is `CannotCompute`, and each user says what then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from scd.gcrypt.curve import Curve, Family
from scd.gcrypt.pubkey import EccPublicKey, RsaPublicKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

# By libgcrypt's name: the class in `cryptography`'s module of that family.
_WEIERSTRASS = {
    "NIST P-256": "SECP256R1",
    "NIST P-384": "SECP384R1",
    "NIST P-521": "SECP521R1",
    "secp256k1": "SECP256K1",
    "brainpoolP256r1": "BrainpoolP256R1",
    "brainpoolP384r1": "BrainpoolP384R1",
    "brainpoolP512r1": "BrainpoolP512R1",
}

# openssl/rsa.h: OPENSSL_RSA_MAX_MODULUS_BITS, _SMALL_MODULUS_BITS, _MAX_PUBEXP_BITS. Beyond them no signature verifies.
_RSA_MOST, _RSA_ANY_EXPONENT, _EXPONENT_MOST = 16384, 3072, 64


class CannotCompute(ValueError):
    """`cryptography`, or the OpenSSL under it, does not work with keys of this curve or size."""


def rsa_key(public: RsaPublicKey) -> rsa.RSAPublicKey:
    """Raises CannotCompute."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import rsa

    exponent = int.from_bytes(public.e, "big").bit_length()
    if public.bits > _RSA_MOST or (public.bits > _RSA_ANY_EXPONENT and exponent > _EXPONENT_MOST):
        raise CannotCompute(f"OpenSSL does not compute with {public.algorithm} and an exponent of {exponent} bits")
    try:
        return rsa.RSAPublicNumbers(int.from_bytes(public.e, "big"), int.from_bytes(public.n, "big")).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CannotCompute(f"no arithmetic for this key of {public.algorithm}: {error}") from error


def weierstrass(curve: Curve) -> ec.EllipticCurve:
    """`cryptography`'s name of the curve."""
    from cryptography.hazmat.primitives.asymmetric import ec

    found: ec.EllipticCurve = getattr(ec, _WEIERSTRASS[curve.name])()
    return found


def ecc_key(public: EccPublicKey) -> Any:
    """The public key object of the curve's family. Raises CannotCompute."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x448, x25519

    classes: dict[str, Any] = {
        "Ed25519": ed25519.Ed25519PublicKey,
        "Ed448": ed448.Ed448PublicKey,
        "Curve25519": x25519.X25519PublicKey,
        "X448": x448.X448PublicKey,
    }
    curve = public.curve_info
    try:
        with _supported(curve):
            if curve.family is Family.WEIERSTRASS:
                return ec.EllipticCurvePublicKey.from_encoded_point(weierstrass(curve), public.q)
            return classes[curve.name].from_public_bytes(public.q)
    except ValueError as error:
        raise CannotCompute(f"no arithmetic for this key on {curve.name}: {error}") from error


def private_of(curve: Curve, secret: bytes) -> Any:
    """The private key object of these octets, in the form of `EccPrivateKey.d`.

    Raises ValueError for octets that are no private key there, and CannotCompute.
    """
    from cryptography.hazmat.primitives.asymmetric import ec

    with _supported(curve):
        if curve.family is not Family.WEIERSTRASS:
            return _private_class(curve).from_private_bytes(secret)
        number = int.from_bytes(secret, "big")
        if not 0 < number < int.from_bytes(curve.n, "big"):
            raise ValueError(f"not a private key of {curve.name}")
        return ec.derive_private_key(number, weierstrass(curve))


def ephemeral_on(curve: Curve) -> Any:
    """A new private key object for one use. Raises CannotCompute."""
    from cryptography.hazmat.primitives.asymmetric import ec

    with _supported(curve):
        if curve.family is not Family.WEIERSTRASS:
            return _private_class(curve).generate()
        return ec.generate_private_key(weierstrass(curve))


@contextlib.contextmanager
def _supported(curve: Curve) -> Iterator[None]:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        yield
    except UnsupportedAlgorithm as error:
        raise CannotCompute(f"no arithmetic for keys on {curve.name}: {error}") from error


def _private_class(curve: Curve) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, x448, x25519

    classes: dict[str, Any] = {
        "Ed25519": ed25519.Ed25519PrivateKey,
        "Ed448": ed448.Ed448PrivateKey,
        "Curve25519": x25519.X25519PrivateKey,
        "X448": x448.X448PrivateKey,
    }
    return classes[curve.name]


def point_of(private: Any) -> bytes:
    """The public key of a private key object, as `EccPublicKey.q` holds it."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = private.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    raw: bytes = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return raw


def public_point(curve: Curve, secret: bytes) -> bytes:
    """The public key that belongs to a private one. Raises as `private_of` does."""
    return point_of(private_of(curve, secret))
