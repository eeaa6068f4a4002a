"""The test keys of softhsm-fixtures as keys of `cryptography`, and their public halves as ours."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519

from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey
from scd.token.model import Certificate

FOLDER = Path(__file__).parents[2] / "softhsm-fixtures" / "keys"

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | x25519.X25519PrivateKey
    | x448.X448PrivateKey
)

# cryptography's names of Weierstrass curves -> libgcrypt's
_WEIERSTRASS = {
    "secp256r1": "NIST P-256",
    "secp384r1": "NIST P-384",
    "secp521r1": "NIST P-521",
    "secp256k1": "secp256k1",
    "brainpoolP256r1": "brainpoolP256r1",
    "brainpoolP384r1": "brainpoolP384r1",
    "brainpoolP512r1": "brainpoolP512r1",
}
_OTHERS = {
    ed25519.Ed25519PrivateKey: "Ed25519",
    ed448.Ed448PrivateKey: "Ed448",
    x25519.X25519PrivateKey: "Curve25519",
    x448.X448PrivateKey: "X448",
}
_USAGE = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign",
)  # fmt: skip
_ASN1CRYPTO_WORDS = {"content_commitment": "non_repudiation"}


@lru_cache
def private_key(name: str) -> PrivateKey:
    """`work-rsa2048`: the key in keys/work-rsa2048.key.pem; `x25519` and `x448`: fixed ones."""
    if name == "x25519":
        return x25519.X25519PrivateKey.from_private_bytes(bytes(range(32)))
    if name == "x448":
        return x448.X448PrivateKey.from_private_bytes(bytes(range(56)))
    pem = (FOLDER / f"{name}.key.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, PrivateKey)
    return key


def public_of(key: PrivateKey) -> PublicKey:
    """The public half in our form."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return RsaPublicKey(_unsigned(numbers.n), _unsigned(numbers.e))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        return EccPublicKey(_WEIERSTRASS[key.curve.name], point)
    octets = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return EccPublicKey(next(name for kind, name in _OTHERS.items() if isinstance(key, kind)), octets)


def certificate(name: str, cka_id: bytes = b"", label: str = "") -> Certificate:
    """The certificate of softhsm-fixtures/keys/NAME.crt.pem as a token would show it."""
    parsed = x509.load_pem_x509_certificate((FOLDER / f"{name}.crt.pem").read_bytes())
    return Certificate(
        der=parsed.public_bytes(serialization.Encoding.DER),
        cka_id=cka_id,
        label=label,
        public=public_of(private_key(name)),
        subject=parsed.subject.rfc4514_string(),
        not_before=int(parsed.not_valid_before_utc.timestamp()),
        key_usage=_usage(parsed),
        is_ca=_is_ca(parsed),
    )


def _usage(parsed: x509.Certificate) -> tuple[str, ...] | None:
    try:
        usage = parsed.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return tuple(_ASN1CRYPTO_WORDS.get(word, word) for word in _USAGE if getattr(usage, word))


def _is_ca(parsed: x509.Certificate) -> bool:
    try:
        return parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _unsigned(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
