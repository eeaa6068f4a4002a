"""A module that hangs in the loader is waited for once, and no longer than its time-out; the others do their work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.regress.tokens import PlainTokens, daemon


@pytest.fixture
def stuck(tmp_path: Path) -> Path:
    """A library whose loading never ends: somebody would have to write into it (fifo(7))."""
    library = tmp_path / "stuck.so"
    os.mkfifo(library)
    return library


def test_a_module_that_hangs_while_it_is_loaded_is_in_the_way_once(tmp_path: Path, stuck: Path) -> None:
    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    tokens.generate("card", "EC:prime256v1", "--id", "01")
    config = f"provider-stuck-library {stuck}\nprovider-stuck-timeout 1\n"
    with daemon(tokens, tmp_path, config, beside="stuck") as client:
        for _ in range(20):
            assert len(client.transact("LEARN --force").values("KEYPAIRINFO")) == 1
            assert client.transact("SERIALNO").ok
        state = client.transact("GETINFO reader_list").data.decode()
    log = (tmp_path / "scd.log").read_text()
    assert log.count("module=stuck op=tokens result=slow: it is left out until it answers") == 1
    assert "module stuck did not answer within 1 s" in log
    assert "stuck" in state
    assert "failed" in state
