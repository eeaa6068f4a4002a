"""WRITEKEY: private keys put on a token, as gpg's keytocard does."""

from __future__ import annotations

import pytest

from scd.gcrypt.fingerprint import fingerprint
from scd.gcrypt.privkey import parse_private_key
from scd.gcrypt.pubkey import PublicKey
from scd.token.errors import TokenFull
from tests.daemon.memory import Client, with_client
from tests.daemon.test_new_keys import EEXIST, ENOSPC, INV_DATA, grips, with_pin
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import empty_token, work_token
from tests.unit.gcrypt.keytocard import CREATED_AT, KEYTOCARD


def public(name: str) -> PublicKey:
    return parse_private_key(KEYTOCARD[name][1])[0].public


@pytest.mark.parametrize(
    ("name", "place", "algorithm"),
    [("rsa1024", 1, "rsa1024"), ("nistp256-ecdh", 2, "nistp256"), ("cv25519", 2, "cv25519"), ("ed25519", 3, "ed25519")],
)
def test_a_key_is_imported(name: str, place: int, algorithm: str) -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        grip, client.replies["KEYDATA"] = KEYTOCARD[name]
        answer = await with_pin(client, f"WRITEKEY OPENPGP.{place}")
        assert (answer.code, answer.asked[0], answer.data) == (0, "KEYDATA", b"")
        [line] = (await client.ask("LEARN --keypairinfo")).status("KEYPAIRINFO")
        usage = {"rsa1024": "scae", "ed25519": "sca"}.get(name, "e")
        assert line.split() == [grip, f"OPENPGP.{place}", usage, str(CREATED_AT), algorithm]
        expected = fingerprint(public(name), CREATED_AT, encryption=place == 2).hex().upper()
        assert (await client.ask("GETATTR KEY-FPR")).status("KEY-FPR") == [f"{place} {expected}"]


def test_the_same_key_again_is_refused() -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        client.replies["KEYDATA"] = KEYTOCARD["nistp256"][1]
        assert (await with_pin(client, "WRITEKEY OPENPGP.1")).code == 0
        assert (await with_pin(client, "WRITEKEY OPENPGP.1")).code == EEXIST
        assert (await with_pin(client, "WRITEKEY --force OPENPGP.2")).code == EEXIST
        assert len(token.keys) == 1


def test_the_private_key_is_not_even_asked_for_when_its_place_is_taken() -> None:
    @with_client(FakeModule(empty_token()))
    async def _(client: Client) -> None:
        client.replies["KEYDATA"] = KEYTOCARD["nistp256"][1]
        await with_pin(client, "WRITEKEY OPENPGP.1")
        answer = await client.ask("WRITEKEY OPENPGP.1")
        assert (answer.code, answer.asked) == (EEXIST, [])


def test_a_key_makes_way_for_keytocard_but_stays_on_the_token() -> None:
    """gpg's keytocard sends --force only where it was shown a fingerprint."""
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        before = grips(token)
        client.replies["KEYDATA"] = KEYTOCARD["rsa1024"][1]
        assert (await with_pin(client, "WRITEKEY OPENPGP.1", b"work-pin-271828")).code == 0
        assert grips(token)[:-1] == before
        assert (await client.ask("READKEY --info-only OPENPGP.1")).status("KEYPAIRINFO")[0].startswith(grips(token)[-1])


def test_a_key_without_a_time_has_no_fingerprint_made_up() -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        client.replies["KEYDATA"] = KEYTOCARD["nistp256"][1].replace(b"10:1600000000", b"1:0")
        assert (await with_pin(client, "WRITEKEY OPENPGP.1")).code == 0
        assert (await client.ask("GETATTR KEY-FPR")).lines == []


@pytest.mark.parametrize("data", [b"", b"(11:private-key)", b"no key at all", b"x" * 20000])
def test_what_is_no_private_key_is_refused(data: bytes) -> None:
    token = empty_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        client.replies["KEYDATA"] = data
        answer = await client.ask("WRITEKEY OPENPGP.1")
        assert answer.code == (67 if len(data) > 16384 else INV_DATA)
        assert answer.asked == ["KEYDATA"]


def test_a_full_token_takes_no_key() -> None:
    token = empty_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        module.fail_next(Op.IMPORT_KEY, TokenFull("no room"))
        client.replies["KEYDATA"] = KEYTOCARD["nistp256"][1]
        assert (await with_pin(client, "WRITEKEY OPENPGP.1")).code == ENOSPC
        assert token.keys == []
