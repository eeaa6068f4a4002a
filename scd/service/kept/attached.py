"""When a key was made, and the fingerprint of the OpenPGP key it belongs to: constant once known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scd.gcrypt.fingerprint import fingerprint
from scd.gcrypt.pubkey import PublicKey
from scd.service.finding.catalogue import Card, CardKey
from scd.service.kept.keyring import Keyring
from scd.service.kept.labels import key_label

_UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class Attachment:
    """`created`: seconds since the epoch, never 0; `fingerprint`: 20 octets, of a version 5 key 32;
    None where there is none.
    """

    created: int
    fingerprint: bytes | None

    def encoded(self) -> bytes:
        """The value of a key's record."""
        return f"{self.created} {self.fingerprint.hex().upper() if self.fingerprint else _UNKNOWN}".encode()


def decoded(value: bytes | None) -> Attachment | None:
    """What `encoded` made; None for nothing and for what is no such record."""
    created, _, written = (value or b"").decode("ascii", "replace").partition(" ")
    try:
        found = None if written == _UNKNOWN else bytes.fromhex(written)
        return Attachment(int(created), found or None) if int(created) > 0 else None
    except ValueError:
        return None


def made(public: PublicKey, created: int, *, encryption: bool) -> Attachment:
    """What a key made at this time will be in OpenPGP; without a fingerprint where a packet has no room for it."""
    try:
        return Attachment(created, fingerprint(public, created, encryption=encryption))
    except ValueError:
        return Attachment(created, None)


class Attachments:
    """`recorded`: a card's metadata as known now."""

    def __init__(self, recorded: Callable[[Card], Mapping[str, bytes]], keyring: Keyring) -> None:
        self._recorded = recorded
        self._keyring = keyring

    def recorded(self, key: CardKey) -> Attachment | None:
        """What was written down when the key was made, imported or attached."""
        return decoded(self._recorded(key.card).get(key_label(key.pair.keygrip)))

    def of(self, key: CardKey, *, encryption: bool | None = None) -> Attachment | None:
        """The OpenPGP key it is attached to: the user's keyring knows best.

        `encryption`: which one is meant where a curve's key is used for both.
        """
        return self.in_keyring(key, encryption=encryption) or self.recorded(key)

    def in_keyring(self, key: CardKey, *, encryption: bool | None = None) -> Attachment | None:
        """The OpenPGP key that the user's keyring has it in."""
        found = self._keyring.attached(key.pair.public, encryption=encryption)
        return Attachment(found.created, found.fingerprint) if found else None

    def since(self, key: CardKey, *, encryption: bool | None = None) -> int | None:
        """When the key was made: that of the attached OpenPGP key, else as `created`."""
        known = self.of(key, encryption=encryption)
        return known.created if known else self.created(key)

    def created(self, key: CardKey) -> int | None:
        """As recorded, else the certificate's notBefore."""
        recorded = self.recorded(key)
        if recorded is not None:
            return recorded.created
        certificate = key.pair.certificate
        return certificate.not_before if certificate and (certificate.not_before or 0) > 0 else None
