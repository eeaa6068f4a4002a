"""The point that ECDH on a Weierstrass curve ends in, of which a PKCS#11 module gives the X only (CKM_ECDH1_DERIVE).

Two points have that X. Their Y decides nothing in ECDH itself, but gpg-agent 2.5 hashes all of the point for a Kyber
key. There a second X tells which one it is: that of d·(P + G) = d·P + Q, where Q is the key's own public point.
"""

from __future__ import annotations

import hmac
import logging

from scd.gcrypt.curve import Curve
from scd.gcrypt.points import plain_point
from scd.gcrypt.pubkey import EccPublicKey
from scd.token.errors import InvalidData, TokenFailure, reason

log = logging.getLogger(__name__)

_EVEN, _ODD = b"\x02", b"\x03"
_X_ALONE = b"\x41"


def either_point(curve: Curve, x: bytes) -> bytes:
    """04‖X‖Y with one of the two Y; 41‖X, scdaemon's other form, where the library does not have the curve."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _with_parity(curve, _EVEN, x)
    except UnsupportedAlgorithm:
        return _X_ALONE + x


def second_peer(curve: Curve, point: bytes) -> bytes | None:
    """P + G, for the second derivation; None, and a word in the log, where libcrypto cannot add them.

    Raises InvalidData when `point` is none of the curve, or -G.
    """
    from scd.service.using import libcrypto

    try:
        total = libcrypto.add(curve, plain_point(curve, point), curve.g)
    except ValueError as error:
        raise InvalidData(f"the peer's point: {error}") from error
    except OSError as error:
        log.warning("a Kyber key whose half on %s is on a token cannot decrypt: %s", curve.name, reason(error))
        return None
    if len(total) != curve.q_bytes:
        raise InvalidData("the peer's point is the negative of the curve's own")
    return total


def true_point(public: EccPublicKey, x: bytes, second_x: bytes) -> bytes:
    """04‖X‖Y with the Y for which X and the second X come from one private key, the one of `public`.

    Raises TokenFailure when there is none: the token's private key is another one.
    """
    from scd.service.using import libcrypto

    curve = public.curve_info
    points = [_with_parity(curve, parity, x) for parity in (_EVEN, _ODD)]  # always both: time tells nothing
    sums = [libcrypto.add(curve, point, public.q)[1 : 1 + curve.field_bytes] for point in points]
    right = [hmac.compare_digest(total, second_x) for total in sums]
    if right.count(True) != 1:
        raise TokenFailure("what the token derived does not come from the private key of its public key")
    return points[right[1]]


def _with_parity(curve: Curve, parity: bytes, x: bytes) -> bytes:
    """Raises TokenFailure for an X of no point, UnsupportedAlgorithm when the library does not have the curve."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey, get_curve_for_oid
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import ObjectIdentifier

    try:
        found = EllipticCurvePublicKey.from_encoded_point(get_curve_for_oid(ObjectIdentifier(curve.oid))(), parity + x)
    except ValueError:
        raise TokenFailure(f"what the token derived is no point of {curve.name}") from None
    return found.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
