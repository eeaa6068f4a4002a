"""SoftHSM 2.6.1 takes a bare point that looks like a DER OCTET STRING for one.

On brainpoolP512r1 a point is 129 octets, so one whose X begins 7F reads as "OCTET STRING of 127 octets": C_DeriveKey
answered CKR_GENERAL_ERROR, about once in 170 messages.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from scd.cryptoki.module import InProcessModule
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.gcrypt.pubkey import EccPublicKey
from scd.token.port import DecryptRequest, KeyAddress
from scd.token.secrets import Pin
from tests.harness.tokens import Minted

CURVE = ec.BrainpoolP512R1()
LUCKLESS, ORDINARY = 231, 3  # ephemeral private keys; X of the first one's point begins 7F


def bare_point(secret: int) -> bytes:
    numbers = ec.derive_private_key(secret, CURVE).public_key().public_numbers()
    return b"\x04" + numbers.x.to_bytes(64, "big") + numbers.y.to_bytes(64, "big")


def test_such_a_point_is_derived_from_like_any_other(minted: Minted) -> None:
    assert bare_point(LUCKLESS)[:2] == b"\x04\x7f"
    fixture = next(o for o in minted.tokens["backup"].objects.values() if o.name == "brainpoolP512r1")
    assert fixture.key_pem is not None
    key = load_pem_private_key(fixture.key_pem.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    numbers = key.public_key().public_numbers()
    public = EccPublicKey("brainpoolP512r1", b"\x04" + numbers.x.to_bytes(64, "big") + numbers.y.to_bytes(64, "big"))
    module = InProcessModule(ModuleConfig("softhsm", str(minted.module)))
    try:
        token = next(info.id for info in module.tokens() if info.id.label == "backup")
        module.login(token, Pin(minted.tokens["backup"].pin.encode()))
        for secret in (ORDINARY, LUCKLESS, ORDINARY):
            shared = module.decrypt(DecryptRequest(KeyAddress(token, fixture.cka_id, public), bare_point(secret)))
            assert shared == key.exchange(ec.ECDH(), ec.derive_private_key(secret, CURVE).public_key())
    finally:
        module.close()
