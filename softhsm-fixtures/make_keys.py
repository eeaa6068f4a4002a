"""Makes the test keys and certificates that are missing in keys/, and prints their keygrips for tokens.toml.

Only whoever adds a key runs this; the files are checked in, so that every machine mints the same tokens. The
keygrips come from libgcrypt itself through ctypes: no code of scd has a hand in the answers its tests are
held to.
"""

from __future__ import annotations

import ctypes
import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Private = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | dsa.DSAPrivateKey
)

KEYS = Path(__file__).parent / "keys"
MARK = "TEST KEY of the scd project: public on purpose, protects nothing.\n"
NOT_BEFORE = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
NOT_AFTER = datetime.datetime(2044, 1, 1, tzinfo=datetime.UTC)
ISSUER = "ca"

# file stem -> kind of key
KINDS: dict[str, str] = {
    "ca": "rsa2048",
    "work-rsa2048": "rsa2048",
    "work-p256": "secp256r1",
    "work-p384": "secp384r1",
    "work-ed25519": "ed25519",
    "work-rsa2048-bare": "rsa2048",
    "work-p256-ecdh": "secp256r1",
    "work-ed25519-bare": "ed25519",
    "backup-rsa2048": "rsa2048",
    "backup-p521": "secp521r1",
    "backup-bp256": "brainpoolP256r1",
    "backup-bp384": "brainpoolP384r1",
    "backup-bp512": "brainpoolP512r1",
    "backup-secp256k1": "secp256k1",
    "backup-rsa3072": "rsa3072",
    "backup-rsa1024": "rsa1024",
    "backup-rsa4096": "rsa4096",
    "backup-ed448": "ed448",
    "awkward-good": "secp256r1",
    "awkward-dsa": "dsa2048",
    "awkward-broken-der": "secp256r1",
    "awkward-empty-id": "rsa2048",
    "awkward-twin-a": "secp256r1",
    "awkward-twin-b": "rsa2048",
    "awkward-latin1": "secp256r1",
    "awkward-long-label": "secp256r1",
    "awkward-public-only": "secp256r1",
    "awkward-mismatch": "secp256r1",
    "awkward-stranger": "secp256r1",
    "awkward-cert-without-id": "secp256r1",
    "awkward-private-only": "rsa2048",
    "awkward-not-signing": "rsa2048",
    "awkward-raw-point": "ed25519",
    "awkward-printable": "ed25519",
    "awkward-unknown-curve": "secp256r1",
    "awkward-garbage-point": "secp256r1",
    "always-rsa2048": "rsa2048",
    "always-p256": "secp256r1",
}
# file stem -> common name; these get a certificate of the test CA
CERTIFIED: dict[str, str] = {
    "work-rsa2048": "Alice Work RSA",
    "work-p256": "Alice Work P-256",
    "work-p384": "Alice Work P-384",
    "work-ed25519": "Alice Work Ed25519",
    "backup-rsa2048": "Alice Backup RSA",
    "awkward-good": "Alice Good P-256",
    "awkward-stranger": "Mallory Stranger",
    "awkward-cert-without-id": "Alice Without Id",
    "always-rsa2048": "Alice Always RSA",
}
CURVES: dict[str, type[ec.EllipticCurve]] = {
    "secp256r1": ec.SECP256R1,
    "secp384r1": ec.SECP384R1,
    "secp521r1": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
    "brainpoolP256r1": ec.BrainpoolP256R1,
    "brainpoolP384r1": ec.BrainpoolP384R1,
    "brainpoolP512r1": ec.BrainpoolP512R1,
}
# OpenSSL's name of a curve -> libgcrypt's, where they differ
GCRYPT_CURVES = {"secp256r1": "NIST P-256", "secp384r1": "NIST P-384", "secp521r1": "NIST P-521"}


def generate(kind: str) -> Private:
    """A new random key of a kind in `KINDS`."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    if kind.startswith("dsa"):
        return dsa.generate_private_key(int(kind[3:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    return ec.generate_private_key(CURVES[kind]())


def certificate(key: Private, name: str, issuer: Private, *, ca: bool = False) -> x509.Certificate:
    """A twenty-year certificate for mail and client use, or the CA's own."""
    issuer_name, issuer_key = _name("scd Test CA"), _signer(issuer).public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(_key_usage(key, ca=ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )
    if not ca:
        mail = x509.RFC822Name("alice@example.org")
        purposes = [ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.SubjectAlternativeName([mail]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    return builder.sign(_signer(issuer), hashes.SHA256())


def _signer(key: Private) -> rsa.RSAPrivateKey:
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the test CA has an RSA key")
    return key


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "scd tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(key: Private, *, ca: bool) -> x509.KeyUsage:
    is_rsa, is_ec = isinstance(key, rsa.RSAPrivateKey), isinstance(key, ec.EllipticCurvePrivateKey)
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=is_rsa and not ca,
        data_encipherment=False,
        key_agreement=is_ec and not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def sexp(key: Private) -> str | None:
    """The public key as libgcrypt's advanced S-expression; None for a kind scd does not know."""
    match key:
        case rsa.RSAPrivateKey():
            n = key.public_key().public_numbers().n
            return f"(public-key (rsa (n #00{n:X}#)(e #010001#)))"
        case ec.EllipticCurvePrivateKey():
            point = key.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )
            curve = GCRYPT_CURVES.get(key.curve.name, key.curve.name)
            return f'(public-key (ecc (curve "{curve}")(q #{point.hex()}#)))'
        case ed25519.Ed25519PrivateKey():
            q_hex = key.public_key().public_bytes_raw().hex()
            return f"(public-key (ecc (curve Ed25519)(flags eddsa)(q #{q_hex}#)))"
        case ed448.Ed448PrivateKey():
            return f"(public-key (ecc (curve Ed448)(q #{key.public_key().public_bytes_raw().hex()}#)))"
    return None


def keygrip(expression: str) -> str:
    """libgcrypt's own answer, 40 upper-case hex digits."""
    gcrypt = ctypes.CDLL("libgcrypt.so.20")
    gcrypt.gcry_check_version.restype = ctypes.c_char_p
    gcrypt.gcry_check_version(None)
    gcrypt.gcry_pk_get_keygrip.restype = ctypes.c_void_p
    gcrypt.gcry_pk_get_keygrip.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    parsed, text, grip = ctypes.c_void_p(), expression.encode(), ctypes.create_string_buffer(20)
    if gcrypt.gcry_sexp_new(ctypes.byref(parsed), text, ctypes.c_size_t(len(text)), 1):
        raise ValueError(f"libgcrypt cannot read {expression[:60]}…")
    if not gcrypt.gcry_pk_get_keygrip(parsed, grip):
        raise ValueError(f"libgcrypt has no keygrip for {expression[:60]}…")
    return grip.raw.hex().upper()


def load(stem: str) -> Private:
    """The checked-in key of that name."""
    key = serialization.load_pem_private_key((KEYS / f"{stem}.key.pem").read_bytes(), None)
    if not isinstance(key, Private):
        raise TypeError(f"{stem}: not a kind of key the fixtures use")
    return key


def key_pem(key: Private) -> bytes:
    """PKCS#8 PEM without a password."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def main() -> None:
    """Fill keys/ up and print the [keygrips] table."""
    KEYS.mkdir(exist_ok=True)
    for stem, kind in KINDS.items():
        path = KEYS / f"{stem}.key.pem"
        if not path.exists():
            path.write_bytes(MARK.encode() + key_pem(generate(kind)))
    issuer = load(ISSUER)
    for stem, name in {ISSUER: "scd Test CA", **CERTIFIED}.items():
        path = KEYS / f"{stem}.crt.pem"
        if not path.exists():
            made = certificate(load(stem), name, issuer, ca=stem == ISSUER)
            path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    print("[keygrips]")
    for stem in KINDS:
        if expression := sexp(load(stem)):
            print(f'{stem} = "{keygrip(expression)}"')


if __name__ == "__main__":
    main()
