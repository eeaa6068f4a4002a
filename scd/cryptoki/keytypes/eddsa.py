"""Pure EdDSA: Ed25519 and Ed448."""

from __future__ import annotations

from pkcs11 import Mechanism

from scd.cryptoki.keytypes.operation import Operation, Rung
from scd.cryptoki.native import EddsaParams
from scd.gcrypt.curves import Curve


def sign(operation: Operation, curve: Curve, message: bytes) -> bytes:
    """R‖S over the message itself. Modules disagree whether pure EdDSA wants parameters (SoftHSMv2 issue 589)."""
    room = 2 * curve.q_bytes
    rungs = [
        Rung(
            f"CKM_EDDSA {name}",
            lambda p=parameter: operation.operate("Sign", Mechanism.EDDSA, message, room, p),  # type: ignore[misc]  # lambda defaults
        )
        for name, parameter in (("without parameters", None), ("with parameters", EddsaParams(0, 0, None)))
    ]
    return operation.first_that_works("sign", rungs)
