"""Whom the listener lets in: the uid is what counts, whatever the modes of the socket say."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from scd.daemon.daemon import Daemon
from scd.daemon.listener import accept_clients, allowed_uids
from tests.daemon.memory import service_over

US = os.getuid()


def greeting_for(allowed: frozenset[int], path: Path) -> bytes:
    """What a client of our own uid hears when these are allowed: nothing but the end when it is hung up on."""

    async def main() -> bytes:
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(str(path))
            listener.listen()
            accepting = asyncio.create_task(accept_clients(Daemon(service_over()), listener, allowed))
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, str(path))
            heard = await asyncio.wait_for(loop.sock_recv(client, 100), 20)
            accepting.cancel()
            return heard

    return asyncio.run(main())


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "s"


@pytest.mark.parametrize("allowed", [{US}, {US, US + 1}, {US + 1, US}])
def test_an_allowed_uid_is_greeted(path: Path, allowed: set[int]) -> None:
    assert greeting_for(frozenset(allowed), path).startswith(b"OK ")


@pytest.mark.parametrize("allowed", [set(), {US + 1}, {0, 65534} - {US}])
def test_another_uid_is_hung_up_on(path: Path, allowed: set[int], caplog: pytest.LogCaptureFixture) -> None:
    assert greeting_for(frozenset(allowed), path) == b""
    assert f"op=accept result=refused uid={US}" in caplog.text


def test_allowed_are_our_own_uid_and_the_one_of_uid_acl() -> None:
    assert allowed_uids(None) == {US}
    assert allowed_uids(US + 7) == {US, US + 7}
