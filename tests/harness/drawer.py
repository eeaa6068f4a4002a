"""SoftHSM's tokens taken away and put back one by one: each is a folder, and lies in a drawer meanwhile."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.harness.tokens import Minted


class Drawer:
    """`tokens` must be a copy that belongs to the test. Tokens are named by label."""

    def __init__(self, tokens: Minted) -> None:
        self.tokens = tokens
        self._place = tokens.folder / "tokens"
        self._drawer = tokens.folder / "drawer"
        self._drawer.mkdir()
        self._folders: dict[str, str] = {}

    def take_away(self, label: str) -> None:
        """Out of the module's sight."""
        folder = self._folder(label)
        self._folders[label] = folder.name
        folder.rename(self._drawer / folder.name)

    def put_back(self, label: str) -> None:
        """Where it was."""
        name = self._folders.pop(label)
        (self._drawer / name).rename(self._place / name)

    def exchange(self, away: str, back: str) -> None:
        """One for the other."""
        self.take_away(away)
        self.put_back(back)

    def util(self, *words: str | Path) -> None:
        """softhsm2-util on these tokens."""
        subprocess.run(["softhsm2-util", *words], env=os.environ | self.tokens.env, check=True, capture_output=True)

    def _folder(self, label: str) -> Path:
        padded = label.encode().ljust(32)
        (found,) = (one for one in self._place.iterdir() if padded in (one / "token.object").read_bytes())
        return found
