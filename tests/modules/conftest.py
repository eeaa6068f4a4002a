"""The beds as fixtures. These tests run by `make test-modules` only, or when the folder is named to pytest."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.assuan_client import RunningScd, run_scd
from tests.harness.gnupg import GnupgHome
from tests.modules.beds import nss, opencryptoki, opensc, p11kit, softhsm, tpm2
from tests.modules.beds.bed import Bed, OpenBed, Unavailable
from tests.modules.beds.manager import Beds
from tests.modules.daemon import TokenDaemon
from tests.modules.port import Port, open_port

HERE = Path(__file__).parent
BEDS: dict[str, OpenBed] = {
    "softhsm2": softhsm.open_bed,
    "nss": nss.open_bed,
    "p11-kit-client": p11kit.open_bed,
    "opensc": opensc.open_bed,
    "tpm2-pkcs11": tpm2.open_bed,
    "opencryptoki": opencryptoki.open_bed,
}
REMOVABLE = ("softhsm2", "p11-kit-client", "opensc")
"""Those with a `Bed.presence`."""


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Left out of `make test`: the modules are many, and most need packages and namespaces of their own."""
    asked = [Path(config.invocation_params.dir, word.partition("::")[0]) for word in config.args]
    return None if any(one == HERE or HERE in one.parents for one in asked) else True


@pytest.fixture(scope="session")
def beds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beds]:
    """Who makes and ends the beds."""
    made = Beds(BEDS, tmp_path_factory.mktemp("beds"))
    yield made
    made.close()


@pytest.fixture(scope="session", params=BEDS)
def bed_name(request: pytest.FixtureRequest) -> str:
    """One module after the other; of session scope, so that the tests of each stand together."""
    name: str = request.param
    return name


@pytest.fixture
def bed(bed_name: str, beds: Beds) -> Bed:
    """The module's bed, shared by many tests; a test that changes the token takes `own_bed`."""
    try:
        return beds.shared(bed_name)
    except Unavailable as reason:
        pytest.skip(f"{bed_name}: {reason}")


@pytest.fixture
def own_bed(bed_name: str, beds: Beds) -> Iterator[Bed]:
    """A bed for one test alone, which may change the token."""
    with ExitStack() as stack:
        try:
            made = stack.enter_context(beds.own(bed_name))
        except Unavailable as reason:
            pytest.skip(f"{bed_name}: {reason}")
        yield made


@pytest.fixture(scope="module")
def written_bed(bed_name: str, beds: Beds) -> Iterator[Bed]:
    """A bed for the tests of one file that write to the token; each leaves it as it was."""
    with ExitStack() as stack:
        try:
            made = stack.enter_context(beds.own(bed_name))
        except Unavailable as reason:
            pytest.skip(f"{bed_name}: {reason}")
        yield made


@pytest.fixture
def load(written_bed: Bed, tmp_path: Path) -> Iterator[Callable[[], Port]]:
    """A starter of workers on that bed, nobody logged in."""
    with ExitStack() as stack:
        count = itertools.count(1)
        yield lambda: stack.enter_context(open_port(written_bed, tmp_path / f"port{next(count)}"))


@pytest.fixture
def port(load: Callable[[], Port]) -> Port:
    """One worker on that bed, the user logged in."""
    made = load()
    made.login()
    return made


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Bed], TokenDaemon]]:
    """A starter of daemons in --multi-server mode, each with a home of its own that names the bed's module only."""
    with ExitStack() as stack:
        count = 0

        def run(bed: Bed) -> TokenDaemon:
            nonlocal count
            count += 1
            home = tmp_path / f"home{count}"
            home.mkdir(mode=0o700)
            (home / "scd.conf").write_text(bed.config(home / "scd.log"), encoding="utf-8")
            arguments = ["--multi-server", "--homedir", str(home)]
            running: RunningScd = stack.enter_context(
                run_scd(arguments, bed.env, stderr=tmp_path / f"stderr{count}", timeout_s=60)
            )
            return TokenDaemon(running, bed, home / "scd.log")

        yield run


@pytest.fixture
def daemon(start: Callable[[Bed], TokenDaemon], bed: Bed) -> TokenDaemon:
    """A fresh daemon on the module: nobody is logged in."""
    return start(bed)


@pytest.fixture
def home(gnupg_home: Callable[..., GnupgHome], bed: Bed) -> GnupgHome:
    """A GnuPG home on the module, and a person who knows the PIN."""
    made = gnupg_home(None, config="")
    made.env.update(bed.env)
    made.write("scd.conf", bed.config(made.daemon_log))
    made.pinentry.always(bed.pin)
    return made
