"""What is not loaded before the first answer, seen in a fresh interpreter: each of these costs milliseconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOADED = "{name.split('.')[0] for name in sys.modules}"


def printed(code: str) -> str:
    """What it prints, in an interpreter that coverage does not make import a lot."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=bare, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True
    )
    return run.stdout.decode().strip()


def test_a_worker_starts_without_the_libraries() -> None:
    heavy = {"pkcs11", "asn1crypto", "cryptography", "asyncio", "socket", "tomllib"}
    code = f"import sys, scd.cryptoki.worker.child, scd.cryptoki.module; print(sorted({heavy} & {LOADED}))"
    assert printed(code) == "[]"


def test_what_the_first_listing_needs_is_loaded_while_the_worker_waits() -> None:
    code = f"import sys; from scd.cryptoki.worker.child import prepare; prepare(); print('asn1crypto' in {LOADED})"
    assert printed(code) == "True"


def test_the_daemon_runs_without_the_libraries() -> None:
    heavy = {"pkcs11", "asn1crypto", "cryptography", "ssl", "_ssl", "click", "datetime", "sqlite3"}
    code = (
        "import sys; from scd.daemon.serving import import_asyncio; import_asyncio();"
        f"import scd.daemon.app; print(sorted({heavy} & {LOADED}))"
    )
    assert printed(code) == "[]"


def test_whoever_wants_tls_afterwards_finds_it() -> None:
    code = (
        "from scd.daemon.serving import import_asyncio; import_asyncio(); import_asyncio();"
        "import asyncio, ssl; print(asyncio.run(asyncio.sleep(0, ssl.create_default_context().check_hostname)))"
    )
    assert printed(code) == "True"


def test_the_collector_of_garbage_is_back_when_the_daemon_runs(tmp_path: Path) -> None:
    """It is off while a thousand modules' worth of classes are made, and leaves those alone afterwards."""
    (tmp_path / "scd.conf").write_text(f"providers none\nprovider-none-library {tmp_path}/none.so\n")
    code = (
        "import atexit, gc, sys; from pathlib import Path; from scd.__main__ import main;"
        f"said = lambda: Path({str(tmp_path / 'said')!r}).write_text(f'{{gc.isenabled()}} {{gc.get_freeze_count()}}');"
        "atexit.register(said);"
        f"sys.argv = ['scd', '--server', '--homedir', {str(tmp_path)!r}]; main()"
    )
    assert printed(code).startswith("OK")
    enabled, frozen = (tmp_path / "said").read_text().split()
    assert enabled == "True"
    assert int(frozen) > 10_000
