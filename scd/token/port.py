"""The port: what the daemon asks of a PKCS#11 module. Plain data in and out; nothing is called back.

Three classes stand behind it: the complete fake of the tests, the in-process module, and the worker. An
implementation that needs a PIN raises `PinRequired`; whoever owns the client asks and calls again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from scd.gcrypt.pubkey import PublicKey
from scd.token.model import TokenId, TokenInfo, TokenObjects
from scd.token.secrets import Pin


@dataclass(frozen=True, slots=True)
class KeyAddress:
    """Where a private key is looked for. The public key decides: a key under this CKA_ID with another one is not it."""

    token: TokenId
    cka_id: bytes
    public: PublicKey


@dataclass(frozen=True, slots=True)
class SignRequest:
    """One signature. `data` by key type:

    RSA: the block to be PKCS#1-v1.5 padded, normally a DigestInfo; ECDSA: the hash; EdDSA: the message.
    The result: RSA, modulus length; ECDSA and EdDSA, r‖s, both halves padded to the same length.
    """

    key: KeyAddress
    data: bytes
    pin: Pin | None = None


@dataclass(frozen=True, slots=True)
class DecryptRequest:
    """One decryption. `data` by key type:

    RSA: the ciphertext, modulus length; result: the plaintext without padding. ECDH: the peer's point, uncompressed
    (Weierstrass) or the bare u (X25519, X448); result: the shared X or u, padded to the field's length.
    `pin` is for a context-specific login, as in `SignRequest`.
    """

    key: KeyAddress
    data: bytes
    pin: Pin | None = None


class TokenModule(Protocol):
    """One loaded PKCS#11 module, asynchronous face. All raise `TokenError` and nothing else."""

    async def tokens(self) -> tuple[TokenInfo, ...]:
        """Every token of the module now, slots in the module's order, uninitialised ones included."""

    async def objects(self, token: TokenId, known: int = 0) -> TokenObjects | None:
        """The token's usable keys and certificates; None when nothing changed since version `known`."""

    async def login(self, token: TokenId, pin: Pin | None) -> None:
        """C_Login as USER; `pin` None uses the pin pad. A token that is logged in already is a success."""

    async def logout(self, token: TokenId) -> None:
        """C_Logout; not being logged in is a success."""

    async def sign(self, request: SignRequest) -> bytes:
        """See `SignRequest`."""

    async def decrypt(self, request: DecryptRequest) -> bytes:
        """See `DecryptRequest`."""

    async def close(self) -> None:
        """Let go of the module; nothing may be called afterwards."""


class SyncTokenModule(Protocol):
    """The same port for code that lives in the module's own thread: the in-process module."""

    def tokens(self) -> tuple[TokenInfo, ...]: ...
    def objects(self, token: TokenId, known: int = 0) -> TokenObjects | None: ...
    def login(self, token: TokenId, pin: Pin | None) -> None: ...
    def logout(self, token: TokenId) -> None: ...
    def sign(self, request: SignRequest) -> bytes: ...
    def decrypt(self, request: DecryptRequest) -> bytes: ...
    def close(self) -> None: ...
