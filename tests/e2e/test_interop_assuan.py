"""The client of the PyPI package `assuan`, an independent implementation, understands the daemon."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.assuan_client import run_scd
from tests.harness.gnupg import scd_config
from tests.harness.tokens import Minted

assuan = pytest.importorskip("assuan.client")
common = pytest.importorskip("assuan.common")
AssuanError = pytest.importorskip("assuan.exception").AssuanError


@pytest.fixture
def ask(tmp_path: Path, work: Minted) -> Iterator[object]:
    """A function from command words to (status lines, data), through the daemon's socket."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "scd.conf").write_text(scd_config(work), encoding="utf-8")
    arguments = ["--multi-server", "--homedir", str(home)]
    with run_scd(arguments, work.env, stderr=tmp_path / "stderr") as daemon:
        path = os.fsdecode(daemon.client.transact("GETINFO socket_name").data)
        client = assuan.AssuanClient("scd", close_on_disconnect=True)
        client.connect(path)
        assert client.read_response().message == "OK"

        def transact(command: str, parameters: str | None = None) -> tuple[list[str], bytes | None]:
            responses, data = client.make_request(common.Request(command, parameters))
            return [common.to_str(reply.parameters) for reply in responses if reply.message == "S"], data

        yield transact
        client.disconnect()


def test_text_commands_are_understood(ask, work: Minted) -> None:  # type: ignore[no-untyped-def]
    version = ask("GETINFO", "version")[1]
    assert re.fullmatch(rb"\d+(\.\d+)+", version)
    (serial,) = ask("SERIALNO")[0]
    assert re.fullmatch(r"SERIALNO ([0-9A-F]{2})+( 0)?", serial)
    listed = {line.split()[1] for line in ask("KEYINFO", "--list")[0]}
    assert listed == {entry.keygrip for entry in work.tokens["work"].keys.values() if entry.usable}
    learnt = ask("LEARN", "--force")[0]
    assert {line.split()[1] for line in learnt if line.startswith("KEYPAIRINFO ")} == listed


def test_an_error_is_understood_and_the_connection_goes_on(ask) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AssuanError) as caught:
        ask("READKEY", "no-such-key")
    assert caught.value.code >> 24 == 6

    assert ask("GETINFO", "pid")[1].isdigit()
