"""One token in memory behind the in-process module, with the few calls the tests make of it."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519

from scd.cryptoki.module import InProcessModule
from scd.gcrypt.pubkey import EccPublicKey
from scd.token.model import TokenId, TokenObjects
from scd.token.port import DecryptRequest, KeyAddress, SignRequest
from scd.token.secrets import Pin
from tests.fakes.keys import PrivateKey, private_key, public_of
from tests.unit.cryptoki.memory_module import MemoryNative, module
from tests.unit.cryptoki.memory_token import MemoryToken

PIN = Pin(b"1234")


class Bench:
    """A module with one token, logged in unless told otherwise; keys by the names of softhsm-fixtures."""

    def __init__(
        self, token: MemoryToken, *, login: bool = True, left_out: tuple[str, ...] = (),
        native: MemoryNative | None = None, **config: int,
    ) -> None:  # fmt: skip
        self.token = token
        self.native = native or MemoryNative(token, left_out=left_out)
        self.module: InProcessModule = module(self.native, **config)
        if login:
            self.login()

    @property
    def id(self) -> TokenId:
        return TokenId("memory", "memory", self.token.serial, self.token.label)

    def login(self) -> None:
        self.module.login(self.id, PIN)

    def objects(self) -> TokenObjects:
        found = self.module.objects(self.id)
        assert found is not None
        return found

    def address(self, name: str) -> KeyAddress:
        return KeyAddress(self.id, b"\1", public_of(private_key(name)))

    def sign(self, name: str, data: bytes, pin: Pin | None = None) -> bytes:
        return self.module.sign(SignRequest(self.address(name), data, pin))

    def decrypt(self, name: str, data: bytes, pin: Pin | None = None) -> bytes:
        return self.module.decrypt(DecryptRequest(self.address(name), data, pin))


def token_with(*names: str, **switches: object) -> MemoryToken:
    """A token that holds these keys, CKA_IDs 01 onward."""
    token = MemoryToken("memory", **switches)  # type: ignore[arg-type]  # handed through
    for number, name in enumerate(names, 1):
        token.add_key(private_key(name), bytes((number,)), name)
    return token


def peer_of(name: str) -> tuple[bytes, bytes]:
    """A point to send, and the secret it makes with the key."""
    key = private_key(name)
    match key:
        case ec.EllipticCurvePrivateKey():
            peer = ec.derive_private_key(0x1234567, key.curve)
            return _point(peer), peer.exchange(ec.ECDH(), key.public_key())
        case x25519.X25519PrivateKey():
            short = x25519.X25519PrivateKey.from_private_bytes(bytes(range(7, 39)))
            return _point(short), short.exchange(key.public_key())
        case x448.X448PrivateKey():
            long = x448.X448PrivateKey.from_private_bytes(bytes(range(7, 63)))
            return _point(long), long.exchange(key.public_key())
    raise TypeError(f"{name} does not derive")


def _point(key: PrivateKey) -> bytes:
    public = public_of(key)
    assert isinstance(public, EccPublicKey)
    return public.q
