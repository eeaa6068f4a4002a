"""The in-process module on SoftHSM, with the few calls the tests make of it."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scd.cryptoki.module import InProcessModule
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.token.model import KeyPair, TokenId, TokenInfo, TokenObjects
from scd.token.port import DecryptRequest, KeyAddress, SignRequest
from scd.token.secrets import Pin
from tests.harness.tokens import Minted


@dataclass(frozen=True)
class Loaded:
    """A loaded module and the tokens it was given. Tokens are named by label."""

    module: InProcessModule
    minted: Minted

    def tokens(self) -> dict[str, TokenInfo]:
        return {info.id.label: info for info in self.module.tokens()}

    def id(self, label: str) -> TokenId:
        return self.tokens()[label].id

    def pin(self, label: str) -> Pin:
        return Pin(self.minted.tokens[label].pin.encode())

    def login(self, label: str) -> None:
        self.module.login(self.id(label), self.pin(label))

    def objects(self, label: str) -> TokenObjects:
        found = self.module.objects(self.id(label))
        assert found is not None
        return found

    def key(self, label: str, name: str) -> KeyPair:
        """The key with this label."""
        return next(key for key in self.objects(label).keys if key.label == name)

    def address(self, label: str, name: str) -> KeyAddress:
        key = self.key(label, name)
        return KeyAddress(self.id(label), key.cka_id, key.public)

    def sign(self, key: KeyAddress, data: bytes, pin: Pin | None = None) -> bytes:
        return self.module.sign(SignRequest(key, data, pin))

    def decrypt(self, key: KeyAddress, data: bytes, pin: Pin | None = None) -> bytes:
        return self.module.decrypt(DecryptRequest(key, data, pin))

    def close_all_sessions(self) -> None:
        """Behind the module's back, as another part of this process might."""
        library = ctypes.CDLL(str(self.minted.module))
        count = ctypes.c_ulong()
        library.C_GetSlotList(ctypes.c_ubyte(1), None, ctypes.byref(count))
        slots = (ctypes.c_ulong * count.value)()
        library.C_GetSlotList(ctypes.c_ubyte(1), slots, ctypes.byref(count))
        for slot in slots:
            library.C_CloseAllSessions(ctypes.c_ulong(slot))


@contextmanager
def loaded(minted: Minted) -> Iterator[Loaded]:
    """SoftHSM with these tokens, in this process; it reads SOFTHSM2_CONF at each C_Initialize."""
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ.update(minted.env)
    try:
        module = InProcessModule(ModuleConfig("softhsm2", str(minted.module)))
        try:
            yield Loaded(module, minted)
        finally:
            module.close()
    finally:
        del os.environ["SOFTHSM2_CONF"]
        if before is not None:
            os.environ["SOFTHSM2_CONF"] = before


def pkcs11_tool(minted: Minted, label: str, *arguments: str) -> None:
    """Another program at work on a token, logged in."""
    token = minted.tokens[label]
    command = ["pkcs11-tool", "--module", str(minted.module), "--token-label", label, "--login", "--pin", token.pin]
    subprocess.run([*command, *arguments], env=os.environ | minted.env, check=True, capture_output=True)
