""" "No such device" meant four different things, and neither the log nor the answer said which.

No module at all; a module that is missing, is none, or does not start; no token; a token that is not initialised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from scd.composition.build import without_modules
from scd.config import Settings
from scd.cryptoki.profile import find_library, load_profiles
from scd.service.finding.absence import Absence
from scd.service.finding.registry import Registry
from tests.harness.assuan_client import AssuanClient, run_scd
from tests.harness.tokens import softhsm_library
from tests.regress.tokens import PlainTokens

NO_SUCH_DEVICE = 32848
PYTHONS = re.compile(r"\[Errno|<[a-z_.]+ object|\bError\(|\bb'|\('")


@contextmanager
def scd(home: Path, config: str, env: Mapping[str, str]) -> Iterator[AssuanClient]:
    """scd with this configuration and the log at its default level."""
    (home / "scd.conf").write_text(f"log-file {home}/scd.log\n{config}", encoding="utf-8")
    variables = {"GNUPGHOME": str(home), "HOME": str(home), "TMPDIR": "/tmp"} | dict(env)
    with run_scd(["--multi-server"], variables, stderr=home / "stderr") as running:
        yield running.client


def said_to_the_client(home: Path, config: str, env: Mapping[str, str] | None = None) -> str:
    """The text behind ERR, which the log has, too; twice asked, once logged."""
    with scd(home, config, env or {}) as client:
        for command in ("SERIALNO", "LEARN --force", "GETINFO card_list", "SWITCHAPP"):
            reply = client.transact(command)
            assert not reply.ok
            told = reply.text.removesuffix(" <SCD>")
    log = (home / "scd.log").read_text(encoding="utf-8")
    assert log.count(f"WARNING: no token: {told}") == 1
    assert not PYTHONS.search(log)
    return told


def test_no_module_at_all() -> None:
    told = without_modules(Settings(home="/home/alice/.gnupg"))
    assert "no PKCS#11 module is configured in /home/alice/.gnupg/scd.conf" in told
    assert "softhsm2" in told
    assert "opensc-pkcs11" in told
    assert Absence(Registry((), told)).why() == told


@pytest.mark.parametrize(
    ("library", "why"),
    [
        ("/nowhere/odd.so", "cannot load /nowhere/odd.so: cannot open shared object file: No such file or directory; "),
        ("libc.so.6", "libc.so.6 is no PKCS#11 module; "),
        ("/etc/passwd", "cannot load /etc/passwd: "),
    ],
)
def test_a_library_that_is_no_module(tmp_path: Path, library: str, why: str) -> None:
    told = said_to_the_client(tmp_path, f"provider-odd-library {library}\n")
    assert told.startswith(f"module odd failed: {why}")
    assert "correct provider-odd-library" in told


def test_a_module_that_does_not_start(tmp_path: Path) -> None:
    """SoftHSM reads its configuration from the home when SOFTHSM2_CONF is not set; this one names no folder."""
    config = tmp_path / ".config" / "softhsm2" / "softhsm2.conf"
    config.parent.mkdir(parents=True)
    config.write_text("directories.tokendir = /nowhere/tokens\n", encoding="utf-8")
    told = said_to_the_client(tmp_path, f"provider-hsm-library {softhsm_library()}\n")
    assert "C_Initialize: CKR_GENERAL_ERROR (something failed inside the module, often its configuration)" in told
    assert "not set in scd's environment, which is gpg-agent's: SOFTHSM2_CONF" in told


def test_a_variable_that_is_set_is_not_blamed(tmp_path: Path) -> None:
    config = tmp_path / "softhsm2.conf"
    config.write_text("directories.tokendir = /nowhere/tokens\n", encoding="utf-8")
    env = {"SOFTHSM2_CONF": str(config)}
    told = said_to_the_client(tmp_path, f"provider-hsm-library {softhsm_library()}\n", env)
    assert "CKR_GENERAL_ERROR" in told
    assert "not set" not in told


def test_a_module_without_a_token(tmp_path: Path) -> None:
    """p11-kit's client without a server behind it; OpenSC would ask whether a pcscd runs here."""
    client = find_library(next(profile for profile in load_profiles() if profile.name == "p11-kit-client"))
    if client is None:
        pytest.skip("p11-kit's client module is not installed")
    nobody = {"P11_KIT_SERVER_ADDRESS": "unix:path=/nowhere/p11-kit"}
    told = said_to_the_client(tmp_path, f"provider-cards-library {client}\n", nobody)
    assert told.startswith("module cards works and shows no token: insert one")


def test_a_token_that_is_not_initialised(tmp_path: Path) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    told = said_to_the_client(tmp_path, f"provider-hsm-library {tokens.module}\n", tokens.env)
    assert told.startswith("module hsm has a token that is not initialised: initialise it")


def test_another_token_than_the_one_asked_for(tmp_path: Path) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    config = f"provider-hsm-library {tokens.module}\nprovider-odd-library /nowhere/odd.so\n"
    with scd(tmp_path, config, tokens.env) as client:
        reply = client.transact("SERIALNO --demand=D27600012401115031310000000A1111")
        readers = client.transact("GETINFO reader_list").data.decode().splitlines()
    assert reply.code == NO_SUCH_DEVICE
    assert 'has the serial number D27600012401115031310000000A1111; present: "card"; module odd failed: ' in reply.text
    assert readers[0] == "PKCS#11+hsm"
    assert readers[1].startswith("PKCS#11+odd+(failed:+cannot+load+/nowhere/odd.so:+")
