"""The buffers in which a private key is handed to a module are overwritten, whatever the module says."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from pkcs11 import Attribute

from scd.cryptoki.calls.ckr import CkrError
from scd.cryptoki.calls.nativewrites import create_object
from tests.unit.cryptoki.memory_module import MemoryNative
from tests.unit.cryptoki.memory_token import MemoryToken, Refused

SECRET = {int(Attribute.LABEL): b"label", int(Attribute.PRIVATE_EXPONENT): bytes(range(1, 200))}


class Keeping(MemoryNative):
    """A module that keeps hold of the templates it is given; they keep the buffers they point to."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.seen: list[dict[int, bytes]] = []
        self.refuses = False
        super().__init__(MemoryToken("memory"))

    def C_CreateObject(self, _session: int, template: Any, _count: int, handle: Any) -> None:
        self.kept.append(template)
        self.seen.append(contents(template))
        if self.refuses:
            raise Refused("TEMPLATE_INCONSISTENT")
        handle.value = 1


def contents(template: Any) -> dict[int, bytes]:
    return {int(one.type): ctypes.string_at(one.value, one.length) for one in template}


@pytest.mark.parametrize("refuses", [False, True])
def test_they_hold_nothing_afterwards(refuses: bool) -> None:
    native = Keeping()
    native.refuses = refuses
    session = native.open_session(0)
    if refuses:
        with pytest.raises(CkrError, match="TEMPLATE_INCONSISTENT"):
            create_object(native, session, SECRET)
    else:
        assert create_object(native, session, SECRET) == 1
    assert native.seen == [SECRET]
    assert contents(native.kept[0]) == {kind: bytes(len(value)) for kind, value in SECRET.items()}
