"""What a token is and holds, as plain frozen data: no wire, no PKCS#11 library."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from scd.gcrypt.pubkey import PublicKey


@dataclass(frozen=True, slots=True)
class TokenId:
    """The four texts by which a token is known, with the padding blanks stripped.

    Slot numbers change; these four do not (PKCS#11 v3.1 §3.2, CK_TOKEN_INFO). Tokens of one module that agree in all
    four are told apart by `twin`: 0 for the one in the first slot, 1 for the next.
    """

    manufacturer: str
    model: str
    serial: str
    label: str
    twin: int = 0


class PinTries(Enum):
    """What CK_TOKEN_INFO's flags say of a PIN's remaining tries; PKCS#11 has no number."""

    FULL = "full"
    LOW = "low"
    FINAL = "final"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """One token as its slot shows it now.

    `pin_min` and `pin_max` are octets, both 0 when the token does not tell. `pin_tries` is of the user's PIN,
    `so_pin_tries` of the security officer's.
    """

    id: TokenId
    initialized: bool
    login_required: bool
    pin_initialized: bool
    pinpad: bool
    write_protected: bool
    pin_tries: PinTries
    pin_min: int
    pin_max: int
    logged_in: bool
    so_pin_tries: PinTries


@dataclass(frozen=True, slots=True)
class Certificate:
    """An X.509 certificate on a token, with what scd needs of its content.

    `public` is None when its key is of a kind scd does not serve. `subject` and `issuer` are in RFC 4514 form, empty
    when they cannot be read; `not_before` and `not_after` in seconds since the epoch, None when they cannot be told;
    `key_usage` holds asn1crypto's names of the bits (`digital_signature`, …), None without the extension.

    `is_personal`: a mail or login program takes it by what it says (True), does not (False: other purposes, an
    attestation, an issuer's), or it says nothing of that. `of_authority` is what the token says: an authority's (True),
    its user's (False), or nothing.
    """

    der: bytes
    cka_id: bytes
    label: str
    public: PublicKey | None
    subject: str
    not_before: int | None
    key_usage: tuple[str, ...] | None
    is_ca: bool
    issuer: str = ""
    not_after: int | None = None
    is_personal: bool | None = None
    of_authority: bool | None = None


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key, or what must be one although it hides until login, and its public half.

    `can_sign` and `can_decrypt` repeat the token's attributes (CKA_SIGN; CKA_DECRYPT or CKA_UNWRAP, and for ECDH
    CKA_DERIVE; or those of the public twin); None where the token does not say. `private_seen` is false as long as
    only the public key or the certificate could be read.
    """

    cka_id: bytes
    label: str
    public: PublicKey
    can_sign: bool | None
    can_decrypt: bool | None
    always_authenticate: bool
    private_seen: bool
    certificate: Certificate | None

    @property
    def keygrip(self) -> bytes:
        """libgcrypt's 20 octets."""
        return self.public.keygrip


@dataclass(frozen=True, slots=True)
class DataObject:
    """A little public text or number kept on a token for scd: a CKO_DATA object with CKA_APPLICATION "scd"."""

    label: str
    value: bytes


@dataclass(frozen=True, slots=True)
class DataRecord:
    """What a data object is to be: its value, or None for none with this label."""

    label: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Skipped:
    """An object that was left out, and why; `what` names it for a log line."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class TokenObjects:
    """All that is usable on one token.

    `certificates` are those that belong to no key of the token. `version` changes whenever the content does: who
    knows it may ask `objects(token, known=version)` and gets None for "nothing new".
    """

    keys: tuple[KeyPair, ...]
    certificates: tuple[Certificate, ...]
    skipped: tuple[Skipped, ...]
    version: int
