"""The elliptic curves libgcrypt and GnuPG know by name, and how PKCS#11 attributes encode curve and point.

Names are libgcrypt's, short names GnuPG's (common/openpgp-oid.c); the names and object identifiers that
tokens use for the 25519 and 448 curves are those of PKCS#11 v3.0 §2.3, RFC 8410 and, older, of GnuPG.
"""

from __future__ import annotations

from scd.gcrypt import der
from scd.gcrypt.curve import Curve, Family
from scd.gcrypt.curvedata import PARAMETERS
from scd.gcrypt.explicit import match_explicit
from scd.gcrypt.points import plain_point

__all__ = [
    "CURVES",
    "Curve",
    "Family",
    "curve_by_ec_params",
    "curve_by_name",
    "curve_by_oid",
    "ec_params",
    "ec_point",
]

_W, _E, _M = Family.WEIERSTRASS, Family.EDWARDS, Family.MONTGOMERY

# name, short name, object identifier, other ones, other names, bits, family, octets of a public key
_TABLE: tuple[tuple[str, str, str, tuple[str, ...], tuple[str, ...], int, Family, int], ...] = (
    ("NIST P-256", "nistp256", "1.2.840.10045.3.1.7", (), ("secp256r1", "prime256v1", "p-256"), 256, _W, 65),
    ("NIST P-384", "nistp384", "1.3.132.0.34", (), ("secp384r1", "p-384"), 384, _W, 97),
    ("NIST P-521", "nistp521", "1.3.132.0.35", (), ("secp521r1", "p-521"), 521, _W, 133),
    ("secp256k1", "secp256k1", "1.3.132.0.10", (), (), 256, _W, 65),
    ("brainpoolP256r1", "brainpoolP256r1", "1.3.36.3.3.2.8.1.1.7", (), (), 256, _W, 65),
    ("brainpoolP384r1", "brainpoolP384r1", "1.3.36.3.3.2.8.1.1.11", (), (), 384, _W, 97),
    ("brainpoolP512r1", "brainpoolP512r1", "1.3.36.3.3.2.8.1.1.13", (), (), 512, _W, 129),
    ("Ed25519", "ed25519", "1.3.101.112", ("1.3.6.1.4.1.11591.15.1",), ("edwards25519",), 255, _E, 32),
    ("Curve25519", "cv25519", "1.3.101.110", ("1.3.6.1.4.1.3029.1.5.1",), ("x25519",), 255, _M, 32),
    ("Ed448", "ed448", "1.3.101.113", (), ("edwards448",), 448, _E, 57),
    ("X448", "cv448", "1.3.101.111", (), ("curve448",), 448, _M, 56),
)


def _build() -> dict[str, Curve]:
    built: dict[str, Curve] = {}
    for name, algorithm, oid, other_oids, aliases, bits, family, q_bytes in _TABLE:
        domain = {letter: bytes.fromhex(text) for letter, text in PARAMETERS[name].items()}
        known_as = tuple(dict.fromkeys((name.lower(), algorithm.lower(), *aliases)))
        built[name] = Curve(
            name, algorithm, oid, other_oids, known_as, bits, family, (bits + 7) // 8, q_bytes, **domain
        )
    return built


CURVES: dict[str, Curve] = _build()
"""Every curve by libgcrypt's name."""

_BY_OID = {oid: curve for curve in CURVES.values() for oid in (curve.oid, *curve.other_oids)}
_BY_ALIAS = {alias: curve for curve in CURVES.values() for alias in curve.aliases}


def curve_by_oid(dotted: str) -> Curve | None:
    """The curve of an object identifier in dotted form, None for one that is not in the table."""
    return _BY_OID.get(dotted)


_LONGEST_RSA = 5  # digits of a modulus' length in bits


def curve_by_name(name: str) -> Curve | None:
    """The curve of any of its names, without regard to case: libgcrypt's, GnuPG's short one, X9.62's, PKCS#11's."""
    return _BY_ALIAS.get(name.lower())


def algorithm_by_name(name: str) -> str | None:
    """GnuPG's short name of a key algorithm, whatever the case or alias: `rsa3072`, `nistp256`, `ed25519`, …

    None for what is neither a curve of the table nor `rsa` with a length of at most five digits.
    """
    curve = curve_by_name(name)
    if curve is not None:
        return curve.algorithm
    lower = name.lower()
    digits = lower.removeprefix("rsa")
    is_rsa = digits != lower and digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_RSA
    return lower if is_rsa else None


def curve_by_ec_params(params: bytes) -> Curve | None:
    """The curve a CKA_EC_PARAMS value names; None for a curve that is not in the table.

    Taken: an OBJECT IDENTIFIER, a PrintableString with a curve's name (PKCS#11 v3.0 §2.3.3; SoftHSM 2.6.1
    accepts both for the Edwards curves), an explicit ECParameters SEQUENCE that equals a known curve. Raises
    ValueError for DER that is broken or none at all.
    """
    element = der.read(params)
    content = der.read_only(params, element.tag)
    match element.tag:
        case der.OBJECT_IDENTIFIER:
            return curve_by_oid(der.decode_oid(content))
        case der.PRINTABLE_STRING:
            return _BY_ALIAS.get(content.decode("latin-1").lower())
        case der.SEQUENCE:
            return match_explicit(content, CURVES.values())
        case _:
            return None


def ec_params(curve: Curve) -> bytes:
    """The CKA_EC_PARAMS value of a curve: its object identifier in DER."""
    return der.encode_oid(curve.oid)


def ec_point(curve: Curve, raw: bytes) -> bytes:
    """The public key in a CKA_EC_POINT value, as `EccPublicKey.q` holds it.

    Modules disagree (quirks seen: SoftHSM 2.6.1, OpenSSH's ssh-pkcs11.c): bare octets or a DER OCTET STRING
    around them, or a DER BIT STRING; 25519 keys with or without 40 in front; points of the Weierstrass curves
    compressed or not. The length decides, since a bare point begins with 04 as an OCTET STRING does. Raises
    ValueError for every other length and for a point that is not on its curve.
    """
    if len(raw) in _bare_lengths(curve):
        return plain_point(curve, raw)
    if raw[:1] == bytes((der.BIT_STRING,)):
        return plain_point(curve, der.decode_bit_string(der.read_only(raw, der.BIT_STRING)))
    return plain_point(curve, der.read_only(raw, der.OCTET_STRING))


def _bare_lengths(curve: Curve) -> tuple[int, ...]:
    """Uncompressed and compressed for a Weierstrass curve; without and with the 40 for the 25519 ones."""
    return curve.q_bytes, curve.field_bytes + 1
