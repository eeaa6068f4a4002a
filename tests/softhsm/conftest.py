from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.harness.tokens import Minted
from tests.softhsm.loaded import Loaded, loaded


@pytest.fixture
def load() -> Iterator[Callable[[Minted], Loaded]]:
    """A loader of SoftHSM with given tokens into this process, one at a time; nobody is logged in."""
    with ExitStack() as stack:
        yield lambda tokens: stack.enter_context(loaded(tokens))


@pytest.fixture(scope="module")
def everything(minted: Minted) -> Iterator[Loaded]:
    """The standard tokens, logged in to all of them, for tests that change nothing."""
    with loaded(minted) as made:
        for label in minted.tokens:
            made.login(label)
        yield made
