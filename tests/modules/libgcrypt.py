"""libgcrypt's own keygrips: no code of scd has a hand in the answers its tests are held to."""

from __future__ import annotations

import ctypes

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.modules.beds.bed import PublicKey

_CURVES = {"secp256r1": "NIST P-256", "secp384r1": "NIST P-384", "secp521r1": "NIST P-521"}


def keygrip(public: PublicKey) -> str:
    """Of a public key, 40 upper-case hex digits."""
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return keygrip_of_sexp(f"(public-key (rsa (n #00{numbers.n:X}#)(e #{numbers.e:06X}#)))".encode())
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    curve = _CURVES.get(public.curve.name, public.curve.name)
    return keygrip_of_sexp(f'(public-key (ecc (curve "{curve}")(q #{point.hex()}#)))'.encode())


def keygrip_of_sexp(expression: bytes) -> str:
    """Of a public key's S-expression, canonical or advanced. Raises ValueError when libgcrypt cannot read it."""
    gcrypt = ctypes.CDLL("libgcrypt.so.20")
    gcrypt.gcry_check_version(None)
    gcrypt.gcry_pk_get_keygrip.restype = ctypes.c_void_p
    gcrypt.gcry_pk_get_keygrip.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    gcrypt.gcry_sexp_release.argtypes = [ctypes.c_void_p]
    parsed, grip = ctypes.c_void_p(), ctypes.create_string_buffer(20)
    if gcrypt.gcry_sexp_new(ctypes.byref(parsed), expression, ctypes.c_size_t(len(expression)), 1):
        raise ValueError(f"libgcrypt cannot read {expression[:60]!r}…")
    found = gcrypt.gcry_pk_get_keygrip(parsed, grip)
    gcrypt.gcry_sexp_release(parsed)
    if not found:
        raise ValueError(f"libgcrypt has no keygrip for {expression[:60]!r}…")
    return grip.raw.hex().upper()
