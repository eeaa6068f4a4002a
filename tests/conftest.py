"""Fixtures that every suite may use. What they hand out is documented in tests/harness/."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.harness.gnupg import GnupgHome, scd_config
from tests.harness.tokens import Minted, mint

hypothesis.settings.register_profile("scd", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("scd")

HOMES = pytest.StashKey[list[GnupgHome]]()


@pytest.fixture(scope="session")
def minted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minted]:
    """The standard tokens, minted once per test process; not to be written to.

    SOFTHSM2_CONF names them as long as the session lasts: a module loaded into this process reads it once.
    """
    tokens = mint(tmp_path_factory.mktemp("minted") / "softhsm")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(tokens.config)
    yield tokens
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def own_tokens(minted: Minted, tmp_path: Path) -> Minted:
    """A copy of the standard tokens for a test that changes them; for other processes than this one only."""
    return minted.copy(tmp_path / "softhsm")


@pytest.fixture
def new_tokens(tmp_path: Path) -> Callable[..., Minted]:
    """Mints the named tokens alone, for other processes than this one: `new_tokens("work", "clone")`."""
    return lambda *names: mint(tmp_path / f"softhsm-{'-'.join(names)}", names)


@pytest.fixture
def gnupg_home(request: pytest.FixtureRequest, minted: Minted) -> Iterator[Callable[..., GnupgHome]]:
    """A maker of GnuPG homes, arguments as for GnupgHome; without any: our scd, the standard tokens, a log.

    All of them are closed at the end of the test, and their logs shown if it failed.
    """
    homes = request.node.stash.setdefault(HOMES, [])

    def make(tokens: Minted = minted, **options: object) -> GnupgHome:
        home = GnupgHome(tokens, **options)  # type: ignore[arg-type]  # handed through
        homes.append(home)
        if "config" not in options:
            home.write("scd.conf", scd_config(tokens, home.daemon_log))
        return home

    yield make
    errors = []
    for home in homes:
        try:
            home.close()
        except AssertionError as error:
            errors.append(str(error))
    assert not errors, "; ".join(errors)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of the test's GnuPG homes to the report of a failure; make every report fit for pytest-xdist.

    xdist cannot carry a captured text with lone surrogates, such as the log of an argument that is no UTF-8.
    """
    report = yield
    if report.when == "call" and report.failed:
        for home in item.stash.get(HOMES, []):
            report.sections += home.logs().items()
    report.sections[:] = [(title, text.encode(errors="replace").decode()) for title, text in report.sections]
    return report
