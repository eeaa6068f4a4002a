"""Keygrips: the 20 octets by which libgcrypt and gpg-agent name a key.

A keygrip is a SHA-1 hash over the public parameters; name, spelling of the curve and flags do not enter it.
The rules were verified against keys made by gpg 2.2.40, 2.4.9 and 2.5.13 and against libgcrypt 1.10.1 and
1.12.2.
"""

from __future__ import annotations

from scd.gcrypt.curve import Curve
from scd.gcrypt.mpi import signed
from scd.gcrypt.points import root, uncompressed


def rsa_keygrip(n: bytes) -> bytes:
    """The keygrip of an RSA key: over the modulus only, written as a signed number.

    `n`: unsigned big endian, leading zero octets do not matter. 20 octets.
    """
    return _sha1(signed(n))


def ecc_keygrip(curve: Curve, q: bytes) -> bytes:
    """The keygrip of a key on `curve`, ECDSA, EdDSA and ECDH alike; `q` as in `EccPublicKey.q`. 20 octets.

    One quirk is libgcrypt's own (seen with 1.10.1 and 1.12.2) and copied here, since the agent's grip has to
    agree with ours: a public key on X448 that begins with 02 or 03, one in 128, is taken for a compressed
    Weierstrass point and "uncompressed". Its other 55 octets are X, big endian, and Y solves y² = x³ + ax + b
    with the parity that the first octet tells. Whether there is a solution is not checked: libgcrypt hashes
    the candidate.
    """
    if curve.name == "X448" and q[0] in (0x02, 0x03):
        x = int.from_bytes(q[1:], "big")
        q = uncompressed(curve, x, root(curve, x, odd=q[0] == 0x03))
    named = zip("pabgnq", (curve.p, curve.a, curve.b, curve.g, curve.n, q), strict=True)
    return _sha1(b"".join(b"(1:%s%d:%s)" % (letter.encode(), len(value), value) for letter, value in named))


def _sha1(data: bytes) -> bytes:
    import hashlib  # pulls in OpenSSL, and no keygrip is needed before the greeting

    return hashlib.sha1(data, usedforsecurity=False).digest()
