"""Bad input: the right code, one ERR, connection and daemon alive."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scd.daemon.daemon import Daemon
from scd.daemon.slowdown import FREE_FAILURES, PAUSE_S, Slowdown
from scd.gcrypt import digestinfo
from scd.token.errors import ModuleCrashed, ModuleTimeout, ModuleUnavailable, TokenError, TokenFailure, TokenRemoved
from tests.daemon.memory import Client, service_over, with_client
from tests.daemon.test_signing import grip
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import FakeToken, work_token

DATA = digestinfo.add("sha256", hashlib.sha256(b"x").digest()).hex()

# What is wrong -> the gpg-error code (protocol reference, appendix A)
WRONG = {
    "FROBNICATE": 275,
    "SETDATA 4x": 280,
    "SETDATA 123": 280,
    "SETDATA": 280,
    "PKSIGN": 280,
    "PKSIGN OPENPGP.1": 58,
    "PKDECRYPT OPENPGP.2": 58,
    "PKSIGN --hash=sha3 OPENPGP.1": 280,
    "READKEY": 280,
    "READKEY P11.NOSUCH": 27,
    "READKEY --format=pem OPENPGP.1": 280,
    "READCERT": 280,
    "READCERT P11.NOSUCH": 27,
    "KEYINFO 1234": 280,
    "KEYINFO": 280,
    f"KEYINFO {'A' * 40}": 27,
    "KEYINFO --list=foo": 280,
    "GETATTR": 280,
    "GETATTR NONSENSE": 88,
    "GETINFO": 280,
    "GETINFO foo": 280,
    "GETINFO cmd_has_option NOSUCH x": 256,
    "GETINFO cmd_has_option SERIALNO nosuch": 256,
    "OPTION": 276,
    "OPTION event-signal=many": 280,
    "HELP NOSUCH": 275,
    "SERIALNO nks": 60,
    "SERIALNO --demand=00": 32848,
    "LEARN --demand=00 --force": 32848,
    "GENKEY 1": 32803,
    "APDU 00": 60,
    "D data outside": 69,
    "END": 69,
    "CAN": 69,
    " NOP": 276,
    "NO\x01P": 276,
    "SETDATA " + "A" * 2000: 263,
}


@pytest.mark.parametrize(("line", "code"), WRONG.items(), ids=[line[:24] for line in WRONG])
def test_each_wrong_line_gets_its_code_and_nothing_else(line: str, code: int) -> None:
    @with_client(FakeModule(work_token()))
    async def _(client: Client) -> None:
        assert (await client.ask(line)).code == code
        assert (await client.ask("GETINFO version")).data == b"99.0"


@pytest.mark.parametrize(
    "octets", ["63a77861f4aa621e9f10d6a39c6a6f842e1e57e1", "e3a77861f4aa62fe9fd0d6a39c6a6f84aeeee7e1"]
)
def test_raw_keygrip_of_gpg_agent_25_is_one_error(octets: str) -> None:
    """It asks so for an ECDH key without stub (2.5.12, agent/pkdecrypt.c, ecc_get_curve): with or without controls."""

    @with_client(FakeModule(work_token()))
    async def _(client: Client) -> None:
        client.send(b"READKEY -- " + bytes.fromhex(octets) + b"\n")
        assert (await client.line()).startswith("ERR ")
        assert (await client.ask("GETINFO version")).data == b"99.0"


def test_no_module_at_all_is_no_device() -> None:
    @with_client()
    async def _(client: Client) -> None:
        assert (await client.ask("SERIALNO")).code == 32848
        assert (await client.ask("LEARN --force")).code == 32848
        assert (await client.ask("GETINFO card_list")).code == 112
        assert (await client.ask("GETATTR $DISPSERIALNO")).code == 0
        assert (await client.ask("KEYINFO --list")).lines == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ModuleCrashed("it aborted"), 110),
        (ModuleTimeout("it hangs"), 62),
        (ModuleUnavailable("later"), 176),
        (TokenRemoved("pulled"), 110),
        (TokenFailure("CKR_DEVICE_MEMORY"), 108),
    ],
)
def test_a_module_s_failure_costs_the_command_in_flight_only(error: Exception, code: int) -> None:
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        await client.ask(f"SETDATA {DATA}")
        client.pins = [token.pin]
        await client.ask(f"PKSIGN --hash=sha256 {grip(token, 'rsa2048')}")
        module.fail_next(Op.SIGN, error)  # type: ignore[arg-type]
        assert (await client.ask(f"PKSIGN --hash=sha256 {grip(token, 'rsa2048')}")).code == code
        assert (await client.ask(f"PKSIGN --hash=sha256 {grip(token, 'rsa2048')}")).code == 0


def test_a_broken_module_leaves_the_others_alone() -> None:
    broken, whole = FakeModule(FakeToken("gone")), FakeModule(work_token())
    broken.fail_next(Op.TOKENS, *(ModuleUnavailable("cannot be loaded") for _ in range(50)))

    @with_client(broken, whole)
    async def _(client: Client) -> None:
        assert (await client.ask("SERIALNO")).code == 0
        assert len((await client.ask("KEYINFO --list")).status("KEYINFO")) == 7


@pytest.mark.parametrize(
    ("error", "signing", "reading"),
    [
        (TokenFailure("C_GetSlotList: CKR_DEVICE_ERROR"), 108, 108),
        (ModuleTimeout("it hangs"), 108, 108),
        (ModuleCrashed("it crashed"), 108, 108),
        (ModuleUnavailable("cannot be loaded"), 17, 27),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_key_is_missed_only_when_every_module_in_use_said_what_it_has(
    error: TokenError, signing: int, reading: int
) -> None:
    broken, whole = FakeModule(FakeToken("gone")), FakeModule(work_token())
    broken.fail_next(Op.TOKENS, *[error] * 20)

    @with_client(broken, whole)
    async def _(client: Client) -> None:
        await client.ask(f"SETDATA {DATA}")
        assert (await client.ask(f"PKSIGN --hash=sha256 {'A' * 40}")).code == signing
        assert (await client.ask(f"PKDECRYPT {'A' * 40}")).code == signing
        assert (await client.ask(f"READKEY {'A' * 40}")).code == reading


def test_one_odd_token_leaves_the_others_alone() -> None:
    odd, whole = FakeToken("odd"), work_token()
    module = FakeModule(odd, whole)
    module.fail_next(Op.OBJECTS, TokenFailure("CKR_GENERAL_ERROR"))

    @with_client(module)
    async def _(client: Client) -> None:
        assert len((await client.ask("KEYINFO --list")).status("KEYINFO")) == 7


def test_a_client_that_leaves_in_mid_inquiry_is_forgotten() -> None:
    token = work_token()

    async def main() -> None:
        daemon = Daemon(service_over(FakeModule(token)))
        leaving, staying = Client(daemon), Client(daemon)
        await leaving.line()
        await staying.line()
        await leaving.ask(f"SETDATA {DATA}")
        leaving.send(f"PKSIGN --hash=sha256 {grip(token, 'rsa2048')}\n".encode())
        assert (await leaving.line()).startswith("INQUIRE NEEDPIN")
        leaving.transport.gone = True
        leaving.send(b"")
        await asyncio.wait_for(leaving.task, 10)
        await staying.ask(f"SETDATA {DATA}")
        staying.pins = [token.pin]
        assert (await staying.ask(f"PKSIGN --hash=sha256 {grip(token, 'rsa2048')}")).code == 0
        staying.task.cancel()
        await asyncio.gather(staying.task, return_exceptions=True)

    asyncio.run(main())


@pytest.mark.parametrize(
    "reply", [b"NOP\n", b"D %zz\nEND\n", b"D " + b"1" * 300 + b"\nEND\n", b"X" * 2000 + b"\nEND\n"]
)
def test_a_bad_reply_to_an_inquiry_ends_the_command_with_one_error(reply: bytes) -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await client.ask(f"SETDATA {DATA}")
        client.send(f"PKSIGN --hash=sha256 {grip(token, 'rsa2048')}\n".encode())
        assert (await client.line()).startswith("INQUIRE NEEDPIN")
        client.send(reply)
        assert (await client.answer()).code != 0
        assert (await client.ask("GETINFO version")).data == b"99.0"


BAD_REPLIES = {
    b"D %": 276,
    b"D 12%zz": 276,
    b"D " + b"1" * 1200: 263,
    b" END": 276,
    b"x" * 1200: 263,
    b"NO\0P": 276,
    b"NOP": 274,
}


@pytest.mark.parametrize("rest", [b"", b"D 34\n", b"D 5%\nD 34\n"], ids=["alone", "data", "bad data"])
@pytest.mark.parametrize("end", [b"END\n", b"CAN\n"])
@pytest.mark.parametrize(("bad", "code"), BAD_REPLIES.items(), ids=[repr(line[:8]) for line in BAD_REPLIES])
def test_a_reply_that_goes_wrong_is_answered_at_once_and_only_once(
    bad: bytes, code: int, rest: bytes, end: bytes
) -> None:
    """A client that reads now has its ERR; one of libassuan, which sends the rest first, stays in step."""

    @with_client(FakeModule(work_token()))
    async def _(client: Client) -> None:
        await client.ask("SERIALNO")
        client.send(b"SETATTR --inquire LOGIN-DATA\n")
        assert (await client.line()).startswith("INQUIRE VALUE")
        client.send(b"D 12\n" + bad + b"\n")
        assert (await client.answer()).code == code
        client.send(rest + end)
        assert (await client.ask("GETINFO version")).data == b"99.0"
        assert (await client.ask("END")).code == 69

        client.send(b"SETATTR --inquire LOGIN-DATA\n" + b"D 12\n" + bad + b"\n" + rest + end + b"GETINFO version\n")
        assert (await client.line()).startswith("INQUIRE VALUE")
        assert (await client.answer()).code == code
        assert (await client.answer()).data == b"99.0"


def test_whoever_waits_after_a_bad_reply_and_sends_a_bad_command_is_answered() -> None:
    @with_client(FakeModule(work_token()))
    async def _(client: Client) -> None:
        await client.ask("SERIALNO")
        client.send(b"SETATTR --inquire LOGIN-DATA\nD %\n")
        assert (await client.line()).startswith("INQUIRE VALUE")
        assert (await client.answer()).code == 276
        assert (await client.ask(" NOP")).code == 276
        assert (await client.ask("NOP")).code == 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=1500), max_size=6))
def test_binary_garbage_never_ends_the_connection(garbage: list[bytes]) -> None:
    async def main() -> None:
        client = Client(Daemon(service_over(FakeModule(work_token()))))
        await client.line()
        for piece in garbage:
            if piece:
                client.send(b"x" + piece)  # no BYE, no KILLSCD by chance
        client.send(b"\nGETINFO pid\n")
        answers = 0
        while not (await client.line()).startswith("D "):
            answers += 1
        assert (await client.line()).startswith("OK")
        client.task.cancel()
        await asyncio.gather(client.task, return_exceptions=True)

    asyncio.run(main())


def test_repeated_failures_are_slowed_down() -> None:
    """Against gpg-agent 2.4's loop of 8000 rounds a second."""
    slowdown = Slowdown()
    delays = [slowdown.failed() for _ in range(FREE_FAILURES + 3)]
    assert delays == [0.0] * FREE_FAILURES + [PAUSE_S] * 3


def test_commands_without_a_data_consumer_send_no_data() -> None:
    """gpg-agent gets out of step after a D line in any of these (protocol reference 1.5)."""
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        attributes = [
            f"GETATTR {name}" for name in ("SERIALNO", "KEY-FPR", "KEY-ATTR", "EXTCAP", "$DISPSERIALNO", "CHV-STATUS")
        ]
        for line in [
            "SERIALNO",
            "SERIALNO --all",
            "LEARN --force",
            "LEARN --keypairinfo",
            f"SETDATA {DATA}",
            *attributes,
            "KEYINFO --list",
            f"KEYINFO {grip(token, 'p256')}",
            "RESTART",
            "OPTION event-signal=12",
            "GETINFO card_list",
        ]:
            answer = await client.ask(line)
            assert answer.code == 0, line
            assert not [entry for entry in answer.lines if entry.startswith("D ")], line


def test_serialno_sends_one_line_and_learn_ends_it_with_the_digits() -> None:
    """Two SERIALNO lines are a conflict to gpg-agent, and LEARN's is taken up to the end of the line."""

    @with_client(FakeModule(work_token("0001")), FakeModule(work_token("0002")))
    async def _(client: Client) -> None:
        for line in ("SERIALNO", "SERIALNO --all", "LEARN --force"):
            [serial] = (await client.ask(line)).status("SERIALNO")
            assert len(serial) == 32
            int(serial, 16)


def test_displaying_the_serial_never_fails() -> None:
    """gpg-agent 2.2 to 2.5 crashes when it does (protocol reference 6.9)."""
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        token.remove()
        for line in (
            "GETATTR $DISPSERIALNO",
            f"GETATTR $DISPSERIALNO {grip(token, 'p256')}",
            "GETATTR $DISPSERIALNO XX",
        ):
            answer = await client.ask(line)
            assert (answer.code, len(answer.status("$DISPSERIALNO"))) == (0, 1)


def test_pipelined_commands_are_answered_in_order() -> None:
    @with_client(FakeModule(work_token()))
    async def _(client: Client) -> None:
        client.send(b"NOP\nGETINFO version\nFOO\nNOP\n")
        assert [(await client.answer()).code for _ in range(4)] == [0, 0, 275, 0]
