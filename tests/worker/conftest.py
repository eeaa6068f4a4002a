"""What the tests of workers share."""

from __future__ import annotations

import pytest

from tests.worker.pools import Pool


@pytest.fixture
def pool() -> Pool:
    """Three workers as one module."""
    return Pool()
