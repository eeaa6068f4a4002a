"""Public keys in the forms libgcrypt and GnuPG know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from scd.gcrypt import sexp
from scd.gcrypt.curves import CURVES, Curve, Family
from scd.gcrypt.keygrip import ecc_keygrip, rsa_keygrip
from scd.gcrypt.mpi import signed, unsigned

F4 = b"\1\0\1"
"""65537, the public exponent of nearly every RSA key."""

# The 40 in front of 25519 keys and the flag that announces it belong together: without the flag libgcrypt
# hashes all 33 octets, without the 40 gpg writes broken OpenPGP keys.
_PREFIXED = {"Ed25519": b"eddsa", "Curve25519": b"djb-tweak"}


@dataclass(frozen=True)
class RsaPublicKey:
    """`n` and `e`: unsigned big endian; leading zero octets are taken off.

    Raises ValueError when one of them is zero.
    """

    n: bytes
    e: bytes

    def __post_init__(self) -> None:
        for name in ("n", "e"):
            number = unsigned(getattr(self, name))
            if not number:
                raise ValueError(f"RSA key with {name} = 0")
            object.__setattr__(self, name, number)

    @property
    def bits(self) -> int:
        """Length of the modulus."""
        return int.from_bytes(self.n, "big").bit_length()

    @property
    def algorithm(self) -> str:
        """GnuPG's short name: rsa2048."""
        return f"rsa{self.bits}"

    @cached_property
    def keygrip(self) -> bytes:
        """libgcrypt's 20 octets."""
        return rsa_keygrip(self.n)

    def sexp(self) -> bytes:
        """Canonical (public-key (rsa (n …) (e …))) as READKEY sends it, both numbers signed."""
        return sexp.build((b"public-key", (b"rsa", (b"n", signed(self.n)), (b"e", signed(self.e)))))


@dataclass(frozen=True)
class EccPublicKey:
    """`curve`: libgcrypt's name, a key of curves.CURVES; `q`: 04‖X‖Y or, not Weierstrass, the bare octets.

    Raises ValueError for an unknown curve and for a `q` of another length or first octet. Whether the point
    is on the curve is asked where points come in, in `curves.ec_point`.
    """

    curve: str
    q: bytes

    def __post_init__(self) -> None:
        if self.curve not in CURVES:
            raise ValueError(f"unknown curve '{self.curve}'")
        info = self.curve_info
        if len(self.q) != info.q_bytes:
            raise ValueError(f"a key on {self.curve} has {info.q_bytes} octets, not {len(self.q)}")
        if info.family is Family.WEIERSTRASS and self.q[0] != 0x04:
            raise ValueError(f"a key on {self.curve} begins with 04, not {self.q[0]:02x}")

    @property
    def curve_info(self) -> Curve:
        """All about the curve."""
        return CURVES[self.curve]

    @property
    def bits(self) -> int:
        """Length of the field as GnuPG counts: 255 for the 25519 curves."""
        return self.curve_info.bits

    @property
    def algorithm(self) -> str:
        """GnuPG's short name: nistp256, ed25519, cv25519, …"""
        return self.curve_info.algorithm

    @cached_property
    def keygrip(self) -> bytes:
        """libgcrypt's 20 octets."""
        return ecc_keygrip(self.curve_info, self.q)

    def sexp(self) -> bytes:
        """Canonical (public-key (ecc (curve …) (flags …) (q …))) as READKEY sends it."""
        flag = self._flag()
        flags = ((b"flags", flag),) if flag else ()
        point = b"\x40" + self.q if self.curve in _PREFIXED else self.q
        return sexp.build((b"public-key", (b"ecc", (b"curve", self.curve.encode()), *flags, (b"q", point))))

    def _flag(self) -> bytes | None:
        """The flag of the S-expression.

        Ed448 has none, as gpg itself writes it, but for keys that begin with 02 or 03: libgcrypt (1.10.1)
        takes those for compressed points without `eddsa` and refuses to compute a keygrip. It is not always
        given, because with it libgcrypt takes a 40 off keys that begin with one, and hashes the rest.
        """
        if self.curve == "Ed448" and self.q[0] in (0x02, 0x03):
            return b"eddsa"
        return _PREFIXED.get(self.curve)


PublicKey = RsaPublicKey | EccPublicKey
