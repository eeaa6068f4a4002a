"""What a module does to its own process costs the request in flight and nothing else."""

from __future__ import annotations

import asyncio
import os

import pytest

from scd.token.errors import ModuleCrashed, ModuleTimeout, PinRequired, TokenError, TokenFailure, WrongKeyUsage
from tests.worker.loop import in_loop
from tests.worker.misbehaving import SECRET
from tests.worker.workers import ended, is_reaped, sign, worker


@pytest.mark.parametrize(
    ("what", "how"),
    [
        (b"abort", "SIGABRT"),
        (b"crash", "SIGSEGV"),
        (b"leave", "exited with status 7"),
        (b"fork and exit", "exited with status 0"),
        (b"garbage", "bad frame"),
        (b"oversize", "bad frame"),
        (b"surrogate", "bad frame"),
        (b"surrogate in the log", "bad frame"),
        (b"flood", "floods the log"),
        (b"a record too long", "floods the log"),
        (b"a name too long", "floods the log"),
    ],
)
@in_loop
async def test_a_worker_that_ends_or_talks_nonsense_costs_one_request(what: bytes, how: str) -> None:
    async with worker() as module:
        before = await module.sign(sign(b"pid"))
        doomed, next_one = await asyncio.gather(
            module.sign(sign(what)), module.sign(sign(b"pid")), return_exceptions=True
        )
        assert isinstance(doomed, ModuleCrashed)
        assert how in str(doomed)
        assert isinstance(next_one, bytes)
        assert next_one != before
        assert module.epoch == 2
        await ended(int(before))  # it has its grace
        assert is_reaped(int(before))


@in_loop
async def test_a_worker_that_hangs_is_ended_in_time() -> None:
    async with worker(timeout_s=1) as module:
        before = int(await module.sign(sign(b"pid")))
        with pytest.raises(ModuleTimeout, match="within 1 s"):
            await module.sign(sign(b"hang"))
        await ended(before)
        assert int(await module.sign(sign(b"pid"))) != before


@in_loop
async def test_a_module_that_closes_the_socket_is_a_crash() -> None:
    async with worker() as module:
        with pytest.raises(ModuleCrashed, match="SIGKILL"):
            await module.sign(sign(b"close socket"))
        assert await module.sign(sign(b"pid"))


@in_loop
async def test_a_second_answer_ends_the_worker_before_it_can_be_mistaken() -> None:
    async with worker() as module:
        assert await module.sign(sign(b"twice")) == b"first"
        # The second answer, b"sent", comes before or after the next question.
        (next_one,) = await asyncio.gather(module.sign(sign(b"pid")), return_exceptions=True)
        assert isinstance(next_one, ModuleCrashed) or (isinstance(next_one, bytes) and next_one.isdigit())
        assert (await module.sign(sign(b"pid"))).isdigit()
        assert module.epoch == 2


@in_loop
async def test_errors_of_the_port_arrive_as_they_were_raised() -> None:
    async with worker() as module:
        with pytest.raises(PinRequired, match="PIN, please") as need:
            await module.sign(sign(b"need pin"))
        assert need.value.context
        with pytest.raises(WrongKeyUsage, match="not this way"):
            await module.sign(sign(b"refuse"))
        assert module.epoch == 1


@in_loop
async def test_a_bug_in_the_module_is_named_but_not_quoted(caplog: pytest.LogCaptureFixture) -> None:
    async with worker() as module:
        with pytest.raises(TokenFailure, match="ValueError") as failure:
            await module.sign(sign(b"fail"))
        assert module.epoch == 1
    assert "misbehaving.py" in caplog.text
    assert SECRET not in caplog.text + str(failure.value)


@in_loop
async def test_an_answer_over_the_limit_is_refused_by_the_worker_itself() -> None:
    async with worker() as module:
        with pytest.raises(TokenFailure, match="limit"):
            await module.sign(sign(b"big"))
        assert module.epoch == 1


@in_loop
async def test_a_request_over_the_limit_is_refused_before_it_is_sent() -> None:
    async with worker() as module:
        with pytest.raises(TokenError, match="limit"):
            await module.sign(sign(bytes(17 * 1024 * 1024)))
        assert await module.sign(sign(b"pid"))
        assert module.epoch == 1


@in_loop
async def test_a_large_request_and_a_large_answer_arrive_whole() -> None:
    from scd.token.port import DecryptRequest
    from tests.worker.workers import KEY

    data = os.urandom(5_000_000)
    async with worker() as module:
        assert await module.decrypt(DecryptRequest(KEY, data)) == data


def test_what_a_module_prints_never_reaches_our_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    @in_loop
    async def scenario() -> None:
        async with worker() as module:
            assert await module.sign(sign(b"say")) == b"said"

    scenario()
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "says the module" in printed.err


@in_loop
async def test_a_module_reads_nothing_from_our_standard_input() -> None:
    async with worker() as module:
        assert await module.sign(sign(b"stdin")) == b""


@in_loop
async def test_log_records_are_handed_on_above_the_level(caplog: pytest.LogCaptureFixture) -> None:
    async with worker() as module:
        assert await module.sign(sign(b"log")) == b"logged"
    assert [r.getMessage() for r in caplog.records if "some.module" in r.getMessage()] == [
        "module=odd some.module: tokens=2 and more"
    ]


@in_loop
async def test_a_log_call_with_a_mistake_costs_nothing_but_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async with worker() as module:
        assert await module.sign(sign(b"log wrongly")) == b"logged"
        assert await module.sign(sign(b"log")) == b"logged"
    assert "unprintable log record (TypeError) of some.module, line" in caplog.text
    assert SECRET not in caplog.text


@in_loop
async def test_what_a_flood_leaves_in_the_log_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async with worker() as module:
        with pytest.raises(ModuleCrashed):
            await module.sign(sign(b"flood"))
        assert caplog.text.count("once more") == 1000
        for _ in range(1001):
            await module.sign(sign(b"log"))  # a record with each question is no flood
        assert module.epoch == 2


@in_loop
async def test_a_record_of_the_worker_s_own_is_cut_and_words_that_are_no_unicode_are_mended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with worker() as module:
        assert await module.sign(sign(b"speak at length")) == b"logged"
        assert 700 < caplog.text.count("long ") < 900
        with pytest.raises(WrongKeyUsage, match=r"^not with /tmp/\?$"):
            await module.sign(sign(b"mutter"))
        assert module.epoch == 1
