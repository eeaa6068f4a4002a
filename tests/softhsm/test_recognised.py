"""SoftHSM under a name that says nothing: its quirks are obeyed all the same."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker.client import WorkerModule
from tests.harness.tokens import Minted


@pytest.mark.parametrize(("profile", "sees"), [("default", True), ("", False)])
def test_a_token_that_comes_later_is_seen(
    own_tokens: Minted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, sees: bool
) -> None:
    """SoftHSM reads its folder at C_Initialize only. Without a look at C_GetInfo the token would not be there."""
    library = tmp_path / "vendor.so"
    shutil.copyfile(own_tokens.module, library)
    monkeypatch.setenv("SOFTHSM2_CONF", str(own_tokens.config))
    tokens, aside = own_tokens.folder / "tokens", own_tokens.folder / "aside"
    assert tokens.is_dir()
    tokens.rename(aside)
    tokens.mkdir()

    async def main() -> set[str]:
        module = WorkerModule(ModuleConfig("mine", str(library), profile=profile))
        assert not {info.id.label for info in await module.tokens() if info.initialized}
        tokens.rmdir()
        aside.rename(tokens)
        found = {info.id.label for info in await module.tokens() if info.initialized}
        await module.close()
        return found

    assert bool(asyncio.run(main())) is sees
