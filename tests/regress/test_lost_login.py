"""A login that ended without a word, on a real token: keys that it showed are not taken for keys that are gone."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from scd.token.errors import PinRequired
from tests.regress.tokens import PlainTokens, new_key
from tests.softhsm.loaded import Loaded, loaded

DATA = bytes.fromhex("3031300d060960864801650304020105000420") + bytes(32)


def log_out_behind_its_back(token: Loaded) -> None:
    """As another part of the process might: C_Logout ends the login of all sessions."""
    library = ctypes.CDLL(str(token.minted.module))
    count = ctypes.c_ulong()
    library.C_GetSlotList(ctypes.c_ubyte(1), None, ctypes.byref(count))
    slots = (ctypes.c_ulong * count.value)()
    library.C_GetSlotList(ctypes.c_ubyte(1), slots, ctypes.byref(count))
    session = ctypes.c_ulong()
    assert library.C_OpenSession(slots[0], ctypes.c_ulong(4), None, None, ctypes.byref(session)) == 0
    assert library.C_Logout(session) == 0
    assert library.C_CloseSession(session) == 0


@pytest.mark.parametrize("visible", ["nothing", "the public key", "another key"])
def test_a_lost_login_is_noticed(tmp_path: Path, visible: str) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    key = new_key("rsa", tmp_path)
    tokens.write("card", "privkey", key, "--id", "01", "--label", "mine")
    if visible == "the public key":
        tokens.write("card", "pubkey", key.with_suffix(".pub"), "--id", "01", "--label", "mine")
    if visible == "another key":
        tokens.generate("card", "EC:prime256v1", "--id", "02")
    with loaded(tokens) as card:
        card.login("card")
        address = card.address("card", "mine")
        assert card.sign(address, DATA)

        log_out_behind_its_back(card)

        labels = {found.label for found in card.objects("card").keys}
        assert ("mine" in labels) is (visible == "the public key")
        assert not card.tokens()["card"].logged_in
        with pytest.raises(PinRequired):
            card.sign(address, DATA)
        card.login("card")
        assert card.sign(address, DATA)
