"""What an elliptic curve is to libgcrypt and GnuPG. The table of them is in `curves`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Family(Enum):
    """The form of the curve's equation, which also decides how a public key is encoded."""

    WEIERSTRASS = "weierstrass"
    EDWARDS = "edwards"
    MONTGOMERY = "montgomery"


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve.

    `name` is libgcrypt's, `algorithm` GnuPG's short name; `oid` is the one to write, `other_oids` are also
    read, and so are the PrintableString names in `aliases` (lower case; compared without regard to case).
    `bits`: of the field, as GnuPG counts. `field_bytes`: one coordinate. `q_bytes`: a public key, 04‖X‖Y or
    the bare octets without a 40 in front. p, a, b, g, n: see `curvedata`.
    """

    name: str
    algorithm: str
    oid: str
    other_oids: tuple[str, ...]
    aliases: tuple[str, ...]
    bits: int
    family: Family
    field_bytes: int
    q_bytes: int
    p: bytes
    a: bytes
    b: bytes
    g: bytes
    n: bytes
