"""RSA of 8192 and 16384 bits on SoftHSM, whose own limit is OpenSSL's 16384."""

from __future__ import annotations

from collections.abc import Callable

from scd.gcrypt.pkcs1 import pad_signature
from tests.harness.tokens import Minted
from tests.softhsm.scenarios import in_own_process, large_rsa_keys
from tests.unit.cryptoki.large_rsa import large_rsa


def test_they_sign_and_decrypt(new_tokens: Callable[..., Minted]) -> None:
    tokens = new_tokens("empty")
    told = {"module": str(tokens.module), "label": "empty", "pin": tokens.tokens["empty"].pin, "bits": [8192, 16384]}
    answers = in_own_process(large_rsa_keys, told, **tokens.env)
    assert set(answers) == {"8192", "16384"}
    for bits, answer in answers.items():
        numbers = large_rsa(int(bits)).public_key().public_numbers()
        opened = pow(int(answer["signature"], 16), numbers.e, numbers.n).to_bytes(int(bits) // 8, "big")
        assert opened == pad_signature(b"x" * 36, int(bits) // 8)
        assert answer["plaintext"] == "session key"
