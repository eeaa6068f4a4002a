"""GENKEY for places that the configuration gives to keys of the token: they answer, and nothing is made."""

from __future__ import annotations

from scd.daemon.daemon import Daemon
from scd.service.finding.places import ENCRYPT, SIGN, Role
from tests.daemon.memory import Client, service_over
from tests.daemon.test_new_keys import grips, run
from tests.fakes.fake_module import FakeModule
from tests.fakes.fake_token import work_token
from tests.fakes.keys import private_key, public_of


def test_a_configured_place_answers_with_its_key_and_changes_nothing() -> None:
    token = work_token()
    signing = public_of(private_key("work-rsa2048"))
    roles: dict[Role, bytes] = {SIGN: signing.keygrip}

    async def body(client: Client) -> None:
        before, data = grips(token), dict(token.data)
        first = await client.ask("GENKEY --timestamp=20261122T053646 --force 1")
        again = await client.ask("GENKEY --timestamp=20261123T000000 --force 1")
        assert (first.code, first.asked) == (0, [])
        # the certificate's notBefore, and so the same fingerprint each time
        assert first.status("KEY-CREATED-AT") == again.status("KEY-CREATED-AT") == ["1704067200"]
        assert first.status("KEY-FPR") == again.status("KEY-FPR")
        assert (grips(token), token.data) == (before, data)
        assert (await client.ask("GETATTR KEY-FPR")).status("KEY-FPR") == [f"1 {first.status('KEY-FPR')[0]}"]

    run(Daemon(service_over(FakeModule(token), roles=roles), deny_admin=True), body)


def test_the_time_of_a_configured_key_without_certificate_is_the_first_one_said() -> None:
    token = work_token()
    roles: dict[Role, bytes] = {ENCRYPT: public_of(private_key("work-p256-ecdh")).keygrip}

    async def body(client: Client) -> None:
        first = await client.ask("GENKEY --timestamp=20261122T053646 --force 2")
        again = await client.ask("GENKEY --timestamp=20261123T000000 --force 2")
        assert first.status("KEY-CREATED-AT") == again.status("KEY-CREATED-AT") == ["1795325806"]

    run(Daemon(service_over(FakeModule(token), roles=roles)), body)


def test_a_configured_key_has_its_fingerprint_at_once() -> None:
    token = work_token()
    roles: dict[Role, bytes] = {ENCRYPT: public_of(private_key("work-p256-ecdh")).keygrip}

    async def body(client: Client) -> None:
        [made] = (await client.ask("GENKEY --timestamp=20261122T053646 --force 2")).status("KEY-FPR")
        assert (await client.ask("GETATTR KEY-FPR")).status("KEY-FPR") == [f"2 {made}"]

    run(Daemon(service_over(FakeModule(token), roles=roles)), body)
