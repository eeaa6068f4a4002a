"""Tokens and homes for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted, mint

TokensOf = Callable[..., Minted]
MakeHome = Callable[..., GnupgHome]


@pytest.fixture(scope="session")
def tokens_of(tmp_path_factory: pytest.TempPathFactory) -> TokensOf:
    """A maker of token folders by token names, each combination minted once; not to be written to."""
    made: dict[tuple[str, ...], Minted] = {}

    def give(*names: str) -> Minted:
        if names not in made:
            made[names] = mint(tmp_path_factory.mktemp("tokens") / "softhsm", names)
        return made[names]

    return give


@pytest.fixture
def work(tokens_of: TokensOf) -> Minted:
    """One token only, the ordinary one."""
    return tokens_of("work")


@pytest.fixture
def home(gnupg_home: MakeHome, work: Minted) -> GnupgHome:
    """A home with the token `work` and a person who knows its PIN."""
    made: GnupgHome = gnupg_home(work)
    made.pinentry.always(work.tokens["work"].pin)
    return made


@pytest.fixture
def own_card(tokens_of: TokensOf, tmp_path: Path) -> TokensOf:
    """A maker of token folders as `tokens_of`, each a copy of the test's own: to be written to."""
    return lambda *names: tokens_of(*names).copy(tmp_path / f"softhsm-{'-'.join(names)}")


@pytest.fixture
def blank(own_card: TokensOf) -> Minted:
    """A token with nothing on it, to be written to."""
    return own_card("empty")


@pytest.fixture
def new_home(gnupg_home: MakeHome, blank: Minted) -> GnupgHome:
    """A home with the token `empty` and a person who knows its PIN."""
    made: GnupgHome = gnupg_home(blank)
    made.pinentry.always(blank.tokens["empty"].pin)
    return made
