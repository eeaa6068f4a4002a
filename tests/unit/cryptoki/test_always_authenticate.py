"""Keys that want the PIN for each use, when token, module and PIN do not do what they should."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from pkcs11 import TokenFlag

from scd.token.errors import InvalidData, PinIncorrect, PinRequired
from scd.token.secrets import Pin
from tests.fakes.keys import private_key
from tests.unit.cryptoki.in_memory import PIN, Bench, peer_of
from tests.unit.cryptoki.memory_token import TRUE, MemoryToken

P256, RSA, ED25519 = "work-p256", "work-rsa2048", "work-ed25519"
DIGEST = bytes(32)
WRONG = Pin(b"wrong")


def always(*names: str) -> Bench:
    """A token whose keys want the PIN for each use; logged in."""
    token = MemoryToken("always")
    for number, name in enumerate(names, 1):
        token.add_key(private_key(name), bytes((number,)), name, ALWAYS_AUTHENTICATE=TRUE)
    return Bench(token)


def after(bench: Bench, mark: int) -> list[str]:
    """The calls since, without those that only look."""
    return [name for name in bench.native.calls_[mark:] if not name.startswith(("C_Get", "C_Find"))]


class TestAlwaysAuthenticate:
    @pytest.mark.parametrize("name", [P256, ED25519])
    def test_the_pin_goes_between_init_and_operation_with_nothing_else(self, name: str) -> None:
        bench = always(name)
        mark = len(bench.native.calls_)
        assert bench.sign(name, DIGEST, PIN)
        calls = bench.native.calls_[mark:]
        begin = calls.index("C_SignInit")
        assert calls[begin:] == ["C_SignInit", "C_Login", "C_Sign"]

    def test_so_it_does_for_decryption(self) -> None:
        bench = always(RSA)
        mark = len(bench.native.calls_)
        ciphertext = private_key(RSA).public_key().encrypt(b"k", padding.PKCS1v15())  # type: ignore[union-attr]  # RSA
        assert bench.decrypt(RSA, ciphertext, PIN) == b"k"
        assert after(bench, mark) == ["C_DecryptInit", "C_Login", "C_Decrypt"]

    def test_without_a_pin_nothing_begins(self) -> None:
        bench = always(P256)
        with pytest.raises(PinRequired) as need:
            bench.sign(P256, DIGEST)
        assert need.value.context
        assert "C_SignInit" not in bench.native.calls_

    def test_a_pin_pad_is_asked_without_a_pin(self) -> None:
        bench = always(P256)
        bench.token.flags |= TokenFlag.PROTECTED_AUTHENTICATION_PATH
        pad = Bench(bench.token, allow_protected_auth=True)
        with pytest.raises(PinIncorrect):  # the token in memory has no keys to type on
            pad.sign(P256, DIGEST)
        assert pad.native.calls_[-3:] == ["C_SignInit", "C_Login", "C_Sign"]

    def test_a_wrong_pin_leaves_no_operation_behind(self) -> None:
        bench = always(P256)
        with pytest.raises(PinIncorrect):
            bench.sign(P256, DIGEST, WRONG)
        assert all(session.operation is None for session in bench.native.sessions.values())
        sessions = bench.native.count("C_OpenSession")
        assert bench.sign(P256, DIGEST, PIN)
        assert bench.native.count("C_OpenSession") == sessions

    def test_a_wrong_pin_is_sent_once(self) -> None:
        bench = always(RSA)
        mark = len(bench.native.calls_)
        with pytest.raises(PinIncorrect):
            bench.sign(RSA, DIGEST, WRONG)
        assert after(bench, mark).count("C_Login") == 1

    @pytest.mark.parametrize("name", ["DATA_INVALID", "DATA_LEN_RANGE"])
    def test_bad_data_after_a_right_pin_are_bad_data(self, name: str) -> None:
        """ykcs11 says CKR_DATA_INVALID; clients asked for the PIN until it was blocked (ykpiv issue 443)."""
        bench = always(P256)
        bench.native.fail_next("C_Sign", name)
        mark = len(bench.native.calls_)
        with pytest.raises(InvalidData):
            bench.sign(P256, DIGEST, PIN)
        assert after(bench, mark).count("C_Login") == 1

    def test_bad_data_at_init_send_no_pin(self) -> None:
        bench = always(P256)
        bench.native.fail_next("C_SignInit", "DATA_INVALID")
        mark = len(bench.native.calls_)
        with pytest.raises(InvalidData):
            bench.sign(P256, DIGEST, PIN)
        assert "C_Login" not in after(bench, mark)

    def test_a_refused_mechanism_sends_no_pin(self) -> None:
        bench = always(RSA)
        bench.native.fail_next("C_SignInit", "MECHANISM_INVALID")
        mark = len(bench.native.calls_)
        assert bench.sign(RSA, DIGEST, PIN)
        assert after(bench, mark) == ["C_SignInit", "C_SignInit", "C_Login", "C_Sign"]

    def test_derivation_is_tried_without_the_pin(self) -> None:
        """C_DeriveKey has no Init: most tokens take the login, and refuse a context-specific one here."""
        bench = always(P256)
        point, secret = peer_of(P256)
        mark = len(bench.native.calls_)
        assert bench.decrypt(P256, point) == secret
        assert "C_Login" not in after(bench, mark)

    def test_a_token_that_wants_the_pin_for_derivation_gets_it(self) -> None:
        bench = always(P256)
        bench.token.affirms_any_time = True
        point, secret = peer_of(P256)
        bench.objects()
        bench.native.fail_next("C_DeriveKey", "USER_NOT_LOGGED_IN", "USER_NOT_LOGGED_IN")
        with pytest.raises(PinRequired) as need:
            bench.decrypt(P256, point)
        assert need.value.context
        mark = len(bench.native.calls_)
        assert bench.decrypt(P256, point, PIN) == secret
        own = ["C_DeriveKey", "C_Login", "C_DeriveKey", "C_DestroyObject"]
        proof = ["C_DeriveKey", "C_DestroyObject"]
        assert after(bench, mark) == own + proof

    def test_a_login_that_ended_unnoticed_is_made_again_with_the_same_pin(self) -> None:
        """OpenSC 0.23 ends the login over a wrong PIN for one operation, and shows it by this code only."""
        bench = always(P256)
        mark = len(bench.native.calls_)
        bench.native.fail_next("C_Login", "OPERATION_NOT_INITIALIZED")
        assert bench.sign(P256, DIGEST, PIN)
        assert after(bench, mark).count("C_Login") == 3

    def test_a_wrong_pin_for_a_login_that_ended_unnoticed_is_sent_once_more_only(self) -> None:
        bench = always(P256)
        mark = len(bench.native.calls_)
        bench.native.fail_next("C_Login", "OPERATION_NOT_INITIALIZED")
        with pytest.raises(PinIncorrect):
            bench.sign(P256, DIGEST, WRONG)
        assert after(bench, mark).count("C_Login") == 2

    def test_the_login_of_the_token_comes_first(self) -> None:
        bench = always(P256)
        bench.module.logout(bench.id)
        with pytest.raises(PinRequired) as need:
            bench.sign(P256, DIGEST, PIN)
        assert not need.value.context
