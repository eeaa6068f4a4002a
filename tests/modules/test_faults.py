"""Tokens without room, that cannot be written to, and whose security officer is locked out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scd.cryptoki.worker.state import WorkerState
from scd.token.errors import (
    PinBlocked,
    SoPinBlocked,
    SoPinIncorrect,
    TokenError,
    TokenFailure,
    TokenReadOnly,
)
from scd.token.model import DataRecord, PinTries
from scd.token.port import GenerateRequest
from scd.token.secrets import Pin
from tests.modules.beds import nss, softhsm
from tests.modules.beds.bed import Bed, Presence, Unavailable, isolated
from tests.modules.beds.tools import certify, run
from tests.modules.port import Port, open_port
from tests.modules.test_new_keys import PLACE, imported

ROOM_KIB = 512
SO_LOCKABLE = ("opencryptoki",)
REMOVABLE_AND_WRITABLE = ("softhsm2", "p11-kit-client")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A little disk of its own, in the namespaces of `make test-modules`."""
    try:
        isolated("a disk that is full")
    except Unavailable as reason:
        pytest.skip(str(reason))
    folder = tmp_path / "disk"
    folder.mkdir()
    run(["mount", "-t", "tmpfs", "-o", f"size={ROOM_KIB}k", "tmpfs", folder], {})
    yield folder
    run(["umount", "--lazy", folder], {})


@pytest.fixture
def softhsm_port(disk: Path, tmp_path: Path) -> Iterator[Port]:
    """SoftHSM with its tokens on that disk, logged in."""
    with softhsm.open_bed(disk / "softhsm") as bed, open_port(bed, tmp_path / "port") as port:
        port.login()
        yield port


def fill(disk: Path) -> Path:
    """No room is left for anything; the file that took it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            return filler


def refuse_everything(port: Port, kinds: tuple[type[TokenError], ...]) -> None:
    """Whatever is written; the token goes away for a while in between with some (SoftHSM 2.6.1), and the login."""
    key = next(iter(port.bed.keys.values()))
    token = port.token
    changes = (
        lambda: port.generate("nistp256", PLACE),
        lambda: port.take_in(imported("nistp256"), PLACE),
        lambda: port.module.write_certificate(token, key.cka_id, "mine", certify(key.public, "Written")),
        lambda: port.module.write_data(token, (DataRecord("login", b"alice"),)),
    )
    for change in changes:
        port.run(port.module.tokens())
        port.login()
        with pytest.raises(kinds):
            port.run(change())
    port.run(port.module.tokens())
    port.login()


def test_a_full_token_keeps_what_it_has_and_nothing_else(softhsm_port: Port, disk: Path) -> None:
    before = softhsm_port.content()
    filler = fill(disk)

    refuse_everything(softhsm_port, (TokenFailure,))

    assert softhsm_port.content() == before
    filler.unlink()
    softhsm_port.run(softhsm_port.generate("nistp256", PLACE))
    (key,) = softhsm_port.keys_at(PLACE)
    softhsm_port.assert_works(key)


def test_a_folder_that_cannot_be_written_to_is_said(softhsm_port: Port, disk: Path) -> None:
    before = softhsm_port.content()
    run(["mount", "-o", "remount,ro", disk], {})

    refuse_everything(softhsm_port, (TokenFailure,))

    assert softhsm_port.content() == before
    run(["mount", "-o", "remount,rw", disk], {})
    softhsm_port.run(softhsm_port.generate("nistp256", PLACE))
    (key,) = softhsm_port.keys_at(PLACE)
    softhsm_port.assert_works(key)


def test_a_database_opened_for_reading_is_read_only(tmp_path: Path) -> None:
    try:
        with nss.open_bed(tmp_path) as bed, open_port(_read_only(bed), tmp_path / "port") as port:
            port.login()
            before = port.content()

            refuse_everything(port, (TokenReadOnly,))
            with pytest.raises(TokenReadOnly):
                port.run(port.module.change_pin(port.token, port.pin(), port.pin("246813")))

            port.login()
            assert port.content() == before
            port.assert_works(before[0][0])
    except Unavailable as reason:
        pytest.skip(str(reason))


def _read_only(bed: Bed) -> Bed:
    (init_args,) = bed.options
    return replace(bed, options=(f"{init_args}readOnly",))


@pytest.mark.parametrize("bed_name", SO_LOCKABLE, indirect=True, scope="session")
def test_a_locked_so_pin_is_told_and_the_user_goes_on(own_bed: Bed, tmp_path: Path) -> None:
    with open_port(own_bed, tmp_path / "port") as port:
        for left in (PinTries.LOW, PinTries.FINAL, PinTries.LOCKED):
            with pytest.raises(SoPinIncorrect):
                reset(port, "11111111")
            assert port.info.so_pin_tries is left

        with pytest.raises(SoPinBlocked):
            reset(port, own_bed.so_pin)

        assert port.info.pin_tries is PinTries.FULL
        port.login()
        port.assert_works(port.content()[0][0])


@pytest.mark.parametrize("bed_name", SO_LOCKABLE, indirect=True, scope="session")
def test_the_officer_revives_a_blocked_pin(own_bed: Bed, tmp_path: Path) -> None:
    with open_port(own_bed, tmp_path / "port") as port:
        for _ in range(3):
            with pytest.raises(TokenError):
                port.login(own_bed.wrong_pin)
        assert port.info.pin_tries is PinTries.LOCKED
        with pytest.raises(PinBlocked):
            port.login()

        reset(port, own_bed.so_pin)

        port.run(port.module.change_pin(port.token, port.pin("246813"), port.pin()))
        port.login()
        port.assert_works(port.content()[0][0])


@pytest.mark.parametrize("bed_name", REMOVABLE_AND_WRITABLE, indirect=True, scope="session")
def test_a_token_pulled_while_it_makes_a_key_is_whole_when_it_is_back(own_bed: Bed, tmp_path: Path) -> None:
    presence = own_bed.presence
    assert presence is not None
    with open_port(own_bed, tmp_path / "port") as port:
        port.login()
        before, _ = port.content()

        port.run(_pulled(port, GenerateRequest(port.token, "rsa4096", PLACE, "new", True, True), presence))
        presence.put_back()

        port.run(port.module.tokens())
        port.login()
        after, _ = port.content()
        assert [key for key in after if key.cka_id != PLACE] == list(before)
        for key in after:
            assert key.private_seen
            port.assert_works(key)
        port.run(port.generate("rsa2048", b"\xaa\2"))
        (key,) = port.keys_at(b"\xaa\2")
        port.assert_works(key)


async def _pulled(port: Port, request: GenerateRequest, presence: Presence) -> None:
    """The token goes when the worker is at work on the key."""
    making = asyncio.ensure_future(port.module.generate(request))
    await asyncio.sleep(0)  # it is sent
    assert port.module.health().state is WorkerState.BUSY
    presence.take_away()
    with pytest.raises(TokenError):
        await making


def reset(port: Port, so_pin: str) -> None:
    port.run(port.module.reset_pin(port.token, Pin(so_pin.encode()), port.pin("246813")))
