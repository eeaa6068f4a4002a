"""Tokens, sessions and logins of the in-process module when the module under it misbehaves."""

from __future__ import annotations

import pytest
from pkcs11 import TokenFlag

from scd.cryptoki.module import InProcessModule
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.profile import Quirk
from scd.token.errors import (
    InvalidData,
    KeyNotFound,
    ModuleUnavailable,
    PinBlocked,
    PinIncorrect,
    PinRequired,
    SessionLost,
    TokenFailure,
    TokenNotPresent,
    TokenRemoved,
)
from scd.token.model import PinTries
from scd.token.secrets import Pin
from tests.fakes.keys import private_key
from tests.unit.cryptoki.in_memory import PIN, Bench, token_with
from tests.unit.cryptoki.memory_module import MemoryNative, module
from tests.unit.cryptoki.memory_token import FLAGS, MemoryToken

P256, RSA, ED25519 = "work-p256", "work-rsa2048", "work-ed25519"
DIGEST = bytes(32)
WRONG = Pin(b"wrong")


class TestTokens:
    def test_flags_become_states(self) -> None:
        flags = TokenFlag.USER_PIN_COUNT_LOW | TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.WRITE_PROTECTED
        low = MemoryToken("low", flags=FLAGS | TokenFlag.USER_PIN_COUNT_LOW)
        tokens = (
            MemoryToken("plain"),
            low,
            MemoryToken("last", flags=FLAGS | flags),
            MemoryToken("raw", flags=TokenFlag(0)),
        )
        plain, few, last, raw = module(MemoryNative(*tokens)).tokens()
        assert (plain.pin_tries, few.pin_tries, last.pin_tries) == (PinTries.FULL, PinTries.LOW, PinTries.FINAL)
        assert (plain.initialized, plain.login_required, plain.pin_initialized) == (True, True, True)
        assert (raw.initialized, raw.login_required, raw.pin_initialized) == (False, False, False)
        assert (last.write_protected, plain.write_protected) == (True, False)
        assert (plain.pin_min, plain.pin_max) == (4, 8)

    @pytest.mark.parametrize("allowed", [True, False])
    def test_a_pin_pad_counts_only_where_it_is_allowed(self, allowed: bool) -> None:
        token = MemoryToken("pad", flags=FLAGS | TokenFlag.PROTECTED_AUTHENTICATION_PATH)
        (info,) = module(MemoryNative(token), allow_protected_auth=allowed).tokens()
        assert info.pinpad is allowed

    def test_a_slot_that_fails_does_not_hide_the_others(self) -> None:
        native = MemoryNative(MemoryToken("bad"), MemoryToken("good"))
        native.fail_next("C_GetTokenInfo", "DEVICE_ERROR")
        assert [info.id.label for info in module(native).tokens()] == ["good"]

    def test_a_module_that_fails_altogether_says_so(self) -> None:
        native = MemoryNative()
        under = module(native)
        native.fail_next("C_GetSlotList", "GENERAL_ERROR", "GENERAL_ERROR")  # the second after C_Initialize
        with pytest.raises(TokenFailure, match="module memory: C_GetSlotList: CKR_GENERAL_ERROR"):
            under.tokens()

    def test_two_tokens_are_logged_in_apart(self) -> None:
        native = MemoryNative(MemoryToken("one"), MemoryToken("two"))
        under = module(native)
        one, _ = (info.id for info in under.tokens())
        under.login(one, PIN)
        assert [info.logged_in for info in under.tokens()] == [True, False]

    def test_a_token_that_is_gone_is_forgotten_with_its_login(self) -> None:
        bench = Bench(token_with(P256))
        bench.native.slots_.clear()
        assert bench.module.tokens() == ()
        bench.native.slots_[0] = bench.token
        bench.native.lose_sessions()
        assert not bench.module.tokens()[0].logged_in

    def test_a_token_that_comes_back_in_another_slot_is_not_logged_in(self) -> None:
        bench = Bench(token_with(P256))
        bench.native.slots_ = {7: bench.token}
        bench.native.lose_sessions()
        assert not bench.module.tokens()[0].logged_in
        assert len(bench.objects().keys) == 1


class TestLoading:
    def test_init_args_that_are_missing_are_asked_for(self) -> None:
        config = ModuleConfig("nss", "libsoftokn3.so", quirks=(Quirk.INIT_ARGS_REQUIRED.value,))
        with pytest.raises(ModuleUnavailable, match="set provider-nss-init-args"):
            InProcessModule(config)

    def test_a_library_that_is_not_there_is_named(self) -> None:
        with pytest.raises(ModuleUnavailable, match=r"module x: cannot load /nowhere/lib\.so"):
            InProcessModule(ModuleConfig("x", "/nowhere/lib.so"))

    def test_a_library_that_is_no_pkcs11_module_is_named(self) -> None:
        with pytest.raises(ModuleUnavailable, match=r"module x: libc\.so\.6 is no PKCS#11 module"):
            InProcessModule(ModuleConfig("x", "libc.so.6"))

    def test_a_module_that_does_not_start_says_why(self) -> None:
        native = MemoryNative()
        native.fail_next("C_Initialize", "DEVICE_ERROR")
        with pytest.raises(ModuleUnavailable, match="CKR_DEVICE_ERROR"):
            module(native)

    @pytest.mark.parametrize(("quirk", "arguments"), [((), (2, None)), ((Quirk.SINGLE_THREAD_INIT.value,), None)])
    def test_locking_is_left_out_where_it_must_be(self, quirk: tuple[str, ...], arguments: object) -> None:
        native = MemoryNative()
        module(native, quirks=quirk)
        assert native.arguments == [arguments]

    @pytest.mark.parametrize(("quirk", "times"), [((), 1), ((Quirk.NO_FINALIZE.value,), 0)])
    def test_finalize_is_left_out_where_it_must_be(self, quirk: tuple[str, ...], times: int) -> None:
        native = MemoryNative()
        module(native, quirks=quirk).close()
        assert native.count("C_Finalize") == times


class TestLogin:
    def test_keys_want_a_login(self) -> None:
        bench = Bench(token_with(P256), login=False)
        with pytest.raises(PinRequired) as need:
            bench.sign(P256, DIGEST)
        assert not need.value.context
        bench.login()
        assert bench.sign(P256, DIGEST)

    def test_a_wrong_pin_is_sent_once_and_keeps_the_session(self) -> None:
        bench = Bench(token_with(P256), login=False)
        for _ in range(3):
            with pytest.raises(PinIncorrect):
                bench.module.login(bench.id, WRONG)
        assert bench.native.count("C_Login") == 3
        assert bench.native.count("C_OpenSession") == len(bench.native.sessions) == 1

    def test_a_second_login_sends_nothing(self) -> None:
        bench = Bench(token_with(P256))
        bench.module.login(bench.id, WRONG)
        assert bench.native.count("C_Login") == 1

    def test_somebody_elses_login_is_as_good(self) -> None:
        bench = Bench(token_with(P256), login=False)
        bench.native.logged_in.add(id(bench.token))
        bench.login()
        assert bench.module.tokens()[0].logged_in

    def test_somebody_elses_login_that_the_token_knows_nothing_of_is_begun_anew(self) -> None:
        """The PIN has not been looked at and is not sent again unasked."""
        bench = Bench(token_with(P256), login=False)
        bench.native.fail_next("C_Login", "USER_ALREADY_LOGGED_IN")
        with pytest.raises(PinRequired):
            bench.login()
        assert bench.native.count("C_Login") == 1
        assert not bench.module.tokens()[0].logged_in
        bench.login()
        assert bench.sign(P256, DIGEST)

    def test_a_login_that_ended_without_a_word_is_noticed_by_what_is_missing(self) -> None:
        bench = Bench(token_with(P256))
        assert [key.private_seen for key in bench.objects().keys] == [True]
        bench.native.lose_login(bench.token)
        assert [key.private_seen for key in bench.objects().keys] == [False]
        assert not bench.module.tokens()[0].logged_in
        with pytest.raises(PinRequired):
            bench.sign(P256, DIGEST)

    def test_a_locked_pin_is_called_so(self) -> None:
        bench = Bench(token_with(P256), login=False)
        bench.native.fail_next("C_Login", "PIN_LOCKED")
        with pytest.raises(PinBlocked):
            bench.login()

    def test_a_login_that_the_token_dropped_is_asked_for_again(self) -> None:
        """Another program has reset the card: the next C_Login must reach it."""
        bench = Bench(token_with(P256))
        bench.sign(P256, DIGEST)
        bench.native.lose_login(bench.token)
        with pytest.raises(PinRequired):
            bench.sign(P256, DIGEST)
        assert not bench.module.tokens()[0].logged_in
        bench.login()
        assert bench.sign(P256, DIGEST)

    def test_a_lost_session_is_replaced_before_the_pin_is_sent(self) -> None:
        bench = Bench(token_with(P256), login=False)
        bench.objects()
        bench.native.lose_sessions()
        bench.login()
        assert bench.sign(P256, DIGEST)

    @pytest.mark.parametrize(
        "name", ["DEVICE_REMOVED", "TOKEN_NOT_PRESENT", "GENERAL_ERROR", "PIN_INCORRECT", "SESSION_CLOSED"]
    )
    def test_a_pin_that_may_have_been_counted_is_not_sent_twice(self, name: str) -> None:
        bench = Bench(token_with(P256), login=False)
        bench.native.fail_next("C_Login", name)
        with pytest.raises((TokenRemoved, TokenNotPresent, TokenFailure, PinIncorrect, SessionLost)):
            bench.login()
        assert bench.native.count("C_Login") == 1

    def test_a_token_that_wants_no_login_is_used_without(self) -> None:
        """Cloud KMS modules."""
        bench = Bench(token_with(P256, flags=TokenFlag.TOKEN_INITIALIZED), login=False)
        with pytest.raises(KeyNotFound):
            bench.sign(ED25519, DIGEST)

    def test_logout_ends_the_use_of_keys(self) -> None:
        bench = Bench(token_with(P256))
        bench.sign(P256, DIGEST)
        bench.module.logout(bench.id)
        with pytest.raises(PinRequired):
            bench.sign(P256, DIGEST)

    def test_a_logout_that_fails_ends_the_session(self) -> None:
        bench = Bench(token_with(P256))
        bench.native.fail_next("C_Logout", "DEVICE_ERROR")
        bench.module.logout(bench.id)
        assert bench.native.sessions == {}


class TestHandles:
    def test_a_handle_that_comes_back_for_another_key_after_a_login_is_not_trusted(self) -> None:
        """Private handles end with the login (PKCS#11 v3.1 §5.6.8), and modules count anew."""
        bench = Bench(token_with(P256, ED25519))
        bench.sign(P256, DIGEST)
        first, second = [handle for handle, one in bench.token.objects.items() if one.private]
        bench.module.logout(bench.id)
        objects = bench.token.objects
        objects[first], objects[second] = objects[second], objects[first]
        bench.login()
        key = private_key(ED25519)
        key.public_key().verify(bench.sign(ED25519, b"message"), b"message")  # type: ignore[call-arg, union-attr]

    def test_a_key_replaced_under_its_cka_id_is_not_used_for_the_old_keygrip(self) -> None:
        bench = Bench(token_with(P256))
        bench.sign(P256, DIGEST)
        bench.token.objects = {}
        bench.token.add_key(private_key("awkward-good"), b"\1", "replaced")
        bench.token.objects = {handle + 50: one for handle, one in bench.token.objects.items()}
        with pytest.raises((KeyNotFound, PinRequired)):
            bench.sign(P256, DIGEST)
        bench.login()
        with pytest.raises(KeyNotFound):
            bench.sign(P256, DIGEST)
        assert bench.sign("awkward-good", DIGEST)

    def test_a_key_that_another_program_adds_can_be_used_at_once(self) -> None:
        bench = Bench(token_with(P256))
        bench.sign(P256, DIGEST)
        bench.token.add_key(private_key(ED25519), b"\2", "new")
        assert bench.sign(ED25519, b"message")


class TestLostSessions:
    def test_a_session_closed_behind_our_back_is_opened_again(self) -> None:
        bench = Bench(token_with(P256))
        version = bench.objects().version
        bench.native.lose_sessions()
        found = bench.objects()
        assert found.version != version
        assert len(found.keys) == 1

    def test_a_signature_in_a_lost_session_asks_for_the_pin_and_succeeds_then(self) -> None:
        bench = Bench(token_with(P256))
        bench.sign(P256, DIGEST)
        bench.native.lose_sessions()
        with pytest.raises(PinRequired):
            bench.sign(P256, DIGEST)
        bench.login()
        assert bench.sign(P256, DIGEST)

    @pytest.mark.parametrize("name", ["SESSION_HANDLE_INVALID", "SESSION_CLOSED", "DEVICE_REMOVED", "OPERATION_ACTIVE"])
    def test_one_stale_answer_is_survived(self, name: str) -> None:
        bench = Bench(token_with(P256))
        bench.objects()
        bench.native.fail_next("C_FindObjectsInit", name)
        assert len(bench.objects().keys) == 1
        assert len(bench.native.sessions) == 1

    def test_a_session_that_is_always_lost_is_an_error_after_the_second_time(self) -> None:
        bench = Bench(token_with(P256))
        bench.native.fail_next("C_FindObjectsInit", *["SESSION_HANDLE_INVALID"] * 10)
        with pytest.raises(SessionLost):
            bench.objects()
        assert len(bench.native.errors["C_FindObjectsInit"]) == 8

    def test_a_token_pulled_under_an_operation_is_not_present(self) -> None:
        bench = Bench(token_with(P256))
        bench.sign(P256, DIGEST)
        bench.native.slots_.clear()
        with pytest.raises((TokenNotPresent, TokenRemoved)):
            bench.sign(P256, DIGEST)

    def test_bad_data_are_not_tried_twice(self) -> None:
        bench = Bench(token_with(P256))
        bench.native.fail_next("C_Sign", "DATA_INVALID")
        with pytest.raises(InvalidData):
            bench.sign(P256, DIGEST)
        assert bench.native.count("C_Sign") == 1
