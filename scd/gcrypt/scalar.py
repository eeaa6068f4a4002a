"""The public key of a private one, on every curve of the table: to see that the two belong together.

Plain formulas, not constant in time: used once, where a private key comes in from its owner's own agent. Sources: SEC 1
§2.2.1; RFC 7748 §5; RFC 8032 §5.1.5 and §5.2.5, whose constants these are (libgcrypt's differ, see `curvedata`).
"""

from __future__ import annotations

from scd.gcrypt.curve import Curve, Family
from scd.gcrypt.points import uncompressed

_Affine = tuple[int, int] | None  # None: the point at infinity
_Projective = tuple[int, int, int]

# By name: a and d of ax² + y² = 1 + dx²y².
_EDWARDS = {
    "Ed25519": (-1, -121665 * pow(121666, -1, 2**255 - 19)),
    "Ed448": (1, -39081),
}
# By name: (A - 2) / 4 of the curve's equation, and u of the base point.
_MONTGOMERY = {"Curve25519": (121665, 9), "X448": (39081, 5)}


def public_point(curve: Curve, secret: bytes) -> bytes:
    """The public key as `EccPublicKey.q` holds it.

    `secret`: Weierstrass, the number, big endian; Edwards, the seed of `q_bytes` octets; Montgomery, `q_bytes` octets
    little endian. Raises ValueError for a number outside 1 … n-1 and for a wrong length.
    """
    if curve.family is Family.WEIERSTRASS:
        return _weierstrass(curve, int.from_bytes(secret, "big"))
    if len(secret) != curve.q_bytes:
        raise ValueError(f"a secret of {curve.name} has {curve.q_bytes} octets, not {len(secret)}")
    return _edwards(curve, secret) if curve.family is Family.EDWARDS else _montgomery(curve, secret)


def _weierstrass(curve: Curve, number: int) -> bytes:
    if not 0 < number < int.from_bytes(curve.n, "big"):
        raise ValueError(f"not a private key of {curve.name}")
    p, a = int.from_bytes(curve.p, "big"), int.from_bytes(curve.a, "big")
    size = curve.field_bytes
    base = int.from_bytes(curve.g[1 : 1 + size], "big"), int.from_bytes(curve.g[1 + size :], "big")
    found: _Affine = None
    for bit in bin(number)[2:]:
        found = _add(found, found, a, p)
        if bit == "1":
            found = _add(found, base, a, p)
    if found is None:
        raise ValueError(f"not a private key of {curve.name}")
    return uncompressed(curve, *found)


def _add(one: _Affine, other: _Affine, a: int, p: int) -> _Affine:
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 != x2:
        slope = (y2 - y1) * pow(x2 - x1, -1, p)
    elif y1 == y2 and y1:
        slope = (3 * x1 * x1 + a) * pow(2 * y1, -1, p)
    else:
        return None
    x = (slope * slope - x1 - x2) % p
    return x, (slope * (x1 - x) - y1) % p


def _edwards(curve: Curve, seed: bytes) -> bytes:
    p, size = int.from_bytes(curve.p, "big"), curve.field_bytes
    a, d = _EDWARDS[curve.name]
    base = int.from_bytes(curve.g[1 : 1 + size], "big"), int.from_bytes(curve.g[1 + size :], "big"), 1
    found: _Projective = (0, 1, 1)
    for bit in bin(_edwards_number(curve, seed))[2:]:
        found = _edwards_add(found, found, a, d, p)
        if bit == "1":
            found = _edwards_add(found, base, a, d, p)
    inverse = pow(found[2], -1, p)
    x, y = found[0] * inverse % p, found[1] * inverse % p
    encoded = bytearray(y.to_bytes(curve.q_bytes, "little"))
    encoded[-1] |= (x & 1) << 7
    return bytes(encoded)


def _edwards_number(curve: Curve, seed: bytes) -> int:
    """The number that the seed stands for."""
    import hashlib  # pulls in OpenSSL, which the start does without

    if curve.name == "Ed448":
        octets = bytearray(hashlib.shake_256(seed).digest(2 * curve.q_bytes)[: curve.q_bytes])
        octets[0] &= 0xFC
        octets[-2] |= 0x80
        octets[-1] = 0
    else:
        octets = bytearray(hashlib.sha512(seed).digest()[: curve.q_bytes])
        octets[0] &= 0xF8
        octets[-1] = octets[-1] & 0x7F | 0x40
    return int.from_bytes(octets, "little")


def _edwards_add(one: _Projective, other: _Projective, a: int, d: int, p: int) -> _Projective:
    """Complete on both curves: doubling and the neutral point are no cases of their own (EFD, add-2008-bbjlp)."""
    (x1, y1, z1), (x2, y2, z2) = one, other
    z, x, y = z1 * z2 % p, x1 * x2 % p, y1 * y2 % p
    square, curved = z * z % p, d * x * y % p
    minus, plus = square - curved, square + curved
    mixed = (x1 + y1) * (x2 + y2) - x - y
    return z * minus * mixed % p, z * plus * (y - a * x) % p, minus * plus % p


def _montgomery(curve: Curve, secret: bytes) -> bytes:
    """X25519 and X448 of the base point; bits are set and cleared as both do, RFC 7748 §5."""
    p = int.from_bytes(curve.p, "big")
    constant, u = _MONTGOMERY[curve.name]
    cofactor_bits = 3 if curve.name == "Curve25519" else 2
    number = int.from_bytes(secret, "little") >> cofactor_bits << cofactor_bits
    number = number & ((1 << curve.bits) - 1) | 1 << (curve.bits - 1)
    x2, z2, x3, z3 = 1, 0, u, 1
    for bit in bin(number)[2:]:
        if bit == "1":
            x2, z2, x3, z3 = x3, z3, x2, z2
        x2, z2, x3, z3 = _ladder_step(x2, z2, x3, z3, u, constant, p)
        if bit == "1":
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, -1, p) % p).to_bytes(curve.q_bytes, "little")


def _ladder_step(
    x2: int, z2: int, x3: int, z3: int, u: int, constant: int, p: int
) -> tuple[int, int, int, int]:  # fmt: skip
    a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
    da, cb = d * a % p, c * b % p
    aa, bb = a * a % p, b * b % p
    e = aa - bb
    return aa * bb % p, e * (aa + constant * e) % p, (da + cb) ** 2 % p, u * (da - cb) ** 2 % p
