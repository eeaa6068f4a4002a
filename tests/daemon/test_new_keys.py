"""GENKEY and WRITEKEY: where new keys go, what becomes of old ones, and who is asked what."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from scd.daemon.daemon import Daemon
from scd.gcrypt.fingerprint import fingerprint
from scd.token.errors import TokenFailure, TokenRemoved
from tests.daemon.memory import Answer, Client, service_over, with_client
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import FakeToken, empty_token, fixture_key, work_token
from tests.fakes.keys import public_of

EACCES, EEXIST, ENOSPC = 32769, 32803, 32859
UNSUPPORTED_ALGORITHM, CANCELED, ASS_PARAMETER, INV_ID, INV_DATA, INV_TIME = 84, 99, 280, 118, 79, 161
EMPTY = b"empty-pin-662607"
EC = "--algo=nistp256"


async def with_pin(client: Client, line: str, *pins: bytes) -> Answer:
    client.pins = list(pins or (EMPTY,))
    return await client.ask(line)


def grips(token: FakeToken) -> list[str]:
    return [key.keygrip.hex().upper() for key in token.keys]


def on(token: FakeToken, **daemon: bool) -> Daemon:
    return Daemon(service_over(FakeModule(token)), **daemon)


def run(daemon: Daemon, body: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        client = Client(daemon)
        await client.line()
        await body(client)
        client.task.cancel()
        await asyncio.gather(client.task, return_exceptions=True)

    asyncio.run(main())


def test_keys_are_of_the_kinds_that_were_announced() -> None:
    """gpg asks once for all three: a key that makes way in one place must not fill the next, being of another kind."""
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        announced = (await client.ask("GETATTR KEY-ATTR")).status("KEY-ATTR")
        assert (await with_pin(client, "GENKEY --force 1", b"work-pin-271828")).code == 0
        assert (await client.ask("GENKEY --force 3")).code == 0
        assert (await client.ask("GENKEY --force 2")).code == 0
        assert (await client.ask("GETATTR KEY-ATTR")).status("KEY-ATTR") == announced


def test_a_key_is_made_for_its_place() -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await with_pin(client, "GENKEY --timestamp=20261122T053646 --force --algo=nistp256 2")
        assert answer.code == 0
        [key] = token.keys
        assert (key.cka_id, key.label, key.can_sign, key.can_decrypt) == (b"\1", "Encryption key", False, True)
        created = 1795325806
        assert answer.status("KEY-CREATED-AT") == [str(created)]
        expected = fingerprint(public_of(key.private), created, encryption=True).hex().upper()
        assert answer.status("KEY-FPR") == [expected]
        assert (await client.ask("GETATTR KEY-FPR")).status("KEY-FPR") == [f"2 {expected}"]
        assert (await client.ask("GETATTR KEY-TIME")).status("KEY-TIME") == [f"2 {created}"]
        [line] = (await client.ask("LEARN --keypairinfo")).status("KEYPAIRINFO")
        assert line == f"{grips(token)[0]} OPENPGP.2 e {created} nistp256"


def test_the_creation_time_is_now_when_nobody_says() -> None:
    @with_client(FakeModule(empty_token()))
    async def _(client: Client) -> None:
        before = int(time.time())
        [created] = (await with_pin(client, f"GENKEY {EC} 1")).status("KEY-CREATED-AT")
        assert before <= int(created) <= time.time()


def test_the_pin_is_asked_for_once_for_all_that_is_written() -> None:
    @with_client(FakeModule(empty_token()))
    async def _(client: Client) -> None:
        assert len((await with_pin(client, f"GENKEY {EC} 1")).asked) == 1


def test_who_cancels_the_pin_gets_no_key() -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        client.pins = []
        assert (await client.ask(f"GENKEY {EC} 1")).code == CANCELED
        assert token.keys == []


def test_three_keys_have_three_ids_and_places() -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        for place, algorithm in ((1, "ed25519"), (3, "ed25519"), (2, "cv25519")):
            assert (await with_pin(client, f"GENKEY --force --algo={algorithm} {place}")).code == 0
        assert [key.cka_id for key in token.keys] == [b"\1", b"\2", b"\3"]
        lines = (await client.ask("LEARN --keypairinfo")).status("KEYPAIRINFO")
        assert [line.split()[1:3] for line in lines] == [["OPENPGP.1", "sca"], ["OPENPGP.3", "sca"], ["OPENPGP.2", "e"]]


def test_an_occupied_place_is_refused_without_force() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        before = grips(token)
        assert (await client.ask(f"GENKEY {EC} 1")).code == EEXIST
        assert grips(token) == before


def test_force_replaces_the_key_that_was_put_there_and_no_other() -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        for place in (1, 2, 3):
            await with_pin(client, f"GENKEY {EC} {place}")
        first, second, third = grips(token)
        assert (await client.ask(f"GENKEY {EC} 1")).code == EEXIST
        assert (await with_pin(client, f"GENKEY --force {EC} 1")).code == 0
        assert grips(token)[:2] == [second, third]
        assert first not in grips(token)
        assert f"KEY.{first}" not in token.data


def test_force_leaves_a_key_that_only_happened_to_fill_the_place() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        before = grips(token)
        answer = await with_pin(client, f"GENKEY --force {EC} 1", b"work-pin-271828")
        assert answer.code == 0
        assert grips(token)[:-1] == before
        [new] = (await client.ask(f"READKEY --info-only {grips(token)[-1]}")).status("KEYPAIRINFO")
        [old] = (await client.ask(f"READKEY --info-only {before[0]}")).status("KEYPAIRINFO")
        assert new.split()[1] == "OPENPGP.1"
        assert old.split()[1] != "OPENPGP.1"


def test_a_key_under_an_id_of_its_own() -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        mark = (await client.ask("SERIALNO")).status("SERIALNO")[0][20:28]
        answer = await with_pin(client, f"GENKEY --algo=brainpoolP256r1 -- p11.{mark}a1b2")
        assert answer.code == 0
        [key] = token.keys
        assert (key.cka_id, key.can_sign, key.can_decrypt) == (b"\xa1\xb2", True, True)


def test_what_filled_the_other_places_stays_there_whatever_comes() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        before = await places(client)
        await with_pin(client, f"GENKEY --force {EC} 1", b"work-pin-271828")
        token.keys.insert(0, fixture_key("backup-rsa2048", "00"))
        after = await places(client)
        assert after["OPENPGP.1"] == token.keys[-1].keygrip.hex().upper()
        assert {**after, "OPENPGP.1": ""} == {**before, "OPENPGP.1": ""}
        assert (await client.ask(f"GENKEY {EC} 3")).code == EEXIST
        assert (await client.ask(f"GENKEY --force {EC} 3")).code == 0
        assert before["OPENPGP.3"] in grips(token)


async def places(client: Client) -> dict[str, str]:
    lines = (await client.ask("LEARN --keypairinfo")).status("KEYPAIRINFO")
    return {line.split()[1]: line.split()[0] for line in lines if "OPENPGP." in line}


def test_a_replaced_key_leaves_its_place_to_its_successor() -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await with_pin(client, f"GENKEY {EC} 3")
        await client.ask(f"GENKEY --force --algo=nistp384 {grips(token)[0]}")
        assert await places(client) == {"OPENPGP.3": grips(token)[0]}


def test_force_with_an_id_replaces_exactly_that_key() -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        for place in (1, 2):
            await with_pin(client, f"GENKEY {EC} {place}")
        first, second = grips(token)
        assert (await client.ask(f"GENKEY {EC} {first}")).code == EEXIST
        assert (await with_pin(client, f"GENKEY --force --algo=nistp384 {first}")).code == 0
        assert second in grips(token)
        assert first not in grips(token)
        assert sorted(key.cka_id for key in token.keys) == [b"\1", b"\2"]


def test_a_key_is_not_given_up_for_one_that_cannot_be_made() -> None:
    token = empty_token()
    token.algorithms = ("nistp256",)

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await with_pin(client, f"GENKEY {EC} 1")
        [first] = grips(token)
        for name in ("1", first):
            client.send(f"GENKEY --force --algo=rsa4096 {name}\n".encode())
            assert (await client.line()).startswith("ERR 100663380 ")
            assert grips(token) == [first]


def test_the_answer_lists_what_the_token_can_make() -> None:
    token = empty_token()
    token.algorithms = ("nistp256", "rsa2048")

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        client.pins = [EMPTY]
        client.send(b"GENKEY --algo=ed25519 1\n")
        await client.line()
        client.send(b"D " + EMPTY.ljust(90, b"\0") + b"\nEND\n")
        line = await client.line()
        assert "nistp256" in line
        assert "rsa2048" in line


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("GENKEY", ASS_PARAMETER),
        ("GENKEY 4", INV_ID),
        ("GENKEY OPENPGP.0", INV_ID),
        ("GENKEY P11.00000000FF", INV_ID),
        ("GENKEY --algo=rot13 1", 149),
        ("GENKEY --algo=rsa\xc2\xb2 1", 149),
        ("GENKEY --algo=ed25519 2", UNSUPPORTED_ALGORITHM),
        ("GENKEY --algo=cv25519 1", UNSUPPORTED_ALGORITHM),
        ("GENKEY --timestamp=yesterday 1", INV_TIME),
        ("GENKEY --timestamp=19690101T000000 1", INV_TIME),
        ("WRITEKEY", ASS_PARAMETER),
        ("WRITEKEY OPENPGP.9", INV_ID),
    ],
)
def test_what_cannot_be_is_refused_before_any_prompt(line: str, code: int) -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await client.ask(line)
        assert (answer.code, answer.asked, token.keys) == (code, [], [])


@pytest.mark.parametrize(
    "line", ["GENKEY --force 1", "WRITEKEY --force 1", "WRITECERT OPENPGP.1", "WRITECERT --clear OPENPGP.1"]
)
def test_nothing_is_changed_with_deny_admin_nor_on_a_protected_token(line: str) -> None:
    token, protected = work_token(), work_token()
    protected.write_protected = True

    async def refused(client: Client) -> None:
        answer = await client.ask(line)
        assert (answer.code, answer.asked) == (EACCES, [])

    run(on(token, deny_admin=True), refused)
    run(on(protected), refused)


def test_a_full_token_says_so_and_is_as_before() -> None:
    token = empty_token()
    token.full = True

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        assert (await with_pin(client, f"GENKEY {EC} 1")).code == ENOSPC
        assert token.keys == []


def test_a_key_whose_place_cannot_be_written_down_is_not_left_behind() -> None:
    token = empty_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        module.fail_next(Op.WRITE_DATA, TokenFailure("CKR_DEVICE_ERROR"))
        assert (await with_pin(client, f"GENKEY {EC} 1")).code == 108
        assert token.keys == []
        assert (await with_pin(client, f"GENKEY {EC} 1")).code == 0


def test_a_place_that_cannot_be_written_down_leaves_the_others_as_they_were() -> None:
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        before = await places(client)
        for _ in range(2):  # KEY.<grip>, OPENPGP.1, and the two places beside it, all at once
            module.fail_next(Op.WRITE_DATA, TokenFailure("CKR_DEVICE_ERROR"))
            assert (await with_pin(client, f"GENKEY --force {EC} 1", b"work-pin-271828")).code == 108
            assert await places(client) == before


def test_of_two_keys_that_cannot_be_destroyed_both_are_named() -> None:
    token = empty_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        await with_pin(client, f"GENKEY {EC} 1")
        module.fail_next(Op.DESTROY_KEY, TokenFailure("no"), TokenFailure("no"))
        client.send(f"GENKEY --force {EC} 1\n".encode())
        line = await client.line()
        assert line.startswith("ERR")
        assert all(key.cka_id.hex().upper() in line for key in token.keys)
        assert "both keys are on the token" in line
        assert len(token.keys) == 2


def test_a_key_whose_successor_cannot_be_written_down_is_there_with_its_time() -> None:
    """The new key goes, and what was chosen and written down before is as it was."""
    token = empty_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        await with_pin(client, f"GENKEY {EC} 1")
        await client.ask("SETATTR KEY-ATTR 1 1 rsa3072")
        before = dict(token.data), grips(token)
        module.fail_next(Op.DESTROY_KEY, TokenFailure("no"))
        assert (await with_pin(client, f"GENKEY --force {EC} 1")).code == 108
        assert (dict(token.data), grips(token)) == before


def test_two_clients_at_once_get_one_place_once() -> None:
    token = empty_token()
    token.logged_in = True

    async def main() -> None:
        daemon = on(token)
        clients = [Client(daemon), Client(daemon)]
        for client in clients:
            await client.line()
        answers = await asyncio.gather(*(client.ask(f"GENKEY {EC} 1") for client in clients))
        assert sorted(answer.code for answer in answers) == [0, EEXIST]
        assert len(token.keys) == 1
        for client in clients:
            client.task.cancel()
        await asyncio.gather(*(client.task for client in clients), return_exceptions=True)

    asyncio.run(main())


def test_a_token_that_goes_meanwhile() -> None:
    token = empty_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        module.fail_next(Op.GENERATE, TokenRemoved("gone"))
        assert (await with_pin(client, f"GENKEY {EC} 1")).code == 110
