"""Cards that come and go without any command: who is told, what is asked of the modules, and when it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Iterator

import pytest

from scd.daemon import watch
from scd.daemon.agent import AGENT_PID
from scd.daemon.daemon import Daemon
from scd.service.finding.registry import EVENT_PATIENCE_S
from scd.token.errors import ModuleCrashed
from scd.token.port import SignRequest
from tests.daemon.memory import Client, service_over
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import backup_token, work_token

SIGNAL = int(signal.SIGUSR2)


@pytest.fixture(autouse=True)
def _we_are_the_agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Its signal comes to this process, which survives it."""
    monkeypatch.setenv(AGENT_PID, str(os.getpid()))
    before = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGUSR2, before)


class Agent:
    """gpg-agent's connection, and the signals that reach it."""

    def __init__(self, *modules: FakeModule) -> None:
        self.daemon = Daemon(service_over(*modules))
        self.daemon.watch.slow_poll_s = self.daemon.watch.poll_s = 0.001
        self.client = Client(self.daemon)
        self.client.connection.is_pipe = True
        self.signals = 0
        self._told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, self._signalled)

    def _signalled(self) -> None:
        self.signals += 1
        self._told.set()

    async def wants_signals(self) -> None:
        await self.client.line()
        await self.client.ask("SERIALNO")
        assert (await self.client.ask(f"OPTION event-signal={SIGNAL}")).code == 0

    async def told(self) -> None:
        """Wait for a signal."""
        await asyncio.wait_for(self._told.wait(), 20)
        self._told.clear()


def with_agent(*modules: FakeModule) -> Callable[[Callable[[Agent], Awaitable[None]]], None]:
    """Run a test's body with an agent that wants to be signalled."""

    def run(body: Callable[[Agent], Awaitable[None]]) -> None:
        async def main() -> None:
            agent = Agent(*modules)
            await agent.wants_signals()
            await body(agent)

        asyncio.run(main())

    return run


def polling() -> asyncio.Task[None] | None:
    """The task that polls, if one does."""
    return next((task for task in asyncio.all_tasks() if task.get_name() == watch.POLLING), None)


async def polled(module: FakeModule, op: Op, times: int) -> None:
    """Wait until the module was asked this much more often."""
    for _ in range(times):
        gate = module.hold(op)
        await asyncio.wait_for(gate.reached.wait(), 20)
        gate.opened.set()


@pytest.mark.parametrize("has_events", [True, False])
def test_the_agent_is_signalled_without_any_command(has_events: bool) -> None:
    token = work_token()
    module = FakeModule(token)
    module.has_events = has_events

    @with_agent(module)
    async def _(agent: Agent) -> None:
        token.remove()
        await agent.told()
        token.insert()
        await agent.told()
        await polled(module, Op.SLOTS_CHANGED, 3)
        assert agent.signals == 2


def test_a_module_with_events_is_looked_at_when_it_has_one() -> None:
    token = work_token()
    module = FakeModule(token)

    @with_agent(module)
    async def _(agent: Agent) -> None:
        await polled(module, Op.SLOTS_CHANGED, 2)
        before = module.count(Op.TOKENS)
        await polled(module, Op.SLOTS_CHANGED, 5)
        assert module.count(Op.TOKENS) == before
        token.remove()
        await agent.told()
        assert module.count(Op.TOKENS) == before + 1


def test_a_module_without_events_is_looked_at_each_time() -> None:
    module = FakeModule(work_token())
    module.has_events = False

    @with_agent(module)
    async def _(_agent: Agent) -> None:
        await polled(module, Op.TOKENS, 5)
        assert module.count(Op.OBJECTS) == 1  # nothing is read of a token that is known


def test_a_module_at_work_is_left_alone() -> None:
    module = FakeModule(work_token())
    module.has_events = False

    @with_agent(module)
    async def _(agent: Agent) -> None:
        gate = module.hold(Op.SIGN)
        key = agent.daemon.service.catalogue.cards[0].keys[0]
        signing = asyncio.ensure_future(module.sign(SignRequest(key.address, b"x")))
        await gate.reached.wait()
        await polled(module, Op.SLOTS_CHANGED, 1)
        before = module.count(Op.TOKENS)
        await polled(module, Op.SLOTS_CHANGED, 5)
        assert module.count(Op.TOKENS) <= before + 1  # of a look that was under way
        gate.opened.set()
        await asyncio.gather(signing, return_exceptions=True)
        await polled(module, Op.TOKENS, 2)


def test_a_module_that_does_not_answer_holds_up_nobody() -> None:
    token = work_token()
    slow, other = FakeModule(backup_token()), FakeModule(token)
    gate = None

    @with_agent(slow, other)
    async def _(agent: Agent) -> None:
        nonlocal gate
        gate = slow.hold(Op.SLOTS_CHANGED)
        await gate.reached.wait()
        assert (await agent.client.ask("SERIALNO")).code == 0
        token.remove()
        await asyncio.wait_for(agent.told(), 10 * EVENT_PATIENCE_S)
        token.insert()
        await asyncio.wait_for(agent.told(), 10 * EVENT_PATIENCE_S)
        assert slow.count(Op.SLOTS_CHANGED) <= 3
        gate.opened.set()


def test_a_failing_module_is_looked_at_and_the_others_go_on() -> None:
    token = work_token()
    failing, other = FakeModule(backup_token()), FakeModule(token)

    @with_agent(failing, other)
    async def _(agent: Agent) -> None:
        failing.fail_next(Op.SLOTS_CHANGED, ModuleCrashed("gone"))
        failing.fail_next(Op.TOKENS, ModuleCrashed("gone"))
        await agent.told()
        assert [card.module.name for card in agent.daemon.service.catalogue.cards] == ["module1"]
        token.remove()
        await agent.told()


def test_a_bug_in_a_module_does_not_end_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    class Buggy(FakeModule):
        bugs = 1

        async def slots_changed(self) -> bool | None:
            if self.bugs:
                self.bugs -= 1
                raise RuntimeError("a bug")
            return await super().slots_changed()

    token = work_token()

    @with_agent(Buggy(token))
    async def _(agent: Agent) -> None:
        token.remove()
        await agent.told()

    assert any(record.levelno == logging.ERROR and "op=watch" in record.message for record in caplog.records)


def test_nobody_polls_when_nobody_wants_to_know() -> None:
    module = FakeModule(work_token())

    @with_agent(module)
    async def _(agent: Agent) -> None:
        task = polling()
        assert task is not None
        await agent.client.ask("OPTION event-signal=0")
        await asyncio.wait_for(task, 20)
        assert polling() is None
        await agent.client.ask("SERIALNO")
        assert polling() is None


def test_polling_ends_with_the_agent_and_its_signal_too() -> None:
    token = work_token()

    @with_agent(FakeModule(token))
    async def _(agent: Agent) -> None:
        task = polling()
        assert task is not None
        agent.client.send(b"")
        await asyncio.wait_for(agent.client.task, 20)
        await asyncio.wait_for(task, 20)
        token.remove()
        await agent.daemon.service.rescan()
        agent.daemon.watch.look()
        assert agent.daemon.watch.changes == 1
        assert agent.signals == 0


def test_the_first_listing_is_no_change() -> None:
    async def main() -> None:
        agent = Agent(FakeModule(work_token()))
        agent.daemon.watch.slow_poll_s = 1000
        await agent.client.line()
        await agent.client.ask(f"OPTION event-signal={SIGNAL}")
        await agent.client.ask("SERIALNO")
        assert agent.daemon.watch.changes == 0

    asyncio.run(main())


def test_a_new_service_is_no_change_until_it_has_looked() -> None:
    """SIGHUP: new configuration, same tokens."""
    module = FakeModule(work_token())

    @with_agent(module)
    async def _(agent: Agent) -> None:
        agent.daemon.service = service_over(module)
        await polled(module, Op.SLOTS_CHANGED, 3)
        await agent.client.ask("SERIALNO")
        assert agent.daemon.watch.changes == 0


def test_a_watcher_hears_of_what_another_clients_command_brought_to_light() -> None:
    token = work_token()

    async def main() -> None:
        daemon = Daemon(service_over(FakeModule(token)))
        daemon.watch.poll_s = 1000
        watcher, other = Client(daemon), Client(daemon)
        for client in (watcher, other):
            await client.line()
        watcher.send(b"DEVINFO --watch\n")
        while await watcher.line() != "S DEVINFO_END":
            pass
        token.remove()
        await other.ask("SERIALNO")
        assert await watcher.line() == "S DEVINFO_STATUS removal"

    asyncio.run(main())


def test_a_watcher_does_not_wait_for_the_end_of_a_slow_interval() -> None:
    token = work_token()

    @with_agent(FakeModule(token))
    async def _(agent: Agent) -> None:
        agent.daemon.watch.slow_poll_s = 1000
        task = polling()
        assert task is not None
        watching = asyncio.ensure_future(agent.daemon.watch.change_after(0))
        token.remove()
        assert await asyncio.wait_for(watching, 20) == 1


def test_commands_are_answered_while_a_card_that_is_gone_is_noticed() -> None:
    """CARD_REMOVED for who worked with it, until SERIALNO; and the key is found again on the card that came back."""
    token, stays = work_token(), backup_token()

    @with_agent(FakeModule(token, stays))
    async def _(agent: Agent) -> None:
        serial = (await agent.client.ask("SERIALNO")).status("SERIALNO")
        agent.client.pins = [token.pin, token.pin]
        grip = token.keys[1].keygrip.hex().upper()
        await agent.client.ask(f"SETDATA {bytes(32).hex()}")
        assert (await agent.client.ask(f"PKSIGN {grip}")).code == 0
        token.remove()
        await agent.told()
        assert (await agent.client.ask("GETATTR KEY-ATTR")).code == 110
        token.insert()
        await agent.told()
        assert (await agent.client.ask(f"SERIALNO --demand={serial[0]}")).code == 0
        answer = await agent.client.ask(f"PKSIGN {grip}")
        assert (answer.code, len(answer.asked)) == (0, 1)  # the login went with the card
