"""What C_Sign, C_Decrypt and C_DeriveKey give back with CKR_OK is looked at before it is answered with OK.

0, 1 or 63 octets were padded, and garbage of the right length was passed on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from scd.composition.plan import plan
from scd.config.commandline import parse_command_line
from scd.config.load import load_settings
from scd.gcrypt.proof import verifies
from scd.token.errors import InvalidData, KeyNotFound, TokenError, TokenFailure
from tests.fakes.keys import private_key, public_of
from tests.harness.assuan_client import AssuanClient, Reply
from tests.regress.faults import FaultyTokens
from tests.regress.tokens import ANSWERS, daemon
from tests.unit.cryptoki.in_memory import Bench, peer_of, token_with

P256, RSA, ED25519, ED448 = "work-p256", "work-rsa2048", "work-ed25519", "backup-ed448"
CARD_ERROR, NO_SECRET_KEY = 108, 17
DIGEST_INFO = bytes.fromhex("3031300D060960864801650304020105000420") + bytes(32)
LENGTHS = {P256: 64, RSA: 256, ED25519: 64, ED448: 114}
DATA = {P256: bytes(32), RSA: DIGEST_INFO, ED25519: bytes(32), ED448: bytes(32)}


def answering(name: str, answer: Callable[[bytes], bytes] | None, *, verify: bool = False) -> Bench:
    """A module whose only key answers with these octets; with the truth without any."""
    bench = Bench(token_with(name), verify_signatures=verify)
    answer_with(bench, answer)
    return bench


def answer_with(bench: Bench, answer: Callable[[bytes], bytes] | None) -> None:
    for one in bench.token.objects.values():
        one.compute = answer


def proves(bench: Bench, name: str) -> bool:
    return verifies(public_of(private_key(name)), DATA[name], bench.sign(name, DATA[name]))


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("change", ["none", "one", "short", "long"])
def test_a_signature_of_a_wrong_length_is_none(name: str, change: str) -> None:
    count = {"none": 0, "one": 1, "short": LENGTHS[name] - 1, "long": LENGTHS[name] + 1}[change]
    bench = answering(name, None)
    assert proves(bench, name)
    answer_with(bench, lambda _: b"\1" * count)
    with pytest.raises(TokenFailure, match="octets"):
        bench.sign(name, DATA[name])


@pytest.mark.parametrize("octets", [bytes(64), bytes(32) + b"\1" * 32, b"\1" * 32 + b"\xff" * 32])
def test_numbers_beyond_the_order_are_no_signature(octets: bytes) -> None:
    bench = answering(P256, None)
    assert proves(bench, P256)
    answer_with(bench, lambda _: octets)
    with pytest.raises(TokenFailure, match="order"):
        bench.sign(P256, DATA[P256])


@pytest.mark.parametrize("name", LENGTHS)
def test_the_first_signature_is_verified(name: str) -> None:
    bench = answering(name, lambda _: b"\1" * LENGTHS[name])
    refusal: type[TokenError] = TokenFailure if name == RSA else KeyNotFound
    with pytest.raises(refusal):
        bench.sign(name, DATA[name])
    bench.module.objects(bench.id, -1)  # read anew, as the service does for a key it does not know any more
    answer_with(bench, None)
    assert proves(bench, name)


@pytest.mark.parametrize("name", LENGTHS)
def test_later_ones_are_verified_when_that_is_wanted(name: str) -> None:
    bench = answering(name, None, verify=True)
    assert proves(bench, name)
    answer_with(bench, lambda _: b"\1" * LENGTHS[name])
    with pytest.raises(TokenFailure, match="does not verify"):
        bench.sign(name, DATA[name])
    answer_with(bench, None)
    assert proves(bench, name)


@pytest.mark.parametrize("shared", [b"", b"\1" * 33, bytes(32)], ids=["nothing", "too long", "zeros"])
def test_what_is_no_shared_secret_is_none(shared: bytes) -> None:
    bench = answering(P256, None)
    point, secret = peer_of(P256)
    assert bench.decrypt(P256, point) == secret
    answer_with(bench, lambda _: shared)
    with pytest.raises(TokenError):
        bench.decrypt(P256, point)


def test_a_shared_secret_that_was_made_up_is_not_given_out() -> None:
    bench = answering(P256, lambda _: os.urandom(32))
    with pytest.raises(KeyNotFound):
        bench.decrypt(P256, peer_of(P256)[0])


def test_a_plaintext_longer_than_the_key_allows_is_malformed() -> None:
    bench = answering(RSA, lambda _: b"\1" * 250)
    with pytest.raises(InvalidData, match="malformed"):
        bench.decrypt(RSA, bytes(255) + b"\1")


KINDS = ("rsa:2048", "EC:prime256v1", "EC:edwards25519")


def keygrip_on(client: AssuanClient) -> str:
    (info,) = client.transact("LEARN --force").values("KEYPAIRINFO")
    return info.split()[0]


def signed(client: AssuanClient, grip: str) -> Reply:
    assert client.transact("SETDATA " + "AB" * 32).ok
    return client.transact(f"PKSIGN --hash=sha256 {grip}", ANSWERS)


@pytest.fixture(params=KINDS)
def faulty(request: pytest.FixtureRequest, tmp_path: Path) -> FaultyTokens:
    """SoftHSM with one key, and a C_Sign that can be told to go wrong."""
    tokens = FaultyTokens(tmp_path / "softhsm")
    tokens.init("card")
    tokens.generate("card", request.param, "--id", "01", "--label", request.param)
    return tokens


def test_a_wrong_signature_of_a_real_module_costs_one_signature_at_most(faulty: FaultyTokens, tmp_path: Path) -> None:
    """Of a key that does not show its public half another one is asked for: it may be another key's."""
    with daemon(faulty, tmp_path) as client:
        grip = keygrip_on(client)
        faulty.fault("signwrong", 1)
        first = signed(client, grip)
        assert first.ok or (first.code, first.data) == (CARD_ERROR, b"")
        assert signed(client, grip).ok
        faulty.fault("signshort", 1)
        refused = signed(client, grip)
        assert (refused.code, refused.data) == (CARD_ERROR, b"")
        assert signed(client, grip).ok


def test_a_module_that_signs_wrongly_each_time_has_no_signature_answered_with_ok(
    faulty: FaultyTokens, tmp_path: Path
) -> None:
    with daemon(faulty, tmp_path) as client:
        grip = keygrip_on(client)
        faulty.fault("signwrong", 1000)
        for _ in range(3):
            refused = signed(client, grip)
            assert refused.code in (CARD_ERROR, NO_SECRET_KEY)
            assert refused.data == b""
        faulty.fault("signwrong", 0)
        assert client.transact("RESET").ok
        assert signed(client, grip).ok


def test_with_the_option_so_does_every_later_one(faulty: FaultyTokens, tmp_path: Path) -> None:
    with daemon(faulty, tmp_path, "verify-signatures\n") as client:
        grip = keygrip_on(client)
        for _ in range(3):
            assert signed(client, grip).ok
            faulty.fault("signwrong", 1)
            assert signed(client, grip).code == CARD_ERROR


@pytest.mark.parametrize("said", [True, False])
def test_the_option_is_every_modules(tmp_path: Path, said: bool) -> None:
    text = "provider-a-library /nowhere/a.so\nprovider-b-library /nowhere/b.so\n" + "verify-signatures\n" * said
    (tmp_path / "scd.conf").write_text(text)
    settings = load_settings(parse_command_line(["--homedir", str(tmp_path)]), {})
    assert [module.config.verify_signatures for module in plan(settings, {})] == [said, said]


@pytest.mark.parametrize("name", [P256, RSA, ED25519])
def test_nothing_more_is_asked_of_the_token_than_before(name: str) -> None:
    """Not even for the first signature."""
    bench = Bench(token_with(name))
    bench.objects()
    for _ in range(2):
        mark = len(bench.native.calls_)
        assert proves(bench, name)
        assert bench.native.calls_[mark:] == ["C_SignInit", "C_Sign"]


def test_a_decryption_is_proven_once() -> None:
    bench = Bench(token_with(P256))
    bench.objects()
    point, secret = peer_of(P256)
    for derivations in (2, 1, 1):
        mark = len(bench.native.calls_)
        assert bench.decrypt(P256, point) == secret
        assert bench.native.calls_[mark:].count("C_DeriveKey") == derivations
