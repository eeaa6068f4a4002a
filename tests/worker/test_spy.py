"""The worker on SoftHSM seen from the C side, through OpenSC's pkcs11-spy, which prints every call for real."""

from __future__ import annotations

import glob
from pathlib import Path

import pytest

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker.client import WorkerModule
from scd.token.model import TokenId
from scd.token.port import KeyAddress, SignRequest
from scd.token.secrets import Pin
from tests.fakes.keys import private_key, public_of
from tests.harness.tokens import Minted
from tests.worker.loop import in_loop

PLACES = ("/usr/lib/*/pkcs11-spy.so", "/usr/lib64/pkcs11-spy.so", "/usr/lib/*/pkcs11/pkcs11-spy.so")


@pytest.fixture
def spy(minted: Minted, monkeypatch: pytest.MonkeyPatch) -> ModuleConfig:
    """The spy in front of SoftHSM."""
    found = [path for place in PLACES for path in glob.glob(place)]
    if not found:
        pytest.skip("pkcs11-spy.so (package opensc) is not installed")
    monkeypatch.setenv("PKCS11SPY", str(minted.module))
    return ModuleConfig("spy", found[0])


async def ten_signatures(config: ModuleConfig, pin: Pin) -> TokenId:
    module = WorkerModule(config)
    try:
        (work,) = [info.id for info in await module.tokens() if info.id.label == "work"]
        assert await module.objects(work)
        await module.login(work, pin)
        key = KeyAddress(work, b"\2", public_of(private_key("work-p256")))
        for _ in range(10):
            assert await module.sign(SignRequest(key, bytes(32)))
    finally:
        await module.close()
    return work


def test_what_the_library_prints_stays_away_from_our_standard_output(
    spy: ModuleConfig, minted: Minted, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PKCS11SPY_OUTPUT", "/dev/stdout")
    in_loop(ten_signatures_of_work)(spy, minted)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "C_SignInit" in printed.err


async def ten_signatures_of_work(spy: ModuleConfig, minted: Minted) -> None:
    await ten_signatures(spy, Pin(minted.tokens["work"].pin.encode()))


def test_ten_signatures_cost_one_session_and_one_login(
    spy: ModuleConfig, minted: Minted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    report = tmp_path / "calls"
    monkeypatch.setenv("PKCS11SPY_OUTPUT", str(report))
    in_loop(ten_signatures_of_work)(spy, minted)
    calls = [line.split(": ")[1] for line in report.read_text().splitlines() if ": C_" in line]
    assert calls.count("C_Login") == 1
    assert calls.count("C_OpenSession") == 1
    assert calls.count("C_Sign") == 10
    assert calls.count("C_Finalize") == 1
