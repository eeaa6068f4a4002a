"""Stages for the tests of the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.tokens import Minted, mint
from tests.modes.stage import Stage, reaping_orphans, softhsm

MakeStage = Callable[..., Stage]


@pytest.fixture
def make_stage() -> Iterator[MakeStage]:
    """A maker of stages; each is seen empty at the end of the test."""
    with reaping_orphans(), ExitStack() as stack:

        def make(config: str | None = None) -> Stage:
            stage = Stage() if config is None else Stage(config)
            stack.callback(stage.close)
            return stage

        yield make


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    """A stage without a working module."""
    return make_stage()


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Minted:
    """One token only; not to be written to."""
    return mint(tmp_path_factory.mktemp("modes") / "softhsm", ("work",))


@pytest.fixture
def own_work(work: Minted, tmp_path: Path) -> Minted:
    """A copy, for a test that meddles with it."""
    return work.copy(tmp_path / "softhsm")


@pytest.fixture
def token_stage(make_stage: MakeStage, work: Minted) -> Stage:
    """A stage with the token `work`."""
    made = make_stage(softhsm(work))
    made.env |= work.env
    return made


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Another place for sockets."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder
