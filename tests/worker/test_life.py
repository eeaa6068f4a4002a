"""A worker's start, its back-off, its end, and what surrounds its process."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import textwrap

import pytest

from scd.cryptoki.worker.client import WorkerModule
from scd.cryptoki.worker.spawn import spawn
from scd.cryptoki.worker.state import WorkerState
from scd.token.errors import ModuleCrashed, ModuleTimeout, ModuleUnavailable
from scd.token.port import GenerateRequest
from tests.harness.tokens import REPOSITORY
from tests.worker.loop import in_loop
from tests.worker.workers import TOKEN, Clock, config, ended, is_reaped, sign, start, worker


@in_loop
async def test_a_module_that_cannot_be_loaded_says_why_and_when_it_is_tried_again() -> None:
    clock = Clock()
    async with worker("missing", clock=clock) as module:
        for _ in range(2):
            with pytest.raises(ModuleUnavailable, match=r"cannot load /nowhere/odd\.so"):
                await module.tokens()
        with pytest.raises(ModuleUnavailable, match=r"cannot load /nowhere/odd\.so; next start in 0\.5 s"):
            await module.tokens()
        assert module.epoch == 2
        assert not module.available
        clock.now += 0.5
        assert module.available
        with pytest.raises(ModuleUnavailable, match="cannot load"):
            await module.tokens()
        assert module.epoch == 3


@in_loop
async def test_a_crash_while_loading_makes_the_module_unavailable() -> None:
    async with worker("load crash") as module:
        with pytest.raises(ModuleUnavailable, match="SIGSEGV while it was loading"):
            await module.tokens()


@in_loop
async def test_loading_has_a_deadline() -> None:
    async with worker("load hang", load_timeout_s=0.3) as module:
        with pytest.raises(ModuleTimeout):
            await module.tokens()


@in_loop
async def test_crashes_in_a_row_are_held_back_until_the_time_is_over() -> None:
    clock = Clock()
    async with worker(clock=clock) as module:
        for _ in range(2):
            with pytest.raises(ModuleCrashed):
                await module.sign(sign(b"abort"))
        with pytest.raises(ModuleUnavailable, match=r"SIGABRT; next start in 0\.5 s"):
            await module.sign(sign(b"pid"))
        clock.now += 0.5
        assert await module.sign(sign(b"pid"))


@in_loop
async def test_a_minute_of_health_forgives() -> None:
    clock = Clock()
    async with worker(clock=clock) as module:
        for _ in range(4):
            await module.sign(sign(b"pid"))
            clock.now += 60
            with pytest.raises(ModuleCrashed):
                await module.sign(sign(b"abort"))
        assert await module.sign(sign(b"pid"))


@in_loop
async def test_a_worker_that_ended_between_requests_is_not_noticed_by_the_next_one() -> None:
    async with worker() as module:
        pid = int(await module.sign(sign(b"pid")))
        os.kill(pid, signal.SIGKILL)
        await ended(pid)
        assert int(await module.sign(sign(b"pid"))) != pid


@in_loop
async def test_who_leaves_does_not_take_the_others_answer_along() -> None:
    """The module goes on with a request whose caller was cancelled; its late answer belongs to nobody."""
    async with worker() as module:
        await module.tokens()
        gone = asyncio.create_task(module.sign(sign(b"say")))
        await asyncio.sleep(0)  # it is sent
        gone.cancel()
        assert (await module.sign(sign(b"pid"))).isdigit()
        assert module.load == 0
        assert module.epoch == 1


@in_loop
async def test_a_caller_that_left_still_counts_against_the_deadline() -> None:
    async with worker(timeout_s=1) as module:
        await module.tokens()
        gone = asyncio.create_task(module.sign(sign(b"hang")))
        await asyncio.sleep(0)
        gone.cancel()
        assert (await module.sign(sign(b"pid"))).isdigit()
        assert module.epoch == 2


@in_loop
async def test_versions_of_two_children_never_agree() -> None:
    async with worker() as module:
        first = await module.objects(TOKEN)
        assert first is not None
        assert await module.objects(TOKEN, first.version) is None
        with pytest.raises(ModuleCrashed):
            await module.sign(sign(b"abort"))
        second = await module.objects(TOKEN, first.version)
        assert second is not None
        assert second.version != first.version


@in_loop
async def test_health_tells_what_happened() -> None:
    async with worker() as module:
        assert module.health().state is WorkerState.NOT_STARTED
        pid = int(await module.sign(sign(b"pid")))
        assert module.health().pid == pid
        with pytest.raises(ModuleCrashed):
            await module.sign(sign(b"leave"))
        ended = module.health()
        assert (ended.pid, ended.state, ended.restarts) == (None, WorkerState.ENDED, 0)
        await module.sign(sign(b"pid"))
        health = module.health()
        assert (health.state, health.restarts, health.requests) == (WorkerState.READY, 1, 3)
        assert health.last_error is not None
        assert "status 7" in health.last_error
    assert module.health().state is WorkerState.CLOSED


def test_a_worker_may_be_started_before_there_is_a_loop() -> None:
    process = start(config())

    @in_loop
    async def scenario() -> None:
        module = WorkerModule(config(), started=process, start=start)
        assert int(await module.sign(sign(b"pid"))) == process.pid
        await module.close()

    scenario()


def test_a_worker_that_was_never_asked_is_ended_by_close() -> None:
    process = start(config())
    asyncio.run(WorkerModule(config(), started=process).close())
    assert is_reaped(process.pid)


@in_loop
async def test_close_leaves_no_process_and_answers_nobody_any_more() -> None:
    async with worker() as module:
        pid = int(await module.sign(sign(b"pid")))
        await module.close()
        assert is_reaped(pid)
        with pytest.raises(ModuleUnavailable, match="closed"):
            await module.sign(sign(b"pid"))


@in_loop
async def test_a_module_that_hangs_in_finalize_is_ended() -> None:
    async with worker("hang at the end") as module:
        pid = int(await module.sign(sign(b"pid")))
        await module.close()
        assert is_reaped(pid)


@in_loop
async def test_logout_starts_no_worker() -> None:
    async with worker() as module:
        await module.logout(TOKEN)
        assert module.epoch == 0


@in_loop
async def test_signals_meant_for_the_daemon_do_not_end_workers() -> None:
    async with worker() as module:
        pid = int(await module.sign(sign(b"pid")))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            os.kill(pid, number)
        assert int(await module.sign(sign(b"pid"))) == pid


def test_signals_that_come_before_the_worker_is_up_do_not_end_it_either() -> None:
    process = start(config())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        os.kill(process.pid, number)

    @in_loop
    async def scenario() -> None:
        module = WorkerModule(config(), started=process)
        assert int(await module.sign(sign(b"pid"))) == process.pid
        await module.close()

    scenario()


def test_a_worker_that_ended_before_it_was_told_what_to_load_is_unavailable() -> None:
    process = spawn(config(), argv=(sys.executable, "-I", "-c", "pass"))

    @in_loop
    async def scenario() -> None:
        await ended(process.pid)
        module = WorkerModule(config(), started=process)
        with pytest.raises(ModuleUnavailable, match="exited with status 0 while it was loading"):
            await module.tokens()
        await module.close()

    scenario()


@in_loop
async def test_a_worker_inherits_the_environment_and_no_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCD_TEST_WORD", "heard")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        async with worker() as module:
            assert await module.sign(sign(b"environment")) == b"heard"
            # The last one belongs to the listing itself.
            assert sorted(map(int, (await module.sign(sign(b"descriptors"))).split()))[:-1] == [0, 1, 2, 3]
    finally:
        os.close(reading)
        os.close(writing)


@in_loop
async def test_a_worker_leaves_no_core_and_cannot_be_read_by_others() -> None:
    async with worker() as module:
        assert await module.sign(sign(b"confinement")) == b"((0, 0), 0)"


def test_a_stuck_worker_goes_when_the_daemon_is_killed() -> None:
    script = """
        import sys
        from scd.cryptoki.worker.frames import frame
        from scd.cryptoki.worker.messages import encode_request
        from scd.token.port import Call
        from tests.worker.workers import config, sign, start
        process = start(config())
        process.sock.recv(1)  # Ready
        process.sock.sendall(frame(encode_request(Call("sign", (sign(b"hang"),))), 1))
        print(process.pid, flush=True)
        sys.stdin.read()
    """
    daemon = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
    )  # fmt: skip
    assert daemon.stdout is not None
    with daemon:
        pidfd = os.pidfd_open(int(daemon.stdout.readline()))
        daemon.kill()
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    ended = poll.poll(10_000)
    os.close(pidfd)
    assert ended


def test_spawning_costs_neither_asyncio_nor_subprocess() -> None:
    script = (
        "import sys; from scd.cryptoki.worker import spawn; spawn._configure(spawn.ModuleConfig('a', 'b'), 20);"
        "heavy = {'asyncio', 'subprocess', 'logging', 'pkcs11', 'asn1crypto', 'cryptography'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_worker_without_standard_streams_around_it_serves_as_well() -> None:
    """A daemon whose descriptors 0 to 2 are closed: the socket pair itself may get those numbers."""
    script = """
        import asyncio, os
        for number in (0, 1, 2):
            os.close(number)
        from tests.worker.workers import sign, worker
        async def scenario():
            async with worker() as module:
                return await module.sign(sign(b"say"))
        os._exit(0 if asyncio.run(scenario()) == b"said" else 1)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=REPOSITORY).returncode == 0


@in_loop
async def test_a_renewed_worker_is_another_process_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async with worker() as module:
        first = int(await module.sign(sign(b"pid")))
        await module.renew()
        assert module.epoch == 2
        assert module.available
        second = int(await module.sign(sign(b"pid")))
        assert second != first
        await ended(first)
        await module.renew()
        await module.renew()
        assert module.epoch == 4
        assert not [record for record in caplog.records if "result=ended" in record.message]


@in_loop
async def test_a_worker_is_renewed_when_its_question_is_answered() -> None:
    async with worker() as module:
        asked = asyncio.ensure_future(module.sign(sign(b"pid")))
        await asyncio.sleep(0)
        await module.renew()
        assert int(await asked) > 0
        assert module.epoch == 2


@in_loop
async def test_a_worker_that_does_not_run_is_not_renewed() -> None:
    async with worker() as module:
        await module.renew()
        assert module.epoch == 0


@in_loop
async def test_a_worker_that_hangs_at_its_end_is_renewed_all_the_same() -> None:
    async with worker("hang at the end") as module:
        first = int(await module.sign(sign(b"pid")))
        await module.renew()
        assert int(await module.sign(sign(b"pid"))) != first


@in_loop
async def test_a_worker_that_does_not_run_is_not_started_for_events() -> None:
    async with worker() as module:
        assert await module.slots_changed() is False
        assert module.epoch == 0
        await module.tokens()
        assert await module.slots_changed() is None


@in_loop
async def test_a_worker_at_work_is_not_asked_for_events() -> None:
    async with worker() as module:
        await module.tokens()
        working = asyncio.ensure_future(module.sign(sign(b"pid")))
        await asyncio.sleep(0)
        assert await module.slots_changed() is False
        await working
        assert await module.slots_changed() is None


@in_loop
async def test_a_module_that_hangs_in_its_events_is_asked_once() -> None:
    async with worker("hang in events", timeout_s=0.3) as module:
        await module.tokens()
        with pytest.raises(ModuleTimeout):
            await module.slots_changed()
        await module.tokens()
        assert await module.slots_changed() is None
        assert await module.tokens() == ()
        assert module.epoch == 2


@in_loop
async def test_a_question_that_may_take_long_does_not_lengthen_the_next_one_s_time() -> None:
    """The worker ends by itself after a minute, which would be a crash."""
    async with worker(timeout_s=0.3, generate_timeout_s=600) as module:
        await module.generate(GenerateRequest(TOKEN, "rsa2048", b"\1", "", True, True))
        with pytest.raises(ModuleTimeout, match=r"within 0\.3 s"):
            await module.sign(sign(b"hang"))
