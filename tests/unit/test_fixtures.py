"""The tokens are what tokens.toml declares, as seen by programs that are not ours."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import ON_DEMAND, REPOSITORY, STANDARD, Minted, MintedToken, MintError, load, mint

MINT = REPOSITORY / "softhsm-fixtures" / "mint.py"
CLASSES = {
    "private": "Private Key Object",
    "public": "Public Key Object",
    "certificate": "Certificate Object",
    "data": "Data object",
    "secret": "Secret Key Object",
}


def pkcs11_tool(tokens: Minted, *arguments: str) -> str:
    command = ["pkcs11-tool", "--module", str(tokens.module), *arguments]
    done = subprocess.run(command, env=tokens.env, capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


def listing(tokens: Minted, token: MintedToken) -> str:
    return pkcs11_tool(tokens, "--token-label", token.label, "--login", "--pin", token.pin, "-O")


@pytest.mark.parametrize("name", STANDARD)
def test_every_declared_object_is_on_its_token(minted: Minted, name: str) -> None:
    token = minted.tokens[name]
    declared = Counter(part for entry in token.objects.values() for part in entry.parts)
    shown = listing(minted, token)
    found = {part: len(re.findall(f"^{title}", shown, re.MULTILINE)) for part, title in CLASSES.items()}
    assert found == {part: declared[part] for part in CLASSES}


def test_tokens_have_the_serial_numbers_that_are_reported(minted: Minted) -> None:
    shown = pkcs11_tool(minted, "-L")
    found = dict(re.findall(r"token label\s*: (\w+)\n(?:.*\n)*?\s+serial num\s*: (\w+)", shown))
    assert found == {token.label: token.serial for token in minted.tokens.values()}


def test_ids_and_labels_are_the_declared_ones(minted: Minted) -> None:
    token = minted.tokens["work"]
    pairs = re.findall(r"label: +(\S+)\n(?:.*\n)*? +ID: +(\w+)", listing(minted, token))
    assert set(pairs) == {(entry.label.decode(), entry.cka_id.hex()) for entry in token.objects.values()}


def test_every_usable_key_has_a_keygrip(minted: Minted) -> None:
    lacking = [
        f"{token.label}/{entry.name}"
        for token in minted.tokens.values()
        for entry in token.keys.values()
        if entry.usable and not re.fullmatch("[0-9A-F]{40}", entry.keygrip or "")
    ]
    assert not lacking


def test_certificates_belong_to_their_keys_unless_declared_otherwise(minted: Minted) -> None:
    strangers = set()
    for token in minted.tokens.values():
        for entry in token.keys.values():
            if entry.certificate_pem and entry.key_pem:
                key = load_pem_private_key(entry.key_pem.read_bytes(), None)
                certificate = x509.load_pem_x509_certificate(entry.certificate_pem.read_bytes())
                if certificate.public_key() != key.public_key():
                    strangers.add(entry.name)
    assert strangers == {"mismatch", "broken-der"}


def test_keygrips_agree_with_gpg_agent(minted: Minted) -> None:
    """ssh-add hands the agent a private key; the agent names the file after the keygrip."""
    with GnupgHome(minted, scdaemon=Path("/nonexistent")) as home:
        entry = minted.tokens["work"].keys["rsa2048"]
        home.pinentry.always("throw-away")
        pem = home.write("key", "")
        pem.chmod(0o600)
        assert entry.key_pem is not None
        pem.write_bytes(entry.key_pem.read_bytes().partition(b"\n")[2])
        home.start_agent()
        home.run("ssh-add", pem)
        stored = [path.stem for path in (home.path / "private-keys-v1.d").glob("*.key")]
    assert stored == [entry.keygrip]


def test_a_copy_can_be_changed_without_the_original(minted: Minted, own_tokens: Minted) -> None:
    token = own_tokens.tokens["empty"]
    login = ("--token-label", "empty", "--login", "--pin", token.pin)
    pkcs11_tool(own_tokens, *login, "--write-object", str(MINT), "--type", "data", "--label", "new")
    assert "'new'" in listing(own_tokens, token)
    assert "'new'" not in listing(minted, token)


SIGN_TWICE = """
import sys, pkcs11
module, pin = sys.argv[1], sys.stdin.read()
with pkcs11.lib(module).get_token(token_label="always").open(user_pin=pin) as session:
    key = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, id=b"\\2")
    print(len(key.sign(bytes(32), mechanism=pkcs11.Mechanism.ECDSA, pin=pin)))
    try:
        key.sign(bytes(32), mechanism=pkcs11.Mechanism.ECDSA)
    except pkcs11.exceptions.UserNotLoggedIn:
        print("refused")
"""


def test_an_always_authenticate_key_wants_the_pin_for_each_use(minted: Minted) -> None:
    command = [sys.executable, "-c", SIGN_TWICE, str(minted.module)]
    pin = minted.tokens["always"].pin
    done = subprocess.run(command, env=minted.env, input=pin, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["64", "refused"]


def test_the_tokens_on_demand_are_made_when_asked_for(tmp_path: Path) -> None:
    tokens = mint(tmp_path / "softhsm", ON_DEMAND, count=2, cache=tmp_path / "cache")
    slots = {label: slot for slot in pkcs11_tool(tokens, "-L").split("\nSlot") for label in ON_DEMAND if label in slot}
    assert ["PIN initialized" in slots[label] for label in ON_DEMAND] == [False, True, True]
    assert tokens.tokens["clone"].keys["rsa2048"].keygrip == "B21562DCF818C81C0ACE4FC5E862C490A4759EDF"
    assert [entry.cka_id.hex() for entry in tokens.tokens["many"].keys.values()] == ["0001", "0002"]


def test_generated_keys_are_used_again(tmp_path: Path) -> None:
    first = mint(tmp_path / "a", ("many",), count=1, cache=tmp_path / "cache")
    second = mint(tmp_path / "b", ("many",), count=1, cache=tmp_path / "cache")
    assert first.tokens["many"].keys["rsa2048-0001"].keygrip == second.tokens["many"].keys["rsa2048-0001"].keygrip


def test_the_command_prints_the_line_for_the_shell(tmp_path: Path) -> None:
    folder = tmp_path / "softhsm"
    command = [sys.executable, str(MINT), str(folder), "--token", "empty"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == f"SOFTHSM2_CONF={folder}/softhsm2.conf\n"
    assert list(load(folder).tokens) == ["empty"]


def test_a_folder_in_use_is_refused(minted: Minted) -> None:
    with pytest.raises(MintError, match="holds tokens already"):
        mint(minted.folder)
