"""What reaches the library, as pkcs11-spy (package opensc) reports it. It writes PINs down: those of fixtures only."""

from __future__ import annotations

import glob
from pathlib import Path

import pytest

from tests.harness.tokens import Minted
from tests.softhsm.scenarios import (
    Values,
    always_authenticate,
    in_own_process,
    something_new,
    ten_signatures,
    wrong_pins,
)

NEW = ("--id", "77", "--label", "new")
PLACES = ("/usr/lib/*/pkcs11/pkcs11-spy.so", "/usr/lib/*/pkcs11-spy.so", "/usr/lib64/pkcs11/pkcs11-spy.so")


@pytest.fixture
def spy(tmp_path: Path) -> dict[str, str]:
    """The environment for pkcs11-spy, and its path under `spy`."""
    found = [path for place in PLACES for path in glob.glob(place)]
    if not found:
        pytest.skip("pkcs11-spy.so (package opensc) is not installed")
    return {"spy": found[0], "PKCS11SPY_OUTPUT": str(tmp_path / "calls")}


def run(scenario: object, spy: dict[str, str], tokens: Minted, label: str, **values: object) -> Values:
    environment = {name: value for name, value in spy.items() if name.isupper()}
    environment |= tokens.env | {"PKCS11SPY": str(tokens.module)}
    told = {"spy": spy["spy"], "label": label, "pin": tokens.tokens[label].pin} | values
    return in_own_process(scenario, told, **environment)  # type: ignore[arg-type]  # one of the scenarios


def test_ten_signatures_are_one_login_and_two_calls_each(spy: dict[str, str], minted: Minted) -> None:
    calls = run(ten_signatures, spy, minted, "work")
    assert calls["first"]["C_OpenSession"] == 1
    assert calls["first"]["C_Login"] == 1
    assert calls["others"] == {"C_SignInit": 9, "C_Sign": 9}


def test_wrong_pins_leak_no_session(spy: dict[str, str], minted: Minted) -> None:
    """python-pkcs11 leaves the session of each wrong PIN open; a YubiHSM has sixteen."""
    calls = run(wrong_pins, spy, minted, "work")
    assert calls["C_Login"] == 21
    assert calls["C_OpenSession"] == 1


def test_only_new_handles_are_read(spy: dict[str, str], own_tokens: Minted) -> None:
    tool = ["pkcs11-tool", "--module", str(own_tokens.module), "--token-label", "work", "--login", "--pin"]
    change = [*tool, own_tokens.tokens["work"].pin, "--keypairgen", "--key-type", "EC:prime256v1", *NEW]
    calls = run(something_new, spy, own_tokens, "work", change=change)
    objects = sum(len(entry.parts) for entry in own_tokens.tokens["work"].objects.values())
    assert "new" in calls["labels"]
    assert calls["first"]["C_GetAttributeValue"] <= 3 * objects
    assert "C_GetAttributeValue" not in calls["nothing"]
    assert calls["nothing"]["C_FindObjectsInit"] == 3
    assert calls["new"]["C_GetAttributeValue"] <= 3 * 2  # a private and a public key


def test_nothing_comes_between_init_and_the_pin(spy: dict[str, str], minted: Minted) -> None:
    calls = run(always_authenticate, spy, minted, "always")["calls"]
    assert calls[calls.index("C_SignInit") :] == ["C_SignInit", "C_Login", "C_Sign"]
