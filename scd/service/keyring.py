"""Which of the user's OpenPGP keys is a token's key: looked up in the public keyring, which is only read."""

from __future__ import annotations

from dataclasses import dataclass

from scd.gcrypt.pubkey import PublicKey


@dataclass(frozen=True, slots=True)
class Attached:
    """A key of the user's keyring, version 4. `created`: seconds since the epoch; `fingerprint`: 20 octets;
    `encryption`: it is an ECDH key (RSA keys do not tell)."""

    created: int
    fingerprint: bytes
    encryption: bool


class Keyring:
    """The public keyrings in the GnuPG home `home`; None for no home: nothing is attached."""

    def __init__(self, home: str | None) -> None:
        self._home = home

    def attached(self, public: PublicKey, *, encryption: bool | None = None) -> Attached | None:
        """The key that has this public key, None when the keyrings have none or cannot be read."""
        raise NotImplementedError
