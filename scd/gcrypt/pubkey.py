"""Public keys in the forms libgcrypt and GnuPG know. (Skeleton; the gcrypt floor fills it.)"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class RsaPublicKey:
    """`n` and `e`: unsigned big endian, no leading zero octets."""

    n: bytes
    e: bytes

    @property
    def bits(self) -> int:
        return int.from_bytes(self.n, "big").bit_length()

    @cached_property
    def keygrip(self) -> bytes: ...

    def sexp(self) -> bytes:
        """Canonical (public-key …) as READKEY sends it."""

    @property
    def algorithm(self) -> str:
        """GnuPG's short name: rsa2048."""


@dataclass(frozen=True)
class EccPublicKey:
    """`curve`: libgcrypt's name (a key of curves.CURVES); `q`: 04‖X‖Y for Weierstrass curves, bare octets for the others."""

    curve: str
    q: bytes

    @cached_property
    def keygrip(self) -> bytes: ...

    def sexp(self) -> bytes: ...

    @property
    def algorithm(self) -> str:
        """nistp256, ed25519, cv25519, …"""


PublicKey = RsaPublicKey | EccPublicKey
