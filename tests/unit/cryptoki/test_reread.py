"""An object that was changed in its place is seen by who asks for it."""

from __future__ import annotations

from pkcs11 import Attribute

from scd.token.port import REREAD
from tests.fakes.keys import private_key
from tests.unit.cryptoki.memory_module import MemoryNative, module
from tests.unit.cryptoki.memory_token import MemoryToken


def test_a_new_label_is_seen_by_reading_again_only() -> None:
    token = MemoryToken("work")
    token.add_key(private_key("work-p256"), b"\1", "old name")
    loaded = module(MemoryNative(token))
    [info] = loaded.tokens()
    before = loaded.objects(info.id)
    assert before is not None
    for entry in token.objects.values():
        entry.attributes[Attribute.LABEL] = b"new name"

    assert loaded.objects(info.id, before.version) is None
    after = loaded.objects(info.id, REREAD)
    assert after is not None
    assert ([key.label for key in before.keys], [key.label for key in after.keys]) == (["old name"], ["new name"])
    assert after.version != before.version
