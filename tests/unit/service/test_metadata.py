"""What is kept for a card: on the token, else beside it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from scd.service.finding.catalogue import Card, Catalogue
from scd.service.finding.registry import RegisteredModule, Registry
from scd.service.kept.labels import LONGEST, LONGEST_RECORD, key_label, longest
from scd.service.kept.metadata import Metadata
from scd.service.kept.statefile import StateFile, StateFileError
from scd.token.errors import InvalidData, ModuleTimeout, NotSupported, PinRequired, TokenFailure
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import FakeToken, empty_token

NAME, LANGUAGE = "DISP-NAME", "DISP-LANG"


class Bench:
    """One token that is logged in, its card, and the state file in memory or at `path`."""

    def __init__(self, path: Path | None = None) -> None:
        self.token = empty_token()
        self.token.logged_in = True
        self.module = FakeModule(self.token)
        self.catalogue = Catalogue(Registry((RegisteredModule("fake", self.module),)))
        self.state = StateFile(str(path) if path else None)
        self.metadata = Metadata(self.state)

    async def card(self) -> Card:
        await self.catalogue.rescan()
        return self.catalogue.cards[0]

    async def values(self) -> dict[str, bytes]:
        return dict(await self.metadata.of(await self.card()))

    async def write(self, value: bytes | None, label: str = NAME, *, on_token: bool = True) -> None:
        await self.metadata.write(await self.card(), {label: value}, on_token=on_token)

    @property
    def beside(self) -> dict[str, bytes]:
        return self.state.read(self.token.id)

    def reads(self) -> int:
        return self.module.count(Op.READ_DATA)


def test_values_are_kept_on_the_token() -> None:
    async def body() -> None:
        bench = Bench()
        await bench.write(b"Joe")
        assert await bench.values() == {NAME: b"Joe"}
        assert (bench.token.data, bench.beside) == ({NAME: b"Joe"}, {})

    asyncio.run(body())


def test_none_deletes() -> None:
    async def body() -> None:
        bench = Bench()
        bench.token.data = {NAME: b"Joe", LANGUAGE: b"de"}
        bench.state.write(bench.token.id, NAME, b"older")
        await bench.write(None)
        assert await bench.values() == {LANGUAGE: b"de"}
        assert bench.beside == {}

    asyncio.run(body())


def test_the_tokens_own_value_counts() -> None:
    async def body() -> None:
        bench = Bench()
        bench.token.data = {NAME: b"token"}
        bench.state.write(bench.token.id, NAME, b"file")
        bench.state.write(bench.token.id, LANGUAGE, b"de")
        assert await bench.values() == {NAME: b"token", LANGUAGE: b"de"}

    asyncio.run(body())


def refuses_data(token: FakeToken, module: FakeModule) -> None:
    module.fail_next(Op.WRITE_DATA, NotSupported("the token keeps no data"))


def is_full(token: FakeToken, module: FakeModule) -> None:
    token.full = True


def is_write_protected(token: FakeToken, module: FakeModule) -> None:
    token.write_protected = True


@pytest.mark.parametrize("refuse", [refuses_data, is_full, is_write_protected])
def test_what_the_token_does_not_take_is_kept_beside_it(refuse: Callable[[FakeToken, FakeModule], None]) -> None:
    async def body() -> None:
        bench = Bench()
        refuse(bench.token, bench.module)
        await bench.write(b"Joe")
        assert await bench.values() == {NAME: b"Joe"}
        assert (bench.token.data, bench.beside) == ({}, {NAME: b"Joe"})

    asyncio.run(body())


def test_a_write_protected_token_is_not_asked() -> None:
    async def body() -> None:
        bench = Bench()
        bench.token.write_protected = True
        bench.token.logged_in = False
        await bench.write(b"Joe")
        assert bench.module.count(Op.WRITE_DATA) == 0

    asyncio.run(body())


def test_a_module_that_cannot_even_read_data_has_them_beside() -> None:
    async def body() -> None:
        bench = Bench()
        bench.module.fail_next(Op.READ_DATA, *[NotSupported("no data")] * 2)
        bench.module.fail_next(Op.WRITE_DATA, NotSupported("no data"))
        await bench.write(b"Joe")
        assert await bench.values() == await bench.values() == {NAME: b"Joe"}
        assert bench.reads() == 2

    asyncio.run(body())


def test_off_the_token_when_it_is_wanted_so() -> None:
    async def body() -> None:
        bench = Bench()
        await bench.write(b"Joe", on_token=False)
        assert await bench.values() == {NAME: b"Joe"}
        assert bench.token.data == {}

    asyncio.run(body())


def test_a_value_set_over_that_of_a_protected_token_counts() -> None:
    async def body() -> None:
        bench = Bench()
        bench.token.data = {NAME: b"old", LANGUAGE: b"de"}
        bench.token.write_protected = True
        await bench.write(b"new")
        await bench.write(None, LANGUAGE)
        assert await bench.values() == {NAME: b"new"}

    asyncio.run(body())


def test_it_counts_no_longer_when_the_token_has_something_newer() -> None:
    async def body() -> None:
        bench = Bench()
        bench.token.data = {NAME: b"old"}
        await bench.write(b"here", on_token=False)
        bench.token.data = {NAME: b"elsewhere"}
        bench.metadata.forget(await bench.card())
        assert await bench.values() == {NAME: b"elsewhere"}

    asyncio.run(body())


def test_setting_what_the_token_has_ends_what_was_set_over_it() -> None:
    async def body() -> None:
        bench = Bench()
        bench.token.data = {NAME: b"old"}
        for on_token in (True, False):
            await bench.write(b"here", on_token=False)
            await bench.write(b"old", on_token=on_token)
            assert await bench.values() == {NAME: b"old"}
            assert bench.beside == {}

    asyncio.run(body())


def test_a_write_to_the_token_takes_the_value_out_of_the_file() -> None:
    async def body() -> None:
        bench = Bench()
        bench.token.data = {NAME: b"old"}
        await bench.write(b"here", on_token=False)
        await bench.write(b"new")
        assert (bench.token.data, bench.beside) == ({NAME: b"new"}, {})

    asyncio.run(body())


def test_login_is_asked_for_by_whoever_can() -> None:
    async def body() -> None:
        bench = Bench()
        bench.token.logged_in = False
        with pytest.raises(PinRequired):
            await bench.write(b"Joe")
        assert bench.beside == {}
        bench.token.logged_in = True
        await bench.write(b"Joe")
        assert bench.token.data == {NAME: b"Joe"}

    asyncio.run(body())


@pytest.mark.parametrize(("there", "value"), [({}, None), ({NAME: b"Joe"}, b"Joe")])
def test_what_is_so_already_needs_no_login(there: dict[str, bytes], value: bytes | None) -> None:
    async def body() -> None:
        bench = Bench()
        bench.token.data = there
        bench.token.logged_in = False
        await bench.write(value)
        assert bench.module.count(Op.WRITE_DATA) == 0

    asyncio.run(body())


def test_another_failure_of_the_token_is_the_callers() -> None:
    async def body() -> None:
        bench = Bench()
        bench.module.fail_next(Op.WRITE_DATA, TokenFailure("CKR_DEVICE_ERROR"))
        with pytest.raises(TokenFailure):
            await bench.write(b"Joe")
        assert bench.beside == {}

    asyncio.run(body())


def test_values_are_read_once() -> None:
    async def body() -> None:
        bench = Bench()
        await bench.values()
        await bench.values()
        assert bench.reads() == 1

    asyncio.run(body())


def test_values_are_read_anew_after_the_token_was_away() -> None:
    async def body() -> None:
        bench = Bench()
        assert await bench.values() == {}
        bench.token.remove()
        await bench.catalogue.rescan()
        bench.token.data = {NAME: b"Joe"}
        bench.token.insert()
        assert await bench.values() == {NAME: b"Joe"}

    asyncio.run(body())


def test_values_are_read_anew_when_forgotten() -> None:
    async def body() -> None:
        bench = Bench()
        assert await bench.values() == {}
        bench.token.data = {NAME: b"Joe"}
        bench.metadata.forget(await bench.card())
        assert await bench.values() == {NAME: b"Joe"}

    asyncio.run(body())


def test_a_change_during_a_reading_is_not_forgotten() -> None:
    async def body() -> None:
        bench = Bench()
        card = await bench.card()
        gate = bench.module.hold(Op.READ_DATA)
        reading = asyncio.create_task(bench.metadata.of(card))
        await gate.reached.wait()
        bench.token.data = {NAME: b"Joe"}
        bench.metadata.forget(card)
        gate.opened.set()
        await reading
        await bench.values()
        assert bench.reads() == 2

    asyncio.run(body())


def test_a_token_that_cannot_be_read_shows_what_is_beside_it(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        bench = Bench()
        bench.token.data = {NAME: b"Joe"}
        bench.state.write(bench.token.id, LANGUAGE, b"de")
        bench.module.fail_next(Op.READ_DATA, *[ModuleTimeout("slow today")] * 2)
        assert await bench.values() == await bench.values() == {LANGUAGE: b"de"}
        assert await bench.values() == {NAME: b"Joe", LANGUAGE: b"de"}

    with caplog.at_level(logging.WARNING):
        asyncio.run(body())
    assert [one.message for one in caplog.records] == ["module=fake token=empty op=read_data result=slow today"]


def test_a_broken_state_file_spoils_no_token(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        bench = Bench(tmp_path / "state")
        (tmp_path / "state").write_text("?")
        await bench.write(b"Joe")
        assert await bench.values() == {NAME: b"Joe"}
        bench.module.fail_next(Op.READ_DATA, ModuleTimeout("slow today"))
        bench.metadata.forget(await bench.card())
        assert await bench.values() == {}

    asyncio.run(body())
    assert (tmp_path / "state").read_text() == "?"
    assert "not JSON" in caplog.text


def test_a_broken_state_file_takes_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        bench = Bench(tmp_path / "state")
        (tmp_path / "state").write_text("?")
        bench.token.full = True
        with pytest.raises(StateFileError):
            await bench.write(b"Joe")

    asyncio.run(body())


def test_a_value_that_goes_on_counting_is_no_success(tmp_path: Path) -> None:
    """The token has it, but the file, which cannot be changed, has something over it."""

    async def body() -> None:
        bench = Bench(tmp_path / "state")
        bench.token.data = {NAME: b"old"}
        await bench.write(b"here", on_token=False)
        (tmp_path / "state.lock").unlink()
        (tmp_path / "state.lock").mkdir()
        with pytest.raises(StateFileError):
            await bench.write(b"old")
        assert await bench.values() == {NAME: b"here"}

    asyncio.run(body())


def test_two_tokens_have_values_of_their_own() -> None:
    async def body() -> None:
        first, second = empty_token("1"), empty_token("2")
        catalogue = Catalogue(Registry((RegisteredModule("fake", FakeModule(first, second)),)))
        await catalogue.rescan()
        metadata = Metadata(StateFile(None))
        for card, name in zip(catalogue.cards, (b"one", b"two"), strict=True):
            await metadata.write(card, {NAME: name}, on_token=False)
        assert [await metadata.of(card) for card in catalogue.cards] == [{NAME: b"one"}, {NAME: b"two"}]

    asyncio.run(body())


@pytest.mark.parametrize(("label", "length"), [*LONGEST.items(), (key_label(bytes(20)), LONGEST_RECORD)])
def test_values_have_a_longest_length(label: str, length: int) -> None:
    async def body() -> None:
        bench = Bench()
        await bench.write(bytes(length), label)
        with pytest.raises(InvalidData, match=f"{label} has room for {length} octets, not {length + 1}"):
            await bench.write(bytes(length + 1), label)
        assert bench.token.data == {label: bytes(length)}

    asyncio.run(body())


@pytest.mark.parametrize("label", ["", "KEY.", "KEY.1234", f"KEY.{'g' * 40}", "0" * 40, "DISP-NAME over"])
def test_other_labels_are_refused(label: str) -> None:
    with pytest.raises(InvalidData, match="nothing is kept under the name"):
        longest(label)
