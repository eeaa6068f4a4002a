"""Pure EdDSA: Ed25519 and Ed448."""

from __future__ import annotations

from scd.cryptoki.calls.native import EddsaParams
from scd.cryptoki.calls.numbers import Mechanism
from scd.cryptoki.keytypes.operation import Operation, Rung
from scd.gcrypt.curves import Curve
from scd.token.errors import TokenFailure

_SIGNING = (
    Rung("CKM_EDDSA without parameters", "Sign", Mechanism.EDDSA),
    Rung("CKM_EDDSA with parameters", "Sign", Mechanism.EDDSA, EddsaParams(0, 0, None)),
)


def sign(operation: Operation, curve: Curve, message: bytes) -> bytes:
    """R‖S over the message itself. Modules disagree whether pure EdDSA wants parameters (SoftHSMv2 issue 589)."""
    room = 2 * curve.q_bytes
    signature = operation.first_that_works("sign", _SIGNING, lambda rung: operation.operate(rung, message, room))
    if len(signature) != room:
        raise TokenFailure(f"{operation.about}: the token's signature has {len(signature)} octets instead of {room}")
    return signature
