"""What is done in a process of its own: `python -m tests.softhsm.scenarios NAME`, a JSON object each way.

One process per module: a module may be loaded once only, pkcs11-spy opens its report once, and what NSS does to a
process nobody else should share.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11 import lib as load_library

from scd.cryptoki.module import InProcessModule
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.gcrypt.pubkey import RsaPublicKey
from scd.token.errors import PinIncorrect
from scd.token.model import KeyPair, TokenObjects
from scd.token.port import DecryptRequest, KeyAddress, SignRequest
from scd.token.secrets import Pin

Values = dict[str, Any]
REPOSITORY = Path(__file__).parents[2]


def in_own_process(scenario: Callable[[Values], Values], values: Values, **environment: str) -> Values:
    """Run a scenario of this file elsewhere. Its standard error belongs to the failure, if it fails."""
    command = [sys.executable, "-m", "tests.softhsm.scenarios", scenario.__name__]
    done = subprocess.run(
        command, input=json.dumps(values), env=os.environ | environment, cwd=REPOSITORY, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: Values = json.loads(done.stdout.splitlines()[-1])
    return answer


class Spied:
    """A module behind pkcs11-spy, token `label` in it, and how often each C function has been called."""

    def __init__(self, values: Values) -> None:
        self.report = Path(os.environ["PKCS11SPY_OUTPUT"])
        self.module = InProcessModule(ModuleConfig("spy", values["spy"]))
        self.token = next(info.id for info in self.module.tokens() if info.id.label == values["label"])
        self.pin = Pin(values["pin"].encode())
        self._mark = Counter[str]()

    def counts(self) -> Counter[str]:
        """Calls since the last time this was asked."""
        words = (line.split(": ", 1)[1] for line in self.report.read_text().splitlines() if ": C_" in line)
        now = Counter(word.strip() for word in words)
        since = now - self._mark
        self._mark = now
        return since

    def objects(self) -> TokenObjects:
        found = self.module.objects(self.token)
        assert found is not None
        return found

    def key(self, label: str) -> KeyPair:
        return next(key for key in self.objects().keys if key.label == label)


def ten_signatures(values: Values) -> Values:
    """Calls of the first signature and of the nine after it."""
    spied = Spied(values)
    spied.module.login(spied.token, spied.pin)
    key = spied.key("p256")
    request = SignRequest(KeyAddress(spied.token, key.cka_id, key.public), bytes(32))
    spied.module.sign(request)
    first = spied.counts()
    for _ in range(9):
        spied.module.sign(request)
    return {"first": first, "others": spied.counts()}


def wrong_pins(values: Values) -> Values:
    """Calls of twenty wrong PINs and a right one."""
    spied = Spied(values)
    for _ in range(20):
        with contextlib.suppress(PinIncorrect):
            spied.module.login(spied.token, Pin(b"wrong"))
    spied.module.login(spied.token, spied.pin)
    return dict(spied.counts())


def something_new(values: Values) -> Values:
    """Calls of the first listing, of one without news, and of one after `values["change"]`, a command, has run."""
    spied = Spied(values)
    spied.module.login(spied.token, spied.pin)
    spied.counts()
    version = spied.objects().version
    first = spied.counts()
    spied.module.objects(spied.token, known=version)
    nothing = spied.counts()
    subprocess.run(values["change"], check=True, stdout=sys.stderr)
    spied.module.objects(spied.token, known=version)
    return {
        "first": first,
        "nothing": nothing,
        "new": spied.counts(),
        "labels": [k.label for k in spied.objects().keys],
    }


def always_authenticate(values: Values) -> Values:
    """The order of the calls of one signature that wants the PIN."""
    spied = Spied(values)
    spied.module.login(spied.token, spied.pin)
    key = spied.key("p256")
    before = len(spied.report.read_text())
    spied.module.sign(SignRequest(KeyAddress(spied.token, key.cka_id, key.public), bytes(32), spied.pin))
    calls = [
        line.split(": ", 1)[1].strip() for line in spied.report.read_text()[before:].splitlines() if ": C_" in line
    ]
    return {"calls": calls}


def large_rsa_keys(values: Values) -> Values:
    """Put RSA keys of these sizes on a token by python-pkcs11, then sign and decrypt with them by ours."""
    from tests.unit.cryptoki.large_rsa import large_rsa

    library = load_library(values["module"])
    with library.get_token(token_label=values["label"]).open(rw=True, user_pin=values["pin"]) as session:
        for bits in values["bits"]:
            for template in _rsa_templates(large_rsa(bits), bits.to_bytes(2, "big")):
                session.create_object(template)
    module = InProcessModule(ModuleConfig("softhsm2", values["module"]))
    token = next(info.id for info in module.tokens() if info.id.label == values["label"])
    module.login(token, Pin(values["pin"].encode()))
    found = module.objects(token)
    assert found is not None
    answers: Values = {}
    for key in found.keys:
        assert isinstance(key.public, RsaPublicKey)
        address = KeyAddress(token, key.cka_id, key.public)
        modulus, exponent = (int.from_bytes(number, "big") for number in (key.public.n, key.public.e))
        padded = b"\0\2" + b"\1" * (len(key.public.n) - 14) + b"\0session key"
        ciphertext = pow(int.from_bytes(padded, "big"), exponent, modulus).to_bytes(len(key.public.n), "big")
        answers[str(key.public.bits)] = {
            "signature": module.sign(SignRequest(address, b"x" * 36)).hex(),
            "plaintext": module.decrypt(DecryptRequest(address, ciphertext)).decode(),
        }
    return answers


def _rsa_templates(key: rsa.RSAPrivateKey, cka_id: bytes) -> tuple[dict[Attribute, Any], dict[Attribute, Any]]:
    private, public = key.private_numbers(), key.public_key().public_numbers()

    def big(number: int) -> bytes:
        return number.to_bytes((number.bit_length() + 7) // 8, "big")

    shown = {
        Attribute.KEY_TYPE: KeyType.RSA, Attribute.TOKEN: True, Attribute.ID: cka_id,
        Attribute.MODULUS: big(public.n), Attribute.PUBLIC_EXPONENT: big(public.e),
    }  # fmt: skip
    hidden = {
        Attribute.PRIVATE_EXPONENT: big(private.d), Attribute.PRIME_1: big(private.p),
        Attribute.PRIME_2: big(private.q), Attribute.EXPONENT_1: big(private.dmp1),
        Attribute.EXPONENT_2: big(private.dmq1),
        Attribute.COEFFICIENT: big(private.iqmp), Attribute.SIGN: True, Attribute.DECRYPT: True,
    }  # fmt: skip
    return {Attribute.CLASS: ObjectClass.PUBLIC_KEY} | shown, {
        Attribute.CLASS: ObjectClass.PRIVATE_KEY
    } | shown | hidden


def nss(values: Values) -> Values:
    """List, log in, sign and decrypt with whatever the database holds."""
    module = InProcessModule(ModuleConfig("nss", values["module"], init_args=values["init_args"]))
    token = next(info for info in module.tokens() if info.id.label == "NSS Certificate DB")
    before = module.objects(token.id)
    with contextlib.suppress(PinIncorrect):
        module.login(token.id, Pin(b"wrong"))
    module.login(token.id, Pin(values["pin"].encode()))
    after = module.objects(token.id)
    assert before is not None
    assert after is not None
    answers: Values = {"slots": len(module.tokens()), "before": _shown(before), "after": _shown(after), "skipped": []}
    answers["skipped"] = [f"{one.what}: {one.reason}" for one in after.skipped]
    for key in after.keys:
        address = KeyAddress(token.id, key.cka_id, key.public)
        if isinstance(key.public, RsaPublicKey):
            answers["rsa"] = module.sign(SignRequest(address, b"x" * 36)).hex()
            answers["plain"] = module.decrypt(DecryptRequest(address, bytes.fromhex(values["ciphertext"]))).decode()
        else:
            answers["ecdsa"] = module.sign(SignRequest(address, bytes(32))).hex()
            answers["shared"] = module.decrypt(DecryptRequest(address, bytes.fromhex(values["point"]))).hex()
    module.close()
    return answers


def _shown(found: TokenObjects) -> list[Values]:
    return [
        {"keygrip": key.keygrip.hex().upper(), "label": key.label, "certificate": key.certificate is not None,
         "private": key.private_seen, "sign": key.can_sign, "decrypt": key.can_decrypt}
        for key in found.keys
    ]  # fmt: skip


SCENARIOS = (ten_signatures, wrong_pins, something_new, always_authenticate, large_rsa_keys, nss)

if __name__ == "__main__":
    chosen = {one.__name__: one for one in SCENARIOS}[sys.argv[1]]
    print(json.dumps(chosen(json.loads(sys.stdin.read()))))  # noqa: T201  (the answer)
