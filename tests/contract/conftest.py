from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.subject import NAMES, Subject, subject
from tests.harness.tokens import Minted


@pytest.fixture(params=NAMES)
def own(request: pytest.FixtureRequest, own_tokens: Minted) -> Iterator[Subject]:
    """An implementation for one test, nobody logged in, tokens that may be changed."""
    with subject(request.param, own_tokens) as made:
        yield made


@pytest.fixture(scope="module", params=NAMES)
def shared(request: pytest.FixtureRequest, minted: Minted) -> Iterator[Subject]:
    """An implementation for the tests of one file, logged in to `work`, `backup` and `awkward`."""
    with subject(request.param, minted) as made:
        for label in ("work", "backup", "awkward"):
            made.login(label)
        yield made
