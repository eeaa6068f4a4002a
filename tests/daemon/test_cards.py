"""Several cards, several clients, and cards that come and go."""

from __future__ import annotations

import asyncio
import os
import signal

from scd.daemon import watch
from scd.daemon.agent import AGENT_PID
from scd.daemon.daemon import Daemon
from tests.daemon.memory import Client, service_over, with_client
from tests.fakes.fake_module import FakeModule
from tests.fakes.fake_token import work_token

NOT_FOUND, INV_ID, INV_HANDLE, CARD_REMOVED, NOT_LOCKED, LOCKED, ENODEV = 27, 118, 73, 110, 167, 173, 32848


async def serials(client: Client) -> list[str]:
    return (await client.ask("GETINFO card_list")).status("SERIALNO")


async def two_clients(daemon: Daemon) -> tuple[Client, Client]:
    clients = Client(daemon), Client(daemon)
    for client in clients:
        await client.line()
    return clients


def test_switchcard_chooses_among_the_cards() -> None:
    @with_client(FakeModule(work_token("0001")), FakeModule(work_token("0002")))
    async def _(client: Client) -> None:
        await client.ask("SERIALNO")
        first, second = await serials(client)
        assert (await client.ask(f"SWITCHCARD -- {second.lower()}")).status("SERIALNO") == [second]
        assert (await client.ask("SWITCHCARD")).status("SERIALNO") == [second]
        assert (await client.ask("SERIALNO")).status("SERIALNO") == [second]
        assert (await client.ask("SWITCHCARD 00")).code == NOT_FOUND
        assert first != second


def test_learn_lists_all_cards_but_for_gpg_card_the_reported_one() -> None:
    @with_client(FakeModule(work_token("0001")), FakeModule(work_token("0002")))
    async def _(client: Client) -> None:
        [one] = (await client.ask("SERIALNO")).status("SERIALNO")
        everything = len((await client.ask("LEARN --force")).status("KEYPAIRINFO"))
        assert (await client.ask("SERIALNO --all")).status("SERIALNO") == [one]
        assert len((await client.ask("LEARN --force")).status("KEYPAIRINFO")) == everything // 2
        assert len((await client.ask("LEARN --keypairinfo")).status("KEYPAIRINFO")) == everything
        await client.ask("SERIALNO")
        assert len((await client.ask("LEARN --force")).status("KEYPAIRINFO")) == everything


def test_switchcard_without_any_card() -> None:
    @with_client()
    async def _(client: Client) -> None:
        assert (await client.ask("SWITCHCARD")).code == 123
        assert (await client.ask("SWITCHAPP")).code == 112


def test_switchapp_knows_one_application() -> None:
    @with_client(FakeModule(work_token()))
    async def _(client: Client) -> None:
        [serial] = await serials(client)
        for line in ("SWITCHAPP", "SWITCHAPP -- openpgp", "SWITCHAPP OpenPGP"):
            assert (await client.ask(line)).status("SERIALNO") == [f"{serial} openpgp"]
        assert (await client.ask("SWITCHAPP piv")).code == NOT_FOUND


def test_a_removed_card_is_reported_until_serialno() -> None:
    gone, stays = work_token("0001"), work_token("0002")

    @with_client(FakeModule(gone), FakeModule(stays))
    async def _(client: Client) -> None:
        before = (await client.ask("SERIALNO")).status("SERIALNO")
        gone.remove()
        await client.ask("GETINFO card_list")
        assert (await client.ask("LEARN --force")).code == CARD_REMOVED
        assert (await client.ask("GETATTR KEY-ATTR")).code == CARD_REMOVED
        after = (await client.ask("SERIALNO")).status("SERIALNO")
        assert after != before
        assert (await client.ask("LEARN --force")).code == 0


def test_the_pin_of_a_removed_card_is_not_an_unknown_name() -> None:
    token = work_token("0001")

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        [serial] = (await client.ask("SERIALNO")).status("SERIALNO")
        token.remove()
        assert (await client.ask(f"CHECKPIN {serial}")).code == CARD_REMOVED
        assert (await client.ask("SERIALNO")).code == ENODEV
        assert (await client.ask(f"CHECKPIN {serial}")).code == ENODEV
        assert (await client.ask("CHECKPIN PIV.80")).code == INV_ID


def test_a_chosen_card_that_is_gone_is_not_replaced_silently() -> None:
    gone, stays = work_token("0001"), work_token("0002")

    @with_client(FakeModule(gone), FakeModule(stays))
    async def _(client: Client) -> None:
        serial = (await client.ask("SERIALNO")).status("SERIALNO")[0]
        await client.ask(f"SERIALNO --demand={serial}")
        gone.remove()
        assert (await client.ask(f"SERIALNO --demand={serial}")).code == 32848
        gone.insert()
        assert (await client.ask(f"SERIALNO --demand={serial}")).status("SERIALNO") == [serial]


def test_the_lock_keeps_others_out_until_it_is_let_go() -> None:
    async def main() -> None:
        owner, other = await two_clients(Daemon(service_over(FakeModule(work_token()))))
        assert (await other.ask("UNLOCK")).code == NOT_LOCKED
        assert (await owner.ask("LOCK")).code == 0
        assert (await owner.ask("LOCK")).code == 0
        assert (await owner.ask("SERIALNO")).code == 0
        for line in ("SERIALNO", "LEARN --force", "LOCK", "UNLOCK", "GETATTR KEY-ATTR"):
            assert (await other.ask(line)).code == LOCKED, line
        assert (await other.ask("GETINFO version")).code == 0
        assert (await owner.ask("RESET --keep-lock")).code == 0
        assert (await other.ask("SERIALNO")).code == LOCKED
        assert (await owner.ask("UNLOCK")).code == 0
        assert (await other.ask("SERIALNO")).code == 0

    asyncio.run(main())


def test_restart_reset_and_leaving_release_the_lock() -> None:
    async def main() -> None:
        owner, other = await two_clients(Daemon(service_over(FakeModule(work_token()))))
        for line in ("RESTART", "RESET", "BYE"):
            assert (await owner.ask("LOCK")).code == 0
            assert (await other.ask("SERIALNO")).code == LOCKED
            assert (await owner.ask(line)).code == 0
            if line == "BYE":
                await owner.task
            assert (await other.ask("SERIALNO")).code == 0

    asyncio.run(main())


def test_a_client_may_wait_for_the_lock() -> None:
    async def main() -> None:
        owner, other = await two_clients(Daemon(service_over(FakeModule(work_token()))))
        await owner.ask("LOCK")
        other.send(b"LOCK --wait\n")
        assert await other.line() == "S PROGRESS scd_locked . 0 0"
        await owner.ask("UNLOCK")
        assert (await other.answer()).code == 0
        assert (await owner.ask("SERIALNO")).code == LOCKED

    asyncio.run(main())


def test_devinfo_lists_the_cards() -> None:
    @with_client(FakeModule(work_token("0001")), FakeModule(work_token("0002")))
    async def _(client: Client) -> None:
        answer = await client.ask("DEVINFO")
        listed = [f"generic {serial} openpgp" for serial in await serials(client)]
        assert sorted(answer.status("DEVICE")) == sorted(listed)
        assert (answer.lines[0], answer.lines[-1]) == ("S DEVINFO_START", "S DEVINFO_END")


def test_devinfo_watch_is_not_for_the_agents_pipe() -> None:
    @with_client(FakeModule(work_token()))
    async def _(client: Client) -> None:
        client.connection.is_pipe = True
        assert (await client.ask("DEVINFO --watch")).code == INV_HANDLE


def test_devinfo_watch_tells_of_removal_and_insertion_until_the_client_speaks() -> None:
    token = work_token()

    @with_client(FakeModule(token, work_token("0002")))
    async def _(client: Client) -> None:
        client.connection.daemon.watch.poll_s = 0.01
        client.send(b"DEVINFO --watch\n")
        await _until(client, "S DEVINFO_END")
        token.remove()
        assert await client.line() == "S DEVINFO_STATUS removal"
        await _until(client, "S DEVINFO_END")
        token.insert()
        assert await client.line() == "S DEVINFO_STATUS new"
        await _until(client, "S DEVINFO_END")
        client.send(b"GETINFO version\n")
        assert (await client.answer()).code == 0
        assert (await client.answer()).data == b"99.0"


async def _until(client: Client, wanted: str) -> None:
    while await client.line() != wanted:
        pass


def test_a_watcher_that_leaves_is_forgotten() -> None:
    async def main() -> None:
        daemon = Daemon(service_over(FakeModule(work_token())))
        client = Client(daemon)
        await client.line()
        client.send(b"DEVINFO --watch\n")
        await _until(client, "S DEVINFO_END")
        client.send(b"")
        await asyncio.wait_for(client.task, 10)

    asyncio.run(main())


def test_gpg_agent_is_signalled_when_a_card_comes_or_goes() -> None:
    token = work_token()
    caught: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, _frame: caught.append(number))
    agent = os.environ.get(AGENT_PID)
    os.environ[AGENT_PID] = str(os.getpid())
    try:

        @with_client(FakeModule(token))
        async def _(client: Client) -> None:
            client.connection.is_pipe = True
            await client.ask("SERIALNO")
            await client.ask(f"OPTION event-signal={int(signal.SIGUSR2)}")
            await client.ask("SERIALNO")
            assert caught == []
            token.remove()
            await client.ask("SERIALNO")
            token.insert()
            await client.ask("SERIALNO")
            assert caught == [signal.SIGUSR2] * 2
            await client.ask("OPTION event-signal=0")
            token.remove()
            await client.ask("SERIALNO")
            assert len(caught) == 2
    finally:
        signal.signal(signal.SIGUSR2, before)
        os.environ.pop(AGENT_PID)
        if agent is not None:
            os.environ[AGENT_PID] = agent


def test_tokens_are_not_polled_too_often() -> None:
    """A card's light flickers for ever otherwise (OpenSC issue 1771)."""
    assert watch.POLL_S >= 1


def test_learn_reread_looks_at_everything_again() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        before = await client.ask("LEARN --force")
        token.keys[4].label = "renamed"
        after = await client.ask("LEARN --force --reread")
        assert "renamed on work" not in " ".join(before.status("KEY-FRIEDNLY"))
        assert "renamed on work" in " ".join(after.status("KEY-FRIEDNLY"))
