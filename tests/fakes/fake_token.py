"""One token of the fake module: its keys, its PIN and what a test may do to it behind the daemon's back."""

from __future__ import annotations

from dataclasses import dataclass, field

from scd.token.model import Certificate, KeyPair, PinTries, Skipped, TokenId, TokenInfo
from tests.fakes.keys import PrivateKey, certificate, private_key, public_of

TRIES = 5


@dataclass(slots=True)
class FakeKey:
    """A private key on a fake token. `hidden`: invisible, public half included, until login."""

    private: PrivateKey
    cka_id: bytes
    label: str
    certificate: Certificate | None = None
    can_sign: bool | None = True
    can_decrypt: bool | None = True
    always_authenticate: bool = False
    hidden: bool = False

    @property
    def keygrip(self) -> bytes:
        """libgcrypt's 20 octets."""
        return public_of(self.private).keygrip

    def shown(self, logged_in: bool) -> KeyPair:
        """The key as `objects()` lists it."""
        return KeyPair(
            cka_id=self.cka_id,
            label=self.label,
            public=public_of(self.private),
            can_sign=self.can_sign,
            can_decrypt=self.can_decrypt,
            always_authenticate=self.always_authenticate,
            private_seen=logged_in,
            certificate=self.certificate,
        )


@dataclass(slots=True)
class FakeToken:
    """A token. Tests change its fields at will, `logged_in = False` to lose a login for one.

    `at_the_pinpad`: what the person types there, as the new PIN, too; None means cancel. `unsuitable`: what it does not
    take for a new PIN. `algorithms`: what it makes keys of, None for all.
    """

    label: str
    pin: bytes = b""
    serial: str = "0001"
    keys: list[FakeKey] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    present: bool = True
    initialized: bool = True
    login_required: bool = True
    pinpad: bool = False
    write_protected: bool = False
    pin_min: int = 4
    pin_max: int = 255
    tries_left: int = TRIES
    logged_in: bool = False
    at_the_pinpad: bytes | None = None
    so_pin: bytes = b""
    so_tries_left: int = TRIES
    officer_at_the_pinpad: bytes | None = None
    unsuitable: tuple[bytes, ...] = ()
    algorithms: tuple[str, ...] | None = None
    has_random: bool = True
    full: bool = False
    data: dict[str, bytes] = field(default_factory=dict)
    twin: int = 0

    @property
    def id(self) -> TokenId:
        """The four texts, and the number among tokens that share them."""
        return TokenId("scd tests", "fake", self.serial, self.label, self.twin)

    @property
    def tries(self) -> PinTries:
        """The flags of CK_TOKEN_INFO."""
        return _tries(self.tries_left)

    @property
    def info(self) -> TokenInfo:
        """The token as `tokens()` lists it."""
        return TokenInfo(
            id=self.id,
            initialized=self.initialized,
            login_required=self.login_required,
            pin_initialized=bool(self.pin),
            pinpad=self.pinpad,
            write_protected=self.write_protected,
            pin_tries=self.tries,
            pin_min=self.pin_min,
            pin_max=self.pin_max,
            logged_in=self.logged_in,
            so_pin_tries=_tries(self.so_tries_left),
        )

    def remove(self) -> None:
        """The person takes the token out: the login is gone, too."""
        self.present = self.logged_in = False

    def insert(self) -> None:
        """The person puts it in again."""
        self.present = True


def _tries(left: int) -> PinTries:
    if left <= 0:
        return PinTries.LOCKED
    if left == 1:
        return PinTries.FINAL
    return PinTries.FULL if left == TRIES else PinTries.LOW


def fixture_key(name: str, cka_id_hex: str, *, label: str = "", has_certificate: bool = False) -> FakeKey:
    """The key `name` of softhsm-fixtures/keys, with its certificate if wanted."""
    cka_id = bytes.fromhex(cka_id_hex)
    label = label or name.partition("-")[2]
    return FakeKey(private_key(name), cka_id, label, certificate(name, cka_id, label) if has_certificate else None)


def work_token(serial: str = "0001") -> FakeToken:
    """The twin of token `work` in softhsm-fixtures/tokens.toml: same keys, CKA_IDs, labels, PIN and grips."""
    keys = [
        fixture_key("work-rsa2048", "01", has_certificate=True),
        fixture_key("work-p256", "02", has_certificate=True),
        fixture_key("work-p384", "03", has_certificate=True),
        fixture_key("work-ed25519", "04", has_certificate=True),
        fixture_key("work-rsa2048-bare", "05"),
        fixture_key("work-p256-ecdh", "06"),
        fixture_key("work-ed25519-bare", "07"),
    ]
    for key in keys:
        key.can_sign = key.label != "p256-ecdh"
        key.can_decrypt = key.label in ("rsa2048", "rsa2048-bare", "p384", "p256-ecdh")
    ca = certificate("ca", b"\x08", "ca")
    return FakeToken("work", b"work-pin-271828", serial, keys, [ca], so_pin=b"work-so-pin-314159")


def always_token(serial: str = "0002") -> FakeToken:
    """The twin of token `always`: a PIN for each use."""
    keys = [fixture_key("always-rsa2048", "01", has_certificate=True), fixture_key("always-p256", "02")]
    for key in keys:
        key.always_authenticate = True
    return FakeToken("always", b"always-pin-141421", serial, keys)


def x25519_token(serial: str = "0003") -> FakeToken:
    """A token with an X25519 key, which SoftHSM 2.6.1 cannot derive with."""
    key = FakeKey(private_key("x25519"), b"\x09", "x25519", can_sign=False)
    return FakeToken("montgomery", b"montgomery-pin-161803", serial, [key])


_BACKUP = {
    "backup-p521": ("02", "p521"),
    "backup-bp256": ("03", "brainpoolP256r1"),
    "backup-bp384": ("04", "brainpoolP384r1"),
    "backup-bp512": ("05", "brainpoolP512r1"),
    "backup-secp256k1": ("06", "secp256k1"),
    "backup-rsa3072": ("07", "rsa3072"),
    "backup-rsa1024": ("08", "rsa1024"),
    "backup-rsa4096": ("09", "rsa4096"),
    "backup-ed448": ("0A", "ed448"),
}


def backup_token(serial: str = "0004") -> FakeToken:
    """The twin of token `backup`: the rarer algorithms."""
    keys = [fixture_key("backup-rsa2048", "01", has_certificate=True)]
    keys += [fixture_key(name, cka_id, label=label) for name, (cka_id, label) in _BACKUP.items()]
    for key in keys:
        key.can_decrypt = key.label != "ed448"
    return FakeToken("backup", b"backup-pin-161803", serial, keys)


def awkward_token(serial: str = "0005") -> FakeToken:
    """Like token `awkward`: most of it is skipped, the good key is there."""
    good = fixture_key("awkward-good", "1F", has_certificate=True)
    skipped = [Skipped('key "dsa"', "CKK_DSA is not supported"), Skipped('key "unknown-curve"', "unknown curve")]
    return FakeToken("awkward", b"awkward-pin-577215", serial, [good], skipped=skipped)


def empty_token(serial: str = "0006") -> FakeToken:
    """The twin of token `empty`: initialised, with a PIN, and nothing on it."""
    return FakeToken("empty", b"empty-pin-662607", serial, so_pin=b"empty-so-pin-314159")


def blank_token() -> FakeToken:
    """A slot whose token was never initialised, as SoftHSM always shows one."""
    return FakeToken("", serial="", initialized=False)
