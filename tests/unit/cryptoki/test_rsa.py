"""RSA on tokens that offer only part of the ways, and the incumbent's private-mask."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from pkcs11 import Mechanism as M

from scd.gcrypt.digestinfo import PREFIXES
from scd.token.errors import InvalidData, TokenFailure, UnsupportedAlgorithm, WrongKeyUsage
from tests.fakes.keys import private_key
from tests.unit.cryptoki.in_memory import Bench, token_with
from tests.unit.cryptoki.memory_token import RSA_WAYS

NAME = "work-rsa2048"
DIGEST = bytes(range(32))
BLOCK = PREFIXES["sha256"] + DIGEST
SIGN, SIGN_RECOVER, DECRYPT, UNWRAP = 1, 2, 4, 8


def key() -> rsa.RSAPrivateKey:
    found = private_key(NAME)
    assert isinstance(found, rsa.RSAPrivateKey)
    return found


def bench(*ways: tuple[str, M], mask: int = 0, **switches: object) -> Bench:
    return Bench(token_with(NAME, ways=frozenset(ways), **switches), private_mask=mask)


def encrypted(message: bytes) -> bytes:
    return key().public_key().encrypt(message, padding.PKCS1v15())


def verify(signature: bytes) -> None:
    assert len(signature) == 256
    key().public_key().verify(signature, DIGEST, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


@pytest.mark.parametrize("way", [(k, m) for k in ("Sign", "SignRecover") for m in (M.RSA_PKCS, M.RSA_X_509)])
def test_one_way_to_sign_is_enough(way: tuple[str, M]) -> None:
    verify(bench(way).sign(NAME, BLOCK))


@pytest.mark.parametrize("way", [("Decrypt", M.RSA_PKCS), ("Decrypt", M.RSA_X_509), ("Unwrap", M.RSA_PKCS)])
def test_one_way_to_decrypt_is_enough(way: tuple[str, M]) -> None:
    assert bench(way).decrypt(NAME, encrypted(b"session key")) == b"session key"


def test_a_mechanism_that_is_listed_but_refused_leads_to_the_next() -> None:
    token = bench(("Sign", M.RSA_X_509), listed=frozenset({M.RSA_PKCS, M.RSA_X_509}))
    verify(token.sign(NAME, BLOCK))
    assert token.native.count("C_SignInit") == 2


def test_a_module_that_lists_no_mechanisms_is_tried() -> None:
    verify(bench(("SignRecover", M.RSA_X_509), listed=frozenset()).sign(NAME, BLOCK))


def test_what_worked_is_tried_first_the_next_time() -> None:
    token = bench(("SignRecover", M.RSA_X_509), listed=frozenset({M.RSA_PKCS, M.RSA_X_509}))
    token.sign(NAME, BLOCK)
    before = len(token.native.calls_)
    token.sign(NAME, BLOCK)
    assert token.native.calls_[before:] == ["C_SignRecoverInit", "C_SignRecover"]


def test_a_key_that_may_not_sign_but_recover_is_used_so() -> None:
    token = bench(*RSA_WAYS)
    token.native.fail_next("C_SignInit", "KEY_FUNCTION_NOT_PERMITTED", "KEY_FUNCTION_NOT_PERMITTED")
    verify(token.sign(NAME, BLOCK))
    assert token.native.count("C_SignRecover") == 1


def test_a_function_the_module_left_out_is_no_crash() -> None:
    """aws-kms-pkcs11 and other small modules have NULL where C_SignRecoverInit belongs."""
    token = Bench(token_with(NAME, ways=frozenset()), left_out=("C_SignRecoverInit",))
    token.token.listed = frozenset()
    with pytest.raises(UnsupportedAlgorithm, match="C_SignRecoverInit: CKR_FUNCTION_NOT_SUPPORTED"):
        token.sign(NAME, BLOCK)


def test_only_mechanisms_that_hash_themselves_are_a_clear_error() -> None:
    """NetHSM and cloud KMS keys bound to one digest."""
    token = bench(listed=frozenset({M.SHA256_RSA_PKCS, M.SHA256_RSA_PKCS_PSS}))
    with pytest.raises(UnsupportedAlgorithm, match="neither CKM_RSA_PKCS nor CKM_RSA_X_509"):
        token.sign(NAME, BLOCK)
    with pytest.raises(UnsupportedAlgorithm, match=r"cannot decrypt with nothing it offers$"):
        token.decrypt(NAME, encrypted(b"x"))
    assert "C_SignInit" not in token.native.calls_


def test_a_refusal_lists_all_that_was_tried() -> None:
    token = bench(("Decrypt", M.RSA_PKCS), listed=frozenset({M.RSA_PKCS}))
    with pytest.raises(UnsupportedAlgorithm) as refusal:
        token.sign(NAME, BLOCK)
    assert "C_Sign CKM_RSA_PKCS, C_SignRecover CKM_RSA_PKCS" in str(refusal.value)
    assert "C_SignInit: CKR_MECHANISM_INVALID" in str(refusal.value)
    assert 'key "work-rsa2048"' in str(refusal.value)


def test_a_key_that_may_not_is_told_from_a_token_that_cannot() -> None:
    token = bench(("Sign", M.RSA_PKCS), listed=frozenset({M.RSA_PKCS}))
    token.native.fail_next("C_SignInit", "KEY_FUNCTION_NOT_PERMITTED")
    with pytest.raises(WrongKeyUsage):
        token.sign(NAME, BLOCK)


@pytest.mark.parametrize(
    ("mask", "functions"),
    [
        (0, {"C_Sign"}), (SIGN, {"C_Sign"}), (SIGN_RECOVER, {"C_SignRecover"}), (SIGN | SIGN_RECOVER, {"C_Sign"}),
        (DECRYPT, {"C_Sign"}), (UNWRAP, {"C_Sign"}),
    ],
)  # fmt: skip
def test_the_mask_chooses_how_to_sign(mask: int, functions: set[str]) -> None:
    token = bench(*RSA_WAYS, mask=mask)
    verify(token.sign(NAME, BLOCK))
    assert {"C_Sign", "C_SignRecover"} & set(token.native.calls_) == functions


@pytest.mark.parametrize(
    ("mask", "function"),
    [(0, "C_Decrypt"), (DECRYPT, "C_Decrypt"), (UNWRAP, "C_UnwrapKey"), (DECRYPT | UNWRAP, "C_Decrypt"),
     (SIGN, "C_Decrypt")],
)  # fmt: skip
def test_the_mask_chooses_how_to_decrypt(mask: int, function: str) -> None:
    token = bench(*RSA_WAYS, ("Unwrap", M.RSA_PKCS), mask=mask)
    assert token.decrypt(NAME, encrypted(b"k")) == b"k"
    assert [name for name in token.native.calls_ if name in ("C_Decrypt", "C_UnwrapKey")] == [function]


def test_a_masked_way_is_not_left_for_another() -> None:
    token = bench(("Sign", M.RSA_PKCS), ("Decrypt", M.RSA_PKCS), mask=SIGN_RECOVER | UNWRAP)
    with pytest.raises(UnsupportedAlgorithm):
        token.sign(NAME, BLOCK)
    with pytest.raises(UnsupportedAlgorithm):
        token.decrypt(NAME, encrypted(b"k"))


@pytest.mark.parametrize("drops_zeros", [False, True])
def test_a_token_that_leaves_the_padding_on_is_helped(drops_zeros: bool) -> None:
    """tpm2-pkcs11 before 1.5."""
    token = bench(("Decrypt", M.RSA_PKCS), keeps_padding=True, drops_zeros=drops_zeros)
    for message in (b"", b"k", b"\0" * 10, b"\2" * 245):
        assert token.decrypt(NAME, encrypted(message)) == message


def test_numbers_come_back_in_full_length() -> None:
    token = bench(("Sign", M.RSA_PKCS), drops_zeros=True)
    hashed = utils.Prehashed(hashes.SHA256())
    digests = (number.to_bytes(32, "big") for number in range(5000))
    digest = next(one for one in digests if key().sign(one, padding.PKCS1v15(), hashed)[0] == 0)
    assert token.sign(NAME, PREFIXES["sha256"] + digest) == key().sign(digest, padding.PKCS1v15(), hashed)


@pytest.mark.parametrize("message", [b"", b"k", b"\0k", b"\2" * 245])
@pytest.mark.parametrize("way", [("Decrypt", M.RSA_PKCS), ("Decrypt", M.RSA_X_509)])
def test_any_plaintext_survives(way: tuple[str, M], message: bytes) -> None:
    assert bench(way).decrypt(NAME, encrypted(message)) == message


@pytest.mark.parametrize("way", [("Decrypt", M.RSA_PKCS), ("Decrypt", M.RSA_X_509), ("Unwrap", M.RSA_PKCS)])
@pytest.mark.parametrize("answer", ["ENCRYPTED_DATA_INVALID", "GENERAL_ERROR", "DATA_INVALID", None])
def test_bad_padding_has_one_text_however_it_was_noticed(way: tuple[str, M], answer: str | None) -> None:
    token = bench(way)
    if answer:
        token.native.fail_next("C_Decrypt", answer)
        token.native.fail_next("C_UnwrapKey", answer)
    with pytest.raises(InvalidData) as error:
        token.decrypt(NAME, bytes(255) + b"\1")
    assert str(error.value) == "the decrypted data are malformed"
    assert error.value.__cause__ is None
    assert [c for c in token.native.calls_ if c in ("C_Decrypt", "C_UnwrapKey")] == [
        f"C_{way[0]}".replace("Unwrap", "UnwrapKey")
    ]


def test_a_broken_device_is_not_taken_for_bad_data() -> None:
    token = bench(("Decrypt", M.RSA_PKCS))
    token.native.fail_next("C_Decrypt", "DEVICE_ERROR")
    with pytest.raises(TokenFailure, match="CKR_DEVICE_ERROR"):
        token.decrypt(NAME, encrypted(b"k"))


def test_an_unwrapped_secret_that_is_not_shown_is_no_plaintext() -> None:
    token = bench(("Unwrap", M.RSA_PKCS), shows_secrets=False)
    with pytest.raises(UnsupportedAlgorithm, match="CKR_ATTRIBUTE_SENSITIVE"):
        token.decrypt(NAME, encrypted(b"k"))


def test_unwrapped_secrets_do_not_pile_up() -> None:
    token = bench(("Unwrap", M.RSA_PKCS))
    token.decrypt(NAME, encrypted(b"k"))
    assert not any(session.objects for session in token.native.sessions.values())


@pytest.mark.parametrize("length", [246, 256, 1000])
def test_a_block_that_does_not_fit_never_reaches_the_token(length: int) -> None:
    token = bench(("Sign", M.RSA_PKCS))
    with pytest.raises(InvalidData, match="do not fit into a 2048 bit signature"):
        token.sign(NAME, bytes(length))
    assert "C_SignInit" not in token.native.calls_


def test_a_module_that_wants_more_room_gets_it_within_the_operation() -> None:
    token = bench(("Sign", M.RSA_PKCS))
    token.native.wants_room = 4096
    verify(token.sign(NAME, BLOCK))
    assert token.native.calls_[-3:] == ["C_SignInit", "C_Sign", "C_Sign"]


def test_a_module_that_never_has_enough_room_is_a_failure() -> None:
    token = bench(("Sign", M.RSA_PKCS))
    token.native.fail_next("C_Sign", "BUFFER_TOO_SMALL", "BUFFER_TOO_SMALL")
    with pytest.raises(TokenFailure, match="CKR_BUFFER_TOO_SMALL"):
        token.sign(NAME, BLOCK)
