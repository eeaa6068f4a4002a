"""From PEM files to the attributes of PKCS#11 objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from rawtoken import Attribute as A
from rawtoken import Value

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

CKO_DATA, CKO_CERTIFICATE, CKO_PUBLIC_KEY, CKO_PRIVATE_KEY, CKO_SECRET_KEY = range(5)
CKK_RSA, CKK_DSA, CKK_EC, CKK_GENERIC_SECRET, CKK_EC_EDWARDS = 0, 1, 3, 0x10, 0x40

# OpenSSL's curve names -> DER of the curve's object identifier (CKA_EC_PARAMS)
EC_PARAMS = {
    "secp256r1": bytes.fromhex("06082A8648CE3D030107"),
    "secp384r1": bytes.fromhex("06052B81040022"),
    "secp521r1": bytes.fromhex("06052B81040023"),
    "secp256k1": bytes.fromhex("06052B8104000A"),
    "brainpoolP256r1": bytes.fromhex("06092B2403030208010107"),
    "brainpoolP384r1": bytes.fromhex("06092B240303020801010B"),
    "brainpoolP512r1": bytes.fromhex("06092B240303020801010D"),
}
ED25519_PARAMS, ED448_PARAMS = bytes.fromhex("06032B6570"), bytes.fromhex("06032B6571")
# what a key may do -> the private and the public object's attribute for it
USES = {
    "sign": ((A.CKA_SIGN,), (A.CKA_VERIFY,)),
    "decrypt": ((A.CKA_DECRYPT, A.CKA_UNWRAP), (A.CKA_ENCRYPT, A.CKA_WRAP)),
    "derive": ((A.CKA_DERIVE,), (A.CKA_DERIVE,)),
}

Object = dict[A, Value]


def private_object(key: PrivateKeyTypes, uses: Iterable[str] | None) -> Object:
    """A sensitive private key; `uses` are keys of `USES`, None for what suits the type."""
    head: Object = {
        A.CKA_CLASS: CKO_PRIVATE_KEY,
        A.CKA_TOKEN: True,
        A.CKA_PRIVATE: True,
        A.CKA_SENSITIVE: True,
        A.CKA_EXTRACTABLE: False,
    }
    return head | _usage(key, uses, 0) | _private_numbers(key)


def public_object(key: PrivateKeyTypes, uses: Iterable[str] | None, *, raw_point: bool = False) -> Object:
    """The public half; `raw_point` leaves the OCTET STRING around CKA_EC_POINT out, as softhsm2-util does."""
    head: Object = {A.CKA_CLASS: CKO_PUBLIC_KEY, A.CKA_TOKEN: True, A.CKA_PRIVATE: False}
    return head | _usage(key, uses, 1) | _public_numbers(key, raw_point)


def certificate_object(pem: bytes) -> Object:
    """An X.509 certificate with the attributes the standard asks for."""
    certificate = x509.load_pem_x509_certificate(pem)
    serial = certificate.serial_number.to_bytes(20, "big").lstrip(b"\0")
    return {
        A.CKA_CLASS: CKO_CERTIFICATE,
        A.CKA_TOKEN: True,
        A.CKA_PRIVATE: False,
        A.CKA_CERTIFICATE_TYPE: 0,
        A.CKA_SUBJECT: certificate.subject.public_bytes(),
        A.CKA_ISSUER: certificate.issuer.public_bytes(),
        A.CKA_SERIAL_NUMBER: b"\x02" + bytes([len(serial)]) + serial,
        A.CKA_VALUE: certificate.public_bytes(serialization.Encoding.DER),
    }


def data_object() -> Object:
    """Something that is no key and no certificate."""
    return {A.CKA_CLASS: CKO_DATA, A.CKA_TOKEN: True, A.CKA_PRIVATE: False, A.CKA_VALUE: b"\0\1\2 no key"}


def secret_object() -> Object:
    """A symmetric key."""
    return {
        A.CKA_CLASS: CKO_SECRET_KEY,
        A.CKA_TOKEN: True,
        A.CKA_PRIVATE: True,
        A.CKA_KEY_TYPE: CKK_GENERIC_SECRET,
        A.CKA_SIGN: True,
        A.CKA_VALUE: bytes(range(32)),
    }


def _usage(key: PrivateKeyTypes, uses: Iterable[str] | None, half: int) -> Object:
    if uses is None:
        uses = ("sign", "decrypt") if isinstance(key, rsa.RSAPrivateKey) else ("sign",)
    allowed = set(uses)
    return {attribute: use in allowed for use, halves in USES.items() for attribute in halves[half]}


def _private_numbers(key: PrivateKeyTypes) -> Object:
    match key:
        case rsa.RSAPrivateKey():
            numbers = key.private_numbers()
            return _rsa_modulus(numbers.public_numbers) | {
                A.CKA_PRIVATE_EXPONENT: _big(numbers.d),
                A.CKA_PRIME_1: _big(numbers.p),
                A.CKA_PRIME_2: _big(numbers.q),
                A.CKA_EXPONENT_1: _big(numbers.dmp1),
                A.CKA_EXPONENT_2: _big(numbers.dmq1),
                A.CKA_COEFFICIENT: _big(numbers.iqmp),
            }
        case ec.EllipticCurvePrivateKey():
            value = _big(key.private_numbers().private_value)
            return {A.CKA_KEY_TYPE: CKK_EC, A.CKA_EC_PARAMS: EC_PARAMS[key.curve.name], A.CKA_VALUE: value}
        case ed25519.Ed25519PrivateKey() | ed448.Ed448PrivateKey():
            return {
                A.CKA_KEY_TYPE: CKK_EC_EDWARDS,
                A.CKA_EC_PARAMS: _edwards_params(key),
                A.CKA_VALUE: key.private_bytes_raw(),
            }
        case dsa.DSAPrivateKey():
            private = key.private_numbers()
            return _dsa_domain(private.public_numbers) | {A.CKA_VALUE: _big(private.x)}
    raise TypeError(f"no private object for {type(key).__name__}")


def _public_numbers(key: PrivateKeyTypes, raw_point: bool) -> Object:
    match key:
        case rsa.RSAPrivateKey():
            return _rsa_modulus(key.public_key().public_numbers())
        case ec.EllipticCurvePrivateKey():
            point = key.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )
            params, kind = EC_PARAMS[key.curve.name], CKK_EC
        case ed25519.Ed25519PrivateKey() | ed448.Ed448PrivateKey():
            point = key.public_key().public_bytes_raw()
            params, kind = _edwards_params(key), CKK_EC_EDWARDS
        case dsa.DSAPrivateKey():
            numbers = key.public_key().public_numbers()
            return _dsa_domain(numbers) | {A.CKA_VALUE: _big(numbers.y)}
        case _:
            raise TypeError(f"no public object for {type(key).__name__}")
    wrapped = point if raw_point else _octet_string(point)
    return {A.CKA_KEY_TYPE: kind, A.CKA_EC_PARAMS: params, A.CKA_EC_POINT: wrapped}


def _rsa_modulus(numbers: rsa.RSAPublicNumbers) -> Object:
    return {
        A.CKA_KEY_TYPE: CKK_RSA,
        A.CKA_MODULUS: _big(numbers.n),
        A.CKA_PUBLIC_EXPONENT: _big(numbers.e),
    }


def _dsa_domain(numbers: dsa.DSAPublicNumbers) -> Object:
    domain = numbers.parameter_numbers
    return {
        A.CKA_KEY_TYPE: CKK_DSA,
        A.CKA_PRIME: _big(domain.p),
        A.CKA_SUBPRIME: _big(domain.q),
        A.CKA_BASE: _big(domain.g),
    }


def _edwards_params(key: ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) -> bytes:
    return ED25519_PARAMS if isinstance(key, ed25519.Ed25519PrivateKey) else ED448_PARAMS


def _octet_string(content: bytes) -> bytes:
    length = bytes([len(content)]) if len(content) < 128 else bytes([0x81, len(content)])
    return b"\x04" + length + content


def _big(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
