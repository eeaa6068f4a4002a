"""Keys, tokens and cards to try the service's pure functions on."""

from __future__ import annotations

from scd.service.finding.catalogue import Card
from scd.service.finding.registry import RegisteredModule
from scd.service.finding.serials import wire_serial
from scd.token.model import Certificate, KeyPair, PinTries, TokenId, TokenInfo, TokenObjects
from tests.fakes.fake_module import FakeModule
from tests.fakes.keys import private_key, public_of

TOKEN = TokenId("SoftHSM project", "SoftHSM v2", "6ebbfcd2ad05cd71", "tok1")
EMPTY_SLOT = TokenId("SoftHSM project", "SoftHSM v2", "", "")


def key(
    name: str = "work-rsa2048",
    cka_id: bytes = b"\1",
    *,
    label: str = "a key",
    can_sign: bool | None = True,
    can_decrypt: bool | None = True,
    certificate: Certificate | None = None,
) -> KeyPair:
    """A key of softhsm-fixtures as a token would show it."""
    public = public_of(private_key(name))
    return KeyPair(cka_id, label, public, can_sign, can_decrypt, False, private_seen=True, certificate=certificate)


def card(*keys: KeyPair, token: TokenId = TOKEN) -> Card:
    """A card with these keys."""
    info = TokenInfo(
        token, initialized=True, login_required=True, pin_initialized=True, pinpad=False, write_protected=False,
        pin_tries=PinTries.FULL, pin_min=4, pin_max=255, logged_in=False, so_pin_tries=PinTries.FULL,
    )  # fmt: skip
    module = RegisteredModule("softhsm", FakeModule())
    return Card(module, info, wire_serial(token, {}), TokenObjects(keys, (), (), 1))
