"""A small file in the GnuPG home for what scd keeps about tokens that keep nothing themselves."""

from __future__ import annotations

from scd.token.errors import TokenError
from scd.token.model import TokenId

STATE_FILE = "scd-state.json"
"""The file's name in the GnuPG home."""


class StateFileError(TokenError):
    """The state file cannot be read or written; the message names it and what to do."""


class StateFile:
    """Values by token and label. `path` None keeps them in memory only."""

    def __init__(self, path: str | None) -> None:
        self.path = path

    def read(self, token: TokenId) -> dict[str, bytes]:
        """All values of the token by label; none without a file. Raises StateFileError."""
        raise NotImplementedError

    def write(self, token: TokenId, label: str, value: bytes | None) -> None:
        """Set one value, or delete it with None; what others have written stays. Raises StateFileError."""
        raise NotImplementedError
