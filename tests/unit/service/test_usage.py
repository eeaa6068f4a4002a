"""Usage letters: what the algorithm can, what the token says, what the certificate leaves of it."""

from __future__ import annotations

import itertools

import pytest

from scd.service.finding.usage import capabilities, usage_letters
from scd.token.model import Certificate
from tests.unit.service.examples import key


def certified(*usage: str) -> Certificate:
    return Certificate(b"", b"\1", "", None, "CN=x", 0, usage, is_ca=False)


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("work-rsa2048", "scae"), ("work-p256", "sca"), ("backup-bp384", "sc"),
        ("work-ed25519", "sca"), ("backup-ed448", "sc"), ("x25519", "e"), ("x448", "e"),
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


def test_an_ec_key_that_can_both_shows_one_and_can_both() -> None:
    """gpg 2.2.40 and 2.4.7 refuse to make a primary key of an EC key with an `e`."""
    both = key("work-p256", can_sign=True, can_decrypt=True)
    assert usage_letters(both) == "sca"
    assert usage_letters(both, prefer_encryption=True) == "e"
    assert capabilities(both) == set("scae")
    assert usage_letters(key("work-rsa2048"), prefer_encryption=True) == "scae"


@pytest.mark.parametrize("name", ["backup-ed448", "backup-bp384", "backup-secp256k1"])
def test_a_key_that_ssh_does_not_know_is_not_offered_to_it(name: str) -> None:
    """One such key makes gpg-agent 2.4.7 answer ssh-add with a malformed list."""
    assert "a" not in usage_letters(key(name))


def test_every_combination_has_letters_in_gnupgs_order() -> None:
    told = (None, True, False)
    for name, sign, decrypt in itertools.product(("work-rsa2048", "work-ed25519", "x25519"), told, told):
        letters = usage_letters(key(name, can_sign=sign, can_decrypt=decrypt))
        assert letters in ("scae", "sca", "e")
