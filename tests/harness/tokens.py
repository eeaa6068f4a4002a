"""The minting function of softhsm-fixtures/, which is no package, under a name that can be imported."""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "softhsm-fixtures"))

from mint import (  # noqa: E402  (the path is known only now)
    ON_DEMAND,
    STANDARD,
    Minted,
    MintedObject,
    MintedToken,
    MintError,
    load,
    mint,
    softhsm_library,
)

__all__ = [
    "ON_DEMAND",
    "REPOSITORY",
    "STANDARD",
    "MintError",
    "Minted",
    "MintedObject",
    "MintedToken",
    "load",
    "mint",
    "softhsm_library",
]
