"""WRITECERT, RANDOM and PKAUTH --challenge-response."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scd.token.errors import NotSupported, TokenFailure
from scd.token.port import SignRequest
from tests.daemon.memory import Client, with_client
from tests.daemon.test_new_keys import with_pin
from tests.daemon.test_pins import WORK
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import FakeToken, always_token, fixture_key, work_token
from tests.fakes.keys import certificate

BAD_CERT, CARD, CANCELED, INV_ID, UNSUPPORTED_OPERATION, ASS_PARAMETER, TOO_LARGE = 36, 108, 99, 118, 124, 280, 67
DER = certificate("work-rsa2048").der


def bare_token() -> FakeToken:
    """One key without its certificate."""
    return FakeToken("bare", WORK, keys=[fixture_key("work-rsa2048", "01")])


def test_a_certificate_is_put_beside_its_key() -> None:
    token = bare_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        client.replies["CERTDATA"] = DER
        assert (await client.ask("LEARN --force")).status("CERTINFO") == []
        answer = await with_pin(client, "WRITECERT OPENPGP.1", WORK)
        assert (answer.code, answer.asked[0]) == (0, "CERTDATA")
        assert (await client.ask("READCERT OPENPGP.1")).data == DER
        assert (await client.ask("LEARN --force")).status("CERTINFO") == ["101 OPENPGP.1"]


@pytest.mark.parametrize("line", ["WRITECERT --clear OPENPGP.1", "WRITECERT OPENPGP.1"])
def test_it_is_taken_away_by_clear_or_by_a_blank(line: str) -> None:
    token = bare_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        client.replies["CERTDATA"] = DER
        await with_pin(client, "WRITECERT OPENPGP.1", WORK)
        client.replies["CERTDATA"] = b" "
        assert (await client.ask(line)).code == 0
        assert (await client.ask("LEARN --force")).status("CERTINFO") == []


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", BAD_CERT), (b"0\x03\x02\x01\x01", BAD_CERT), (b"-----BEGIN CERTIFICATE-----\n", BAD_CERT),
     (certificate("backup-rsa2048").der, BAD_CERT), (bytes(16385), TOO_LARGE)],
)  # fmt: skip
def test_what_is_no_certificate_of_the_key_is_refused_before_the_pin(data: bytes, code: int) -> None:
    @with_client(FakeModule(bare_token()))
    async def _(client: Client) -> None:
        client.replies["CERTDATA"] = data
        answer = await client.ask("WRITECERT OPENPGP.1")
        assert (answer.code, answer.asked) == (code, ["CERTDATA"])


@pytest.mark.parametrize(("line", "code"), [("WRITECERT", ASS_PARAMETER), ("WRITECERT P11.00", INV_ID)])
def test_without_a_key_there_is_no_place_for_it(line: str, code: int) -> None:
    @with_client(FakeModule(bare_token()))
    async def _(client: Client) -> None:
        answer = await client.ask(line)
        assert (answer.code, answer.asked) == (code, [])


def test_random_octets_come_from_the_token() -> None:
    @with_client(FakeModule(work_token()))
    async def _(client: Client) -> None:
        first, second = [(await client.ask("RANDOM 1000")).data for _ in range(2)]
        assert len(first) == len(second) == 1000
        assert first != second


@pytest.mark.parametrize("count", ["", "0", "-1", "many", "65537", "1 2"])
def test_random_wants_a_sensible_number(count: str) -> None:
    @with_client(FakeModule(work_token()))
    async def _(client: Client) -> None:
        assert (await client.ask(f"RANDOM {count}".rstrip())).code == ASS_PARAMETER


def test_a_token_without_a_generator_says_so() -> None:
    module = FakeModule(work_token())

    @with_client(module)
    async def _(client: Client) -> None:
        module.fail_next(Op.RANDOM, NotSupported("no generator"))
        assert (await client.ask("RANDOM 8")).code == UNSUPPORTED_OPERATION


@pytest.mark.parametrize("label", ["rsa2048", "p256", "p384", "ed25519"])
def test_a_key_answers_a_challenge(label: str) -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        [grip] = [key.keygrip.hex().upper() for key in token.keys if key.label == label]
        answer = await with_pin(client, f"PKAUTH --challenge-response {grip}", WORK)
        assert (answer.code, answer.lines) == (0, [])


class Forger(FakeModule):
    """Signs, but not what it was given."""

    async def sign(self, request: SignRequest) -> bytes:
        return await super().sign(replace(request, data=request.data[:-1] + bytes([request.data[-1] ^ 1])))


def test_a_wrong_answer_to_the_challenge_is_noticed() -> None:
    token = work_token()

    @with_client(Forger(token))
    async def _(client: Client) -> None:
        grip = token.keys[0].keygrip.hex().upper()
        assert (await with_pin(client, f"PKAUTH --challenge-response {grip}", WORK)).code == CARD


def test_a_challenge_without_a_key() -> None:
    @with_client(FakeModule(always_token()))
    async def _(client: Client) -> None:
        assert (await client.ask("PKAUTH --challenge-response")).code == ASS_PARAMETER
        assert (await client.ask(f"PKAUTH --challenge-response {'00' * 20}")).code == 17


def test_a_failure_of_the_token_is_told() -> None:
    module = FakeModule(bare_token())

    @with_client(module)
    async def _(client: Client) -> None:
        module.fail_next(Op.WRITE_CERTIFICATE, TokenFailure("CKR_DEVICE_ERROR"))
        client.replies["CERTDATA"] = DER
        assert (await with_pin(client, "WRITECERT OPENPGP.1", WORK)).code == CARD
