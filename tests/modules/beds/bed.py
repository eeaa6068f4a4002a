"""What every test bed hands out: where the module is, how to reach it, which keys it holds and what it can do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class Can(Enum):
    """What differs between modules and cannot be seen from the keys. What a bed cannot do it must refuse clearly."""

    ASK_PIN = "ask for a PIN"
    COUNT_TRIES = "tell that a wrong PIN was entered"
    GENERATE = "generate keys"
    IMPORT = "import private keys"
    CURVES = "make keys on elliptic curves, and import them if any"
    KEEP_DATA = "store data that are read without login"
    RANDOM = "make random numbers"
    WRITE_CERTIFICATE = "store certificates"
    CHANGE_PIN = "change the PIN"
    RESET_PIN = "set the PIN anew with the SO PIN"
    DELETE = "delete keys"


class Unavailable(Exception):
    """The bed cannot be made here; the message is the reason a test is skipped with."""


class Broken(AssertionError):
    """The bed can be made here but was not: a program failed. An error, not a skip."""


@dataclass(frozen=True)
class BedKey:
    """One key on the token; `certificate` is DER, None for a key without; `asks` says whether it needs the PIN:
    `once` a session, at `each` use, or `never`.
    """

    name: str
    public: PublicKey
    certificate: bytes | None = None
    cka_id: bytes = b""
    signs: bool = True
    decrypts: bool = True
    asks: str = "once"


@dataclass(frozen=True)
class Presence:
    """Taking the token away and putting it back, as seen by the module; each returns when it is done."""

    take_away: Callable[[], None]
    put_back: Callable[[], None]


@dataclass(frozen=True)
class Bed:
    """A module that runs. `env` is what its process needs, `options` further lines for scd.conf.

    `version` says which module was tried, for the README's table. `wrong_pin` is one the token refuses, of a length
    it takes. `so_pin` is empty where there is none.
    """

    name: str
    module: Path
    version: str
    label: str
    pin: str
    wrong_pin: str
    keys: Mapping[str, BedKey]
    so_pin: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    can: frozenset[Can] = frozenset({Can.ASK_PIN})
    presence: Presence | None = None
    tries_left: Callable[[], int] | None = None

    def config(self, log: Path | None = None) -> str:
        """The text of a scd.conf that names this module only."""
        lines = [f"log-file {log}"] if log else []
        lines += ["verbose", f"providers {self.name}", f"provider-{self.name}-library {self.module}", *self.options]
        return "\n".join([*lines, ""])


def without_ecdh(keys: Mapping[str, BedKey]) -> dict[str, BedKey]:
    """The keys on a token whose elliptic ones sign only."""
    return {name: replace(key, decrypts=isinstance(key.public, rsa.RSAPublicKey)) for name, key in keys.items()}


OpenBed = Callable[[Path], AbstractContextManager[Bed]]
"""Makes a bed in an empty folder; leaving it ends every process it started. Raises Unavailable or Broken at entry."""


def library(*candidates: str) -> Path:
    """The first of these paths that exists, `*` standing for Debian's multiarch folder. Raises Unavailable."""
    for candidate in candidates:
        parent, _, rest = candidate.partition("/*/")
        found = sorted(Path(parent).glob(f"*/{rest}")) if rest else [Path(candidate)]
        for path in found:
            if path.exists():
                return path
    raise Unavailable(f"{Path(candidates[0]).name} is not installed")


def isolated(why: str) -> None:
    """Raises Unavailable outside of the namespaces that scripts/modules/run makes."""
    if not os.environ.get("SCD_MODULES_ISOLATED"):
        raise Unavailable(f"{why}: only in namespaces of its own, by `make test-modules`")
