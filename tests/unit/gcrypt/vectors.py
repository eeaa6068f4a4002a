"""Public keys with keygrips that real GnuPG computed, and curves spelt out by openssl."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Vector:
    """`name`: algorithm and the gpg that made the key (22, 24, 25); `q_openpgp` is empty for RSA."""

    name: str
    key: PublicKey
    keygrip: bytes
    q_openpgp: bytes


def _vector(entry: dict[str, str]) -> Vector:
    key: PublicKey
    if entry["type"] == "rsa":
        key = RsaPublicKey(bytes.fromhex(entry["n"]), bytes.fromhex(entry["e"]))
    else:
        key = EccPublicKey(entry["sexp_curve"], bytes.fromhex(entry["q_hashed"]))
    name = f"{entry.get('curve', 'rsa')}-gpg{entry['gpg']}-{entry['keygrip'][:8]}"
    return Vector(name, key, bytes.fromhex(entry["keygrip"]), bytes.fromhex(entry.get("q_openpgp", "")))


VECTORS = [_vector(entry) for entry in json.loads((HERE / "keygrip-vectors.json").read_text())]
"""Keys made by gpg 2.2.40, 2.4.9 and 2.5.13."""

ECC_VECTORS = [vector for vector in VECTORS if isinstance(vector.key, EccPublicKey)]


@dataclass(frozen=True)
class Explicit:
    """A line of explicit-parameters.txt: openssl's name of the curve, the form of its generator, DER."""

    curve: str
    form: str
    der: bytes


EXPLICIT = [
    Explicit(curve, form, bytes.fromhex(der))
    for curve, form, der in map(str.split, (HERE / "explicit-parameters.txt").read_text().splitlines())
]
"""`openssl ecparam -name CURVE -param_enc explicit -conv_form FORM -outform DER`, openssl 3.0.19."""
