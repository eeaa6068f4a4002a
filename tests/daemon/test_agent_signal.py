"""gpg-agent's signal goes to gpg-agent, not to whoever has got its process id since."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scd.daemon.agent import AGENT_PID
from scd.daemon.watch import Watch
from tests.daemon.memory import service_over
from tests.fakes.fake_module import FakeModule
from tests.fakes.fake_token import work_token

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
TRIES = 50


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A process that a signal ends."""
    with sleeper() as process:
        monkeypatch.setenv(AGENT_PID, str(process.pid))
        yield process
        process.kill()


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"])


def with_the_pid_of(dead: int) -> subprocess.Popen[bytes]:
    """Another process with that number."""
    for _ in range(TRIES):
        LAST_PID.write_text(str(dead - 1))
        process = sleeper()
        if process.pid == dead:
            return process
        process.kill()
        process.wait()
    raise AssertionError(f"no process could be made with the number {dead}")


def a_card_goes(while_watched: subprocess.Popen[bytes], *, ended: bool) -> subprocess.Popen[bytes]:
    """gpg-agent asks for SIGUSR1 and, with `ended`, ends; then a card goes. Who has the agent's process id."""
    token = work_token()
    service = service_over(FakeModule(token))
    holder = while_watched

    async def main() -> None:
        nonlocal holder
        await service.rescan()
        watch = Watch(lambda: service)
        watch.look()
        watch.signal_agent(signal.SIGUSR1)
        if ended:
            while_watched.kill()
            while_watched.wait()
            holder = with_the_pid_of(while_watched.pid)
        token.remove()
        await service.rescan()
        watch.look()
        assert watch.changes == 1
        watch.signal_agent(0)

    asyncio.run(main())
    return holder


def test_the_agent_is_signalled(agent: subprocess.Popen[bytes]) -> None:
    assert a_card_goes(agent, ended=False).wait(20) == -signal.SIGUSR1


@pytest.mark.skipif(not os.access(LAST_PID, os.W_OK), reason="process ids cannot be chosen here")
def test_a_recycled_process_id_is_not(agent: subprocess.Popen[bytes]) -> None:
    other = a_card_goes(agent, ended=True)
    assert other.pid == agent.pid
    other.terminate()  # SIGUSR1, had it come, would have ended it
    assert other.wait(20) == -signal.SIGTERM
