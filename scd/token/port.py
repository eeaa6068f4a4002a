"""The port: what the daemon asks of a PKCS#11 module. Plain data in and out; nothing is called back.

`TokenModule` is its one declaration. `scd.cryptoki.module.InProcessModule` implements it, synchronously, in a worker;
`WorkerModule` and `PooledModule` hand each call on as a `Call`; the tests have a complete fake. An implementation that
needs a PIN raises `PinRequired`; whoever owns the client asks and calls again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from scd.gcrypt.privkey import PrivateKey
from scd.gcrypt.pubkey import PublicKey
from scd.token.model import DataObject, DataRecord, TokenId, TokenInfo, TokenObjects
from scd.token.secrets import Pin

REREAD = -1
"""For `objects`: read everything anew, as an object may have been changed in its place."""


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

    @property
    def token(self) -> TokenId:
        """Where the key is."""
        return self.key.token


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

    @property
    def token(self) -> TokenId:
        """Where the key is."""
        return self.key.token


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One new key pair. `algorithm` is GnuPG's short name: rsa2048, nistp256, brainpoolP384r1, ed25519, cv25519, …

    `cka_id` and `label` are given to both halves. `sign`: CKA_SIGN; `decrypt`: CKA_DECRYPT and CKA_UNWRAP, CKA_DERIVE
    on curves.
    """

    token: TokenId
    algorithm: str
    cka_id: bytes
    label: str
    sign: bool
    decrypt: bool


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """One private key to be put on a token; the rest as in `GenerateRequest`."""

    token: TokenId
    private: PrivateKey
    cka_id: bytes
    label: str
    sign: bool
    decrypt: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a method of `TokenModule`: its name and all of its arguments, in order."""

    method: str
    arguments: tuple[Any, ...]

    @property
    def token(self) -> TokenId:
        """The token that it is about, which the first argument is or names. IndexError for a call about none."""
        first = self.arguments[0]
        return first if isinstance(first, TokenId) else first.token

    def pins(self) -> Iterator[Pin]:
        """The PINs among the arguments and in a request."""
        for one in self.arguments:
            pin = one if isinstance(one, Pin) else getattr(one, "pin", None)
            if pin is not None:
                yield pin


class TokenModule(Protocol):
    """One loaded PKCS#11 module, asynchronous face. All raise `TokenError` and nothing else.

    A class that hands calls on inherits the methods and overrides `ask`; a class that does the work overrides each
    method. Frames between processes are typed by the annotations here.

    What changes keys, certificates and data needs the user's login (`PinRequired`) on a token that has one, and a
    token that can be written to (`TokenReadOnly`, `TokenFull`). Either all of a change is done or nothing; where the
    token failed so that this cannot be, the error's message says what was left behind.
    """

    async def ask(self, call: Call) -> Any:
        """Do what `call` says and return what its method returns."""
        return await getattr(self, call.method)(*call.arguments)

    async def tokens(self) -> tuple[TokenInfo, ...]:
        """Every token of the module now, slots in the module's order, uninitialised ones included."""
        return await self.ask(Call("tokens", ()))

    async def token(self, token: TokenId) -> TokenInfo:
        """What this token says of itself now, without a look at the others. TokenNotPresent."""
        return await self.ask(Call("token", (token,)))

    async def slots_changed(self) -> bool | None:
        """Whether a token may have come or gone since the last call; None where the module cannot tell.

        A module that is at work, or not running, is left alone and answers False: what happened meanwhile is told the
        next time. The first answer of one that runs is not False.
        """
        return await self.ask(Call("slots_changed", ()))

    async def objects(self, token: TokenId, known: int = 0) -> TokenObjects | None:
        """The token's usable keys and certificates; None when nothing changed since version `known`.

        Objects seen before are not read again, unless `known` is REREAD.
        """
        return await self.ask(Call("objects", (token, known)))

    async def login(self, token: TokenId, pin: Pin | None) -> None:
        """C_Login as USER; `pin` None uses the pin pad. A token that is logged in already is a success."""
        await self.ask(Call("login", (token, pin)))

    async def logout(self, token: TokenId) -> None:
        """C_Logout; not being logged in is a success."""
        await self.ask(Call("logout", (token,)))

    async def sign(self, request: SignRequest) -> bytes:
        """See `SignRequest`."""
        return await self.ask(Call("sign", (request,)))

    async def decrypt(self, request: DecryptRequest) -> bytes:
        """See `DecryptRequest`."""
        return await self.ask(Call("decrypt", (request,)))

    async def random(self, token: TokenId, count: int) -> bytes:
        """C_GenerateRandom: `count` octets, no login needed; NotSupported without a generator."""
        return await self.ask(Call("random", (token, count)))

    async def algorithms(self, token: TokenId) -> tuple[str, ...]:
        """GnuPG's names of the keys that `generate` makes, as far as the token's mechanisms promise; none where it
        makes no keys or does not say. No login needed.
        """
        return await self.ask(Call("algorithms", (token,)))

    async def generate(self, request: GenerateRequest) -> PublicKey:
        """A key pair made on the token: sensitive, not extractable. It is in the next listing.

        KeyExists when the token has a key with this CKA_ID; UnsupportedAlgorithm says what the token can make;
        InvalidData for an empty CKA_ID.
        """
        return await self.ask(Call("generate", (request,)))

    async def import_key(self, request: ImportRequest) -> PublicKey:
        """A private key put on the token: sensitive, not extractable. It is in the next listing.

        KeyExists when the token has this key, or another one with this CKA_ID; UnsupportedAlgorithm or NotSupported
        when it takes no such key; InvalidData for an empty CKA_ID.
        """
        return await self.ask(Call("import_key", (request,)))

    async def destroy_key(self, key: KeyAddress) -> None:
        """The private and the public object of exactly this key; certificates stay. KeyNotFound without such a key.

        A public half that is left alone, as of a generation that failed, is such a key, too.
        """
        await self.ask(Call("destroy_key", (key,)))

    async def move_key(self, key: KeyAddress, cka_id: bytes) -> None:
        """Give both objects of exactly this key another CKA_ID, which other keys may have as well; certificates stay.

        KeyNotFound without such a key; NotSupported when the token changes no CKA_ID; InvalidData for an empty one.
        """
        await self.ask(Call("move_key", (key, cka_id)))

    async def write_certificate(self, token: TokenId, cka_id: bytes, label: str, der: bytes) -> None:
        """An X.509 certificate; those with this CKA_ID and the same public key are replaced.

        InvalidData when `der` is no certificate, or the CKA_ID is empty; NotSupported when the token keeps none.
        """
        await self.ask(Call("write_certificate", (token, cka_id, label, der)))

    async def delete_certificate(self, token: TokenId, cka_id: bytes) -> None:
        """All certificates with this CKA_ID; none there is a success. InvalidData for an empty CKA_ID."""
        await self.ask(Call("delete_certificate", (token, cka_id)))

    async def change_pin(self, token: TokenId, old: Pin | None, new: Pin | None) -> None:
        """C_SetPIN of the user's PIN; None for both uses the pin pad. A login stays as it is.

        PinLengthInvalid, before any try is spent, for either outside the token's limits; PinIncorrect and PinBlocked
        speak of `old`; PinUnsuitable of `new`.
        """
        await self.ask(Call("change_pin", (token, old, new)))

    async def reset_pin(self, token: TokenId, so_pin: Pin | None, new: Pin | None) -> None:
        """A new user PIN by the security officer's: C_InitPIN; None for both uses the pin pad.

        The user's login is ended. SoPinIncorrect, SoPinBlocked; PinLengthInvalid and PinUnsuitable speak of `new`, the
        former before any try is spent.
        """
        await self.ask(Call("reset_pin", (token, so_pin, new)))

    async def change_so_pin(self, token: TokenId, old: Pin | None, new: Pin | None) -> None:
        """A new PIN for the security officer: C_Login as SO, C_SetPIN, C_Logout; None for both uses the pin pad.

        The user's login is ended. SoPinIncorrect and SoPinBlocked speak of `old`; PinLengthInvalid and PinUnsuitable of
        `new`, whose limits only the token knows: those of `TokenInfo` are the user's.
        """
        await self.ask(Call("change_so_pin", (token, old, new)))

    async def check_so_pin(self, token: TokenId, so_pin: Pin | None) -> None:
        """C_Login as SO and C_Logout; None uses the pin pad. The user's login is ended.

        SoPinIncorrect, SoPinBlocked.
        """
        await self.ask(Call("check_so_pin", (token, so_pin)))

    async def read_data(self, token: TokenId) -> tuple[DataObject, ...]:
        """What `write_data` put there, one of each label, sorted by it; no login needed."""
        return await self.ask(Call("read_data", (token,)))

    async def write_data(self, token: TokenId, records: tuple[DataRecord, ...]) -> tuple[DataObject, ...]:
        """Create, replace or delete data objects that everybody can read, one record for each label; what is so already
        is left alone. Returns what is there afterwards, as `read_data`, after what was written was read again.

        NotSupported when the token keeps no data (NSS softoken 3.87).
        """
        return await self.ask(Call("write_data", (token, records)))

    async def close(self) -> None:
        """Let go of the module; nothing may be called afterwards."""


METHODS = frozenset(name for name in vars(TokenModule) if not name.startswith("_")) - {"ask", "close"}
"""The names that a `Call` may have."""
