"""NSS softoken: a certificate database as Firefox and Thunderbird have it, made with certutil and pk12util."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from tests.modules.beds.bed import Bed, BedKey, Can, library
from tests.modules.beds.tools import certify, package_version, private_key, run

LABEL, PIN = "NSS Certificate DB", "135791"
STEMS = {"rsa": "work-rsa2048", "ec": "work-p256", "bare": "work-p256-ecdh"}


@contextmanager
def open_bed(folder: Path) -> Iterator[Bed]:
    """A database with a password and imported keys; NSS makes their CKA_ID itself."""
    module = library("/usr/lib/*/libsoftokn3.so", "/usr/lib/*/nss/libsoftokn3.so", "/usr/lib64/libsoftokn3.so")
    database = folder / "nssdb"
    database.mkdir()
    secret = folder / "password"
    secret.write_text(PIN + "\n", encoding="utf-8")
    run(["certutil", "-N", "-d", f"sql:{database}", "-f", secret], {})
    keys = {name: _import(name, stem, database, secret) for name, stem in STEMS.items()}
    init_args = f"configdir='sql:{database}' certPrefix='' keyPrefix='' secmod='secmod.db' flags="
    yield Bed(
        "nss", module, f"NSS {package_version('libnss3')}", LABEL, PIN, "000000", keys,
        options=(f"provider-nss-init-args {init_args}",),
        can=frozenset(Can) - {Can.COUNT_TRIES, Can.RESET_PIN, Can.KEEP_DATA},
    )  # fmt: skip


def _import(name: str, stem: str, database: Path, secret: Path) -> BedKey:
    private = private_key(stem)
    public = private.public_key()
    certificate = certify(public, f"NSS {name}")
    packed = serialize_key_and_certificates(
        name.encode(), private, x509.load_der_x509_certificate(certificate), None, BestAvailableEncryption(PIN.encode())
    )
    file = secret.with_name(f"{name}.p12")
    file.write_bytes(packed)
    run(["pk12util", "-i", file, "-d", f"sql:{database}", "-k", secret, "-w", secret], {})
    bare = name == "bare"
    if bare:
        run(["certutil", "-D", "-d", f"sql:{database}", "-n", name, "-f", secret], {})
    return BedKey(name, public, None if bare else certificate, _nss_id(public))


def _nss_id(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    """NSS names a key by the SHA-1 of its modulus or point."""
    if isinstance(public, rsa.RSAPublicKey):
        number = public.public_numbers().n
        value = number.to_bytes((number.bit_length() + 7) // 8, "big")
    else:
        value = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return hashlib.sha1(value, usedforsecurity=False).digest()
