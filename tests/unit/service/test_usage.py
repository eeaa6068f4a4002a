"""Usage letters: what the algorithm can, what the token says, what the certificate leaves of it."""

from __future__ import annotations

import itertools

import pytest

from scd.service.usage import usage_letters
from scd.token.model import Certificate
from tests.unit.service.examples import key


def certified(*usage: str) -> Certificate:
    return Certificate(b"", b"\1", "", None, "CN=x", 0, usage, is_ca=False)


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("work-rsa2048", "scae"), ("work-p256", "scae"), ("backup-bp384", "scae"),
        ("work-ed25519", "sca"), ("backup-ed448", "sca"), ("x25519", "e"), ("x448", "e"),
    ],
)  # fmt: skip
def test_the_algorithm_sets_the_limits(name: str, letters: str) -> None:
    assert usage_letters(key(name)) == letters
    assert usage_letters(key(name, can_sign=None, can_decrypt=None)) == letters


@pytest.mark.parametrize(
    ("can_sign", "can_decrypt", "letters"),
    [
        (True, False, "sca"), (False, True, "e"), (None, False, "sca"), (False, None, "e"),
        (None, None, "scae"), (True, True, "scae"),
        (False, False, "scae"),  # PIV keys that work although both are false
    ],
)  # fmt: skip
def test_the_tokens_attributes_narrow_it(can_sign: bool | None, can_decrypt: bool | None, letters: str) -> None:
    assert usage_letters(key(can_sign=can_sign, can_decrypt=can_decrypt)) == letters


@pytest.mark.parametrize(
    ("usage", "letters"),
    [
        (("digital_signature",), "sca"), (("non_repudiation",), "sca"), (("key_cert_sign", "crl_sign"), "sca"),
        (("key_encipherment",), "e"), (("data_encipherment",), "e"), (("key_agreement",), "e"),
        (("digital_signature", "key_encipherment"), "scae"),
        ((), "scae"), (("encipher_only",), "scae"),  # says nothing that helps
    ],
)  # fmt: skip
def test_the_certificate_narrows_it_further(usage: tuple[str, ...], letters: str) -> None:
    assert usage_letters(key(certificate=certified(*usage))) == letters


def test_a_certificate_without_key_usage_changes_nothing() -> None:
    plain = Certificate(b"", b"\1", "", None, "CN=x", 0, None, is_ca=False)
    assert usage_letters(key(certificate=plain)) == "scae"


def test_a_certificate_that_contradicts_the_token_is_ignored() -> None:
    assert usage_letters(key(can_sign=False, certificate=certified("digital_signature"))) == "e"
    assert usage_letters(key("work-ed25519", certificate=certified("key_agreement"))) == "sca"


def test_every_combination_has_letters_in_gnupgs_order() -> None:
    told = (None, True, False)
    for name, sign, decrypt in itertools.product(("work-rsa2048", "work-ed25519", "x25519"), told, told):
        letters = usage_letters(key(name, can_sign=sign, can_decrypt=decrypt))
        assert letters in ("scae", "sca", "e")
