"""What is made on a SoftHSM token, seen by another program and used on every curve there is."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable

import pytest

from scd.gcrypt.privkey import parse_private_key
from scd.token.port import GenerateRequest, ImportRequest, KeyAddress, SignRequest
from scd.token.secrets import Pin
from tests.harness.tokens import Minted
from tests.softhsm.loaded import Loaded
from tests.unit.gcrypt.keytocard import KEYTOCARD

ID = b"\x5c\xd0"
NEW = b"another-pin-299792"


@pytest.fixture
def empty(load: Callable[[Minted], Loaded], own_tokens: Minted) -> Loaded:
    made = load(own_tokens)
    made.login("empty")
    return made


def listing(minted: Minted, pin: str, *arguments: str) -> str:
    command = ["pkcs11-tool", "--module", str(minted.module), "--token-label", "empty", "--login", "--pin", pin]
    return subprocess.run(
        [*command, *arguments], env=os.environ | minted.env, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("algorithm", ["rsa3072", "ed448", "cv448", "secp256k1"])
def test_the_rarer_keys_are_made(empty: Loaded, algorithm: str) -> None:
    public = empty.module.generate(GenerateRequest(empty.id("empty"), algorithm, ID, "new", True, True))
    assert public.algorithm == algorithm
    (key,) = empty.objects("empty").keys
    if key.can_sign:
        assert empty.sign(KeyAddress(empty.id("empty"), ID, public), bytes(32))
    assert key.can_sign is (algorithm != "cv448")


def test_another_program_sees_keys_that_never_leave_the_token(empty: Loaded) -> None:
    token = empty.id("empty")
    private, _ = parse_private_key(KEYTOCARD["nistp256"][1])
    empty.module.generate(GenerateRequest(token, "nistp256", b"\1", "made here", True, False))
    empty.module.import_key(ImportRequest(token, private, b"\2", "from outside", False, True))
    pin = empty.minted.tokens["empty"].pin
    made, taken = listing(empty.minted, pin, "--list-objects", "--type", "privkey").split("Private Key Object")[1:]
    if "from outside" in made:
        made, taken = taken, made
    for shown, usage, words in (
        (made, "sign", ("made here", "ID:         01", "sensitive", "always sensitive", "never extract")),
        (taken, "derive", ("from outside", "ID:         02", "sensitive")),
    ):
        assert all(word in shown for word in words), shown
        [uses] = re.findall(r"Usage: +(.*)", shown)
        assert set(uses.split(", ")) - {"signRecover"} == {usage}  # which pkcs11-tool shows since OpenSC 0.24
        assert ", extractable" not in shown
    public = listing(empty.minted, pin, "--list-objects", "--type", "pubkey")
    assert public.count("Public Key Object") == 2


def test_another_program_logs_in_with_the_changed_pin(empty: Loaded) -> None:
    empty.module.change_pin(empty.id("empty"), empty.pin("empty"), Pin(NEW))
    assert listing(empty.minted, NEW.decode(), "--list-objects") == ""


def test_a_key_is_made_while_another_one_signs(empty: Loaded) -> None:
    """A second session does not disturb the first, nor end its login."""
    empty.login("work")
    key = empty.address("work", "p256")
    for number in range(3):
        empty.module.generate(GenerateRequest(empty.id("work"), "nistp256", bytes((0x70 + number,)), "n", True, True))
        assert len(empty.module.sign(SignRequest(key, bytes(32)))) == 64
