"""Points of the Weierstrass curves: on the curve or not, and back from their compressed form."""

from __future__ import annotations

from scd.gcrypt.curve import Curve, Family

_UNCOMPRESSED = 0x04
_COMPRESSED = (0x02, 0x03)
_NATIVE_PREFIX = 0x40


def plain_point(curve: Curve, point: bytes) -> bytes:
    """`point` in the form of `EccPublicKey.q`: 04‖X‖Y, or the bare octets of an Edwards or Montgomery key.

    Raises ValueError for a wrong length or first octet and for a point that is not on the curve. Whether the
    octets of an Edwards key are a point is not asked: its keygrip does not need it, and the token is the one
    to compute with it.
    """
    if curve.family is not Family.WEIERSTRASS:
        return _bare(curve, point)
    size = curve.field_bytes
    if len(point) == curve.q_bytes and point[0] == _UNCOMPRESSED:
        x, y = int.from_bytes(point[1 : 1 + size], "big"), int.from_bytes(point[1 + size :], "big")
    elif len(point) == 1 + size and point[0] in _COMPRESSED:
        x = int.from_bytes(point[1:], "big")
        y = root(curve, x, odd=point[0] == _COMPRESSED[1])
    else:
        raise ValueError(f"not a point of {curve.name}: {len(point)} octets, {point[:1].hex()} in front")
    if not _on_curve(curve, x, y):
        raise ValueError(f"the point is not on {curve.name}")
    return uncompressed(curve, x, y)


def _bare(curve: Curve, point: bytes) -> bytes:
    if len(point) == 33 == curve.q_bytes + 1 and point[0] == _NATIVE_PREFIX:
        return point[1:]
    if len(point) != curve.q_bytes:
        raise ValueError(f"not a key of {curve.name}: {len(point)} octets instead of {curve.q_bytes}")
    return point


def _on_curve(curve: Curve, x: int, y: int) -> bool:
    p = int.from_bytes(curve.p, "big")
    return x < p and y < p and (y * y - _right_side(curve, x)) % p == 0


def _right_side(curve: Curve, x: int) -> int:
    a, b = int.from_bytes(curve.a, "big"), int.from_bytes(curve.b, "big")
    return (x * x + a) * x + b


def root(curve: Curve, x: int, *, odd: bool) -> int:
    """The y of this parity with y² = x³ + ax + b mod p, if there is one; else some other number.

    p mod 4 is 3 for every curve it is used with: the Weierstrass curves of the table, and X448 (see
    `keygrip`).
    """
    p = int.from_bytes(curve.p, "big")
    y = pow(_right_side(curve, x), (p + 1) // 4, p)
    return y if y & 1 == odd else p - y


def uncompressed(curve: Curve, x: int, y: int) -> bytes:
    """04‖X‖Y, both padded to the field's length."""
    size = curve.field_bytes
    return bytes((_UNCOMPRESSED,)) + x.to_bytes(size, "big") + y.to_bytes(size, "big")
