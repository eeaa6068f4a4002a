"""SETATTR: what people keep on their card, and where it is kept."""

from __future__ import annotations

import pytest

from scd.daemon.daemon import Daemon
from scd.gcrypt.fingerprint import fingerprint
from tests.daemon.memory import Client, service_over, with_client
from tests.daemon.test_new_keys import EACCES, EMPTY, run, with_pin
from tests.daemon.test_pins import WORK, sign
from tests.fakes.fake_module import FakeModule
from tests.fakes.fake_token import FakeToken, empty_token, work_token
from tests.fakes.keys import private_key, public_of

INV_VALUE, TOO_LARGE, INV_NAME, NO_DATA, INV_STATE, INV_TIME, ASS_PARAMETER = 55, 67, 88, 58, 156, 161, 280
FPR = bytes(range(1, 21))


@pytest.mark.parametrize(
    ("name", "written", "told"),
    [
        ("DISP-NAME", "Doe<<John+J.", b"Doe<<John+J."),
        ("PUBKEY-URL", "https://example.org/a%25b", b"https://example.org/a%25b"),
        ("LOGIN-DATA", "j%C3%B6hn", "jöhn".encode()),
        ("LOGIN-DATA", "x%0A%14F=3%FF", b"x%0A%14F=3\xff"),
        ("DISP-LANG", "deen", b"deen"),
        ("DISP-SEX", "1", b"1"),
        ("PRIVATE-DO-4", "a%00b", b"a%00b"),
    ],
)
def test_a_text_is_kept_on_the_token_and_told_again(name: str, written: str, told: bytes) -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        assert (await with_pin(client, f"SETATTR {name} {written}")).code == 0
        assert name in token.data
        for line in (f"GETATTR {name}", "LEARN --force"):
            [value] = (await client.ask(line)).status(name)
            assert value.encode("latin-1") == told


@pytest.mark.parametrize(("name", "blank"), [("PUBKEY-URL", "+"), ("DISP-LANG", "++"), ("CA-FPR-2", "%00" * 20)])
def test_blanks_forget_it(name: str, blank: str) -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        value = "".join(f"%{octet:02X}" for octet in FPR) if name.startswith("CA") else "xx"
        await with_pin(client, f"SETATTR {name} {value}")
        assert name in token.data
        assert (await client.ask(f"SETATTR {name} {blank}")).code == 0
        assert name not in token.data
        assert (await client.ask(f"GETATTR {name.removesuffix('-2')}")).lines == []


def test_a_ca_fingerprint() -> None:
    @with_client(FakeModule(empty_token()))
    async def _(client: Client) -> None:
        escaped = "".join(f"%{octet:02X}" for octet in FPR)
        assert (await with_pin(client, f"SETATTR CA-FPR-2 {escaped}")).code == 0
        assert (await client.ask("GETATTR CA-FPR")).status("CA-FPR") == [f"2 {FPR.hex().upper()}"]


def test_a_value_can_be_inquired() -> None:
    @with_client(FakeModule(empty_token()))
    async def _(client: Client) -> None:
        client.replies["VALUE"] = b"100% sure + so"
        answer = await with_pin(client, "SETATTR --inquire LOGIN-DATA")
        assert (answer.code, answer.asked[0]) == (0, "VALUE")
        assert (await client.ask("GETATTR LOGIN-DATA")).status("LOGIN-DATA") == ["100%25+sure+%2B+so"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("SETATTR", ASS_PARAMETER),
        ("SETATTR DISP-NAME", ASS_PARAMETER),
        ("SETATTR UIF-1 %01", INV_NAME),
        ("SETATTR DISP-NAME " + "x" * 40, TOO_LARGE),
        ("SETATTR PUBKEY-URL " + "x" * 255, TOO_LARGE),
        ("SETATTR CA-FPR-1 %01%02", INV_VALUE),
        ("SETATTR CHV-STATUS-1 yes", INV_VALUE),
        ("SETATTR KEY-ATTR 1 1 rot13", INV_VALUE),
        ("SETATTR KEY-ATTR 4 1 rsa2048", INV_VALUE),
        ("SETATTR KEY-FPR-1 " + "AB" * 20, NO_DATA),
        ("SETATTR KEY-TIME-1 17", NO_DATA),
    ],
)
def test_what_cannot_be_kept_is_refused_before_any_prompt(line: str, code: int) -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await client.ask(line)
        assert (answer.code, answer.asked, token.data) == (code, [], {})


def test_a_protected_token_s_data_are_kept_beside_it() -> None:
    token = work_token()
    token.write_protected = True

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        answer = await client.ask("SETATTR DISP-LANG de")
        assert (answer.code, answer.asked, token.data) == (0, [], {})
        assert (await client.ask("GETATTR DISP-LANG")).status("DISP-LANG") == ["de"]


def test_nothing_is_set_with_deny_admin() -> None:
    async def body(client: Client) -> None:
        answer = await client.ask("SETATTR DISP-LANG de")
        assert (answer.code, answer.asked) == (EACCES, [])

    run(Daemon(service_over(FakeModule(work_token())), deny_admin=True), body)


def test_the_algorithm_of_the_next_key_is_chosen() -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        assert (await with_pin(client, "SETATTR KEY-ATTR --force+1+22+ed25519")).code == 0
        assert (await client.ask("SETATTR KEY-ATTR --force 2 18 cv25519")).code == 0
        expected = ["1 22 ed25519", "2 18 cv25519", "3 1 rsa2048 17 0"]
        assert (await client.ask("GETATTR KEY-ATTR")).status("KEY-ATTR") == expected
        for place in (1, 2):
            assert (await client.ask(f"GENKEY --force {place}")).code == 0
        assert [public_of(key.private).algorithm for key in token.keys] == ["ed25519", "cv25519"]
        assert not [label for label in token.data if label.startswith("KEY-ATTR")]


def test_a_key_is_attached_by_its_time_or_its_fingerprint() -> None:
    token = work_token()
    public = public_of(private_key("work-rsa2048"))

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        assert (await with_pin(client, "SETATTR KEY-TIME-1 1700000000", WORK)).code == 0
        expected = fingerprint(public, 1700000000, encryption=False).hex().upper()
        assert (await client.ask("GETATTR KEY-FPR")).status("KEY-FPR") == [f"1 {expected}"]
        assert (await client.ask(f"SETATTR KEY-FPR-1 {FPR.hex()}")).code == 0
        assert (await client.ask("GETATTR KEY-FPR")).status("KEY-FPR") == [f"1 {FPR.hex().upper()}"]
        assert (await client.ask("GETATTR KEY-TIME")).status("KEY-TIME") == ["1 1700000000"]
        assert (await client.ask(f"SETATTR KEY-FPR-1 {'00' * 20}")).code == 0
        assert (await client.ask("GETATTR KEY-FPR")).lines == []
        assert (await client.ask("SETATTR KEY-TIME-1 tomorrow")).code == INV_TIME


def test_a_fingerprint_without_any_time_asks_for_the_time_first() -> None:
    token = FakeToken("one", EMPTY, keys=[key for key in work_token().keys if key.label == "rsa2048-bare"])

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        assert (await client.ask(f"SETATTR KEY-FPR-1 {FPR.hex()}")).code == INV_STATE


def test_with_forcesig_each_signature_asks_for_the_pin() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        assert (await client.ask("GETATTR CHV-STATUS")).status("CHV-STATUS")[0].startswith("+1+")
        assert len((await sign(client, token, WORK)).asked) == 1
        assert (await sign(client, token, WORK)).asked == []
        assert (await client.ask("SETATTR CHV-STATUS-1 %00")).code == 0
        assert (await client.ask("GETATTR CHV-STATUS")).status("CHV-STATUS")[0].startswith("+0+")
        for _ in range(2):
            answer = await sign(client, token, WORK)
            assert (answer.code, len(answer.asked)) == (0, 1)
        await with_pin(client, "SETATTR CHV-STATUS-1 %01", WORK)
        assert (await sign(client, token, WORK)).asked == []


def test_forcesig_is_about_the_signature_key_alone() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await with_pin(client, "SETATTR CHV-STATUS-1 %00", WORK)
        assert (await sign(client, token, WORK, label="ed25519-bare")).asked == []
        assert (await sign(client, token, WORK, label="ed25519-bare")).asked == []


def test_what_another_program_wrote_is_read_anew_on_demand() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await client.ask("LEARN --force")
        token.data["DISP-LANG"] = b"fr"
        assert (await client.ask("LEARN --force --reread")).status("DISP-LANG") == ["fr"]


def test_data_go_and_come_with_the_token() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await with_pin(client, "SETATTR DISP-LANG de", WORK)
        token.remove()
        assert (await client.ask("SERIALNO")).code != 0
        token.data["DISP-LANG"] = b"it"
        token.insert()
        await client.ask("SERIALNO")
        assert (await client.ask("GETATTR DISP-LANG")).status("DISP-LANG") == ["it"]
