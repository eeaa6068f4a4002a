"""Tokens that change, sessions that go, logins that come."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from scd.token.errors import (
    InvalidData,
    KeyNotFound,
    PinIncorrect,
    PinNotSet,
    PinRequired,
    TokenNotPresent,
)
from scd.token.secrets import Pin
from tests.harness.tokens import Minted
from tests.harness.tokens import load as read_minted
from tests.softhsm.loaded import Loaded, pkcs11_tool

Load = Callable[[Minted], Loaded]
DIGEST = bytes(32)


class TestTokens:
    def test_the_free_slot_is_listed_as_uninitialised(self, load: Load, minted: Minted) -> None:
        free = load(minted).tokens()[""]
        assert not free.initialized
        assert not free.pin_initialized
        assert (free.id.manufacturer, free.id.serial) == ("SoftHSM project", "")

    def test_nothing_can_be_done_with_it_and_nothing_is_spoilt(self, load: Load, minted: Minted) -> None:
        softhsm = load(minted)
        free = softhsm.id("")
        with pytest.raises(TokenNotPresent, match="CKR_TOKEN_NOT_RECOGNIZED"):
            softhsm.module.objects(free)
        with pytest.raises(TokenNotPresent):
            softhsm.module.login(free, Pin(b"1234"))
        assert softhsm.objects("work").keys

    def test_a_token_without_user_pin_says_so(self, load: Load, new_tokens: Callable[..., Minted]) -> None:
        softhsm = load(new_tokens("nopin"))
        info = softhsm.tokens()["nopin"]
        assert (info.initialized, info.login_required, info.pin_initialized) == (True, True, False)
        with pytest.raises(PinNotSet):
            softhsm.module.login(info.id, Pin(b"1234"))

    def test_two_tokens_with_one_label_are_two(self, load: Load, new_tokens: Callable[..., Minted]) -> None:
        """Same label and same keys; only the serial number differs."""
        one, other = new_tokens("clone"), new_tokens("clone", "empty")
        for folder in (other.folder / "tokens").iterdir():
            shutil.copytree(folder, one.folder / "tokens" / folder.name)
        softhsm = load(read_minted(one.folder))
        clones = [info.id for info in softhsm.module.tokens() if info.id.label == "clone"]
        assert len({token.serial for token in clones}) == 2
        softhsm.module.login(clones[0], softhsm.pin("clone"))
        states = {info.id: info.logged_in for info in softhsm.module.tokens()}
        assert (states[clones[0]], states[clones[1]]) == (True, False)
        for token, seen in zip(clones, (True, False), strict=True):
            found = softhsm.module.objects(token)
            assert found is not None
            assert [key.private_seen for key in found.keys] == [seen]


class TestLogin:
    def test_it_makes_private_only_keys_appear(self, load: Load, minted: Minted) -> None:
        softhsm = load(minted)
        before = softhsm.objects("awkward")
        assert b"\x18" not in {key.cka_id for key in before.keys}
        assert not any(key.private_seen for key in before.keys)
        softhsm.login("awkward")
        after = softhsm.objects("awkward")
        assert b"\x18" in {key.cka_id for key in after.keys}
        assert after.version != before.version

    def test_it_shows_which_public_keys_have_no_private_half(self, load: Load, minted: Minted) -> None:
        softhsm = load(minted)
        assert b"\x15" in {key.cka_id for key in softhsm.objects("awkward").keys}
        softhsm.login("awkward")
        assert b"\x15" not in {key.cka_id for key in softhsm.objects("awkward").keys}

    def test_the_keygrips_of_before_are_those_of_after(self, load: Load, minted: Minted) -> None:
        softhsm = load(minted)
        before = {(key.keygrip, key.cka_id) for key in softhsm.objects("backup").keys}
        softhsm.login("backup")
        assert {(key.keygrip, key.cka_id) for key in softhsm.objects("backup").keys} == before

    @pytest.mark.parametrize("pin", [b"", b"1", b"wrong-pin", b"x" * 300, b"\0\xff"])
    def test_a_wrong_pin_is_wrong(self, load: Load, minted: Minted, pin: bytes) -> None:
        softhsm = load(minted)
        with pytest.raises(PinIncorrect):
            softhsm.module.login(softhsm.id("work"), Pin(pin))
        softhsm.login("work")
        assert softhsm.sign(softhsm.address("work", "p256"), DIGEST)


class TestAlwaysAuthenticate:
    """SoftHSM 2.6.1 obeys CKA_ALWAYS_AUTHENTICATE for C_Sign and C_Decrypt, not for C_DeriveKey."""

    @pytest.mark.parametrize(("name", "data"), [("rsa2048", b"x" * 36), ("p256", DIGEST)])
    def test_each_signature_wants_the_pin(self, load: Load, minted: Minted, name: str, data: bytes) -> None:
        softhsm = load(minted)
        softhsm.login("always")
        key = softhsm.address("always", name)
        for _ in range(2):
            with pytest.raises(PinRequired) as need:
                softhsm.sign(key, data)
            assert need.value.context
            assert softhsm.sign(key, data, softhsm.pin("always"))

    def test_a_wrong_pin_spoils_neither_the_next_nor_other_keys(self, load: Load, minted: Minted) -> None:
        softhsm = load(minted)
        softhsm.login("always")
        key = softhsm.address("always", "p256")
        for _ in range(3):
            with pytest.raises(PinIncorrect):
                softhsm.sign(key, DIGEST, Pin(b"wrong-pin"))
        assert softhsm.tokens()["always"].logged_in
        assert softhsm.sign(softhsm.address("always", "rsa2048"), DIGEST, softhsm.pin("always"))

    def test_bad_data_are_bad_data(self, load: Load, minted: Minted) -> None:
        """A number above the modulus: wrong padding alone is answered with random octets by OpenSSL 3.2 and later."""
        softhsm = load(minted)
        softhsm.login("always")
        with pytest.raises(InvalidData):
            softhsm.decrypt(softhsm.address("always", "rsa2048"), b"\xff" * 256, softhsm.pin("always"))
        assert softhsm.tokens()["always"].logged_in

    def test_derivation_goes_without(self, load: Load, minted: Minted) -> None:
        softhsm = load(minted)
        softhsm.login("always")
        key = softhsm.address("always", "p256")
        assert len(softhsm.decrypt(key, key.public.q)) == 32  # type: ignore[union-attr]  # P-256


class TestOtherPrograms:
    NEW = ("--keypairgen", "--key-type", "EC:prime256v1", "--id", "77", "--label", "new")

    def test_what_they_add_is_listed_next_time(self, load: Load, own_tokens: Minted) -> None:
        softhsm = load(own_tokens)
        softhsm.login("work")
        version = softhsm.objects("work").version
        assert softhsm.module.objects(softhsm.id("work"), known=version) is None
        pkcs11_tool(own_tokens, "work", *self.NEW)
        assert softhsm.key("work", "new").private_seen
        assert softhsm.sign(softhsm.address("work", "new"), DIGEST)

    def test_what_they_delete_is_gone(self, load: Load, own_tokens: Minted) -> None:
        softhsm = load(own_tokens)
        softhsm.login("work")
        key = softhsm.address("work", "p256")
        softhsm.sign(key, DIGEST)
        for kind in ("privkey", "pubkey", "cert"):
            pkcs11_tool(own_tokens, "work", "--delete-object", "--type", kind, "--id", "02")
        assert "p256" not in {one.label for one in softhsm.objects("work").keys}
        with pytest.raises(KeyNotFound):
            softhsm.sign(key, DIGEST)

    def test_a_key_they_replace_is_not_used_for_the_old_keygrip(self, load: Load, own_tokens: Minted) -> None:
        """Nothing is listed in between: the old handle is all the module knows."""
        softhsm = load(own_tokens)
        softhsm.login("work")
        old = softhsm.address("work", "p256")
        softhsm.sign(old, DIGEST)
        for kind in ("privkey", "pubkey", "cert"):
            pkcs11_tool(own_tokens, "work", "--delete-object", "--type", kind, "--id", "02")
        pkcs11_tool(own_tokens, "work", "--keypairgen", "--key-type", "EC:prime256v1", "--id", "02", "--label", "p256")
        with pytest.raises((KeyNotFound, PinRequired)):
            softhsm.sign(old, DIGEST)
        softhsm.login("work")
        with pytest.raises(KeyNotFound):
            softhsm.sign(old, DIGEST)
        new = softhsm.address("work", "p256")
        assert new.public != old.public
        assert softhsm.sign(new, DIGEST)


class TestLostSessions:
    def test_a_listing_recovers(self, load: Load, minted: Minted) -> None:
        softhsm = load(minted)
        softhsm.login("work")
        before = {key.keygrip for key in softhsm.objects("work").keys}
        softhsm.close_all_sessions()
        assert {key.keygrip for key in softhsm.objects("work").keys} == before
        assert not softhsm.tokens()["work"].logged_in

    def test_a_signature_asks_for_the_pin_again(self, load: Load, minted: Minted) -> None:
        softhsm = load(minted)
        softhsm.login("work")
        key = softhsm.address("work", "rsa2048")
        signature = softhsm.sign(key, b"x" * 36)
        softhsm.close_all_sessions()
        with pytest.raises(PinRequired) as need:
            softhsm.sign(key, b"x" * 36)
        assert not need.value.context
        softhsm.login("work")
        assert softhsm.sign(key, b"x" * 36) == signature

    def test_a_login_recovers(self, load: Load, minted: Minted) -> None:
        softhsm = load(minted)
        softhsm.objects("work")
        softhsm.close_all_sessions()
        softhsm.login("work")
        assert softhsm.sign(softhsm.address("work", "p256"), DIGEST)

    def test_a_logout_without_session_is_a_success(self, load: Load, minted: Minted) -> None:
        softhsm = load(minted)
        softhsm.login("work")
        softhsm.close_all_sessions()
        softhsm.module.logout(softhsm.id("work"))
        softhsm.login("work")
        assert softhsm.sign(softhsm.address("work", "p256"), DIGEST)
