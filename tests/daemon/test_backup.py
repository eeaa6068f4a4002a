"""A key on two tokens: whoever asks for the absent one, as GnuPG 2.2 does, is served by the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from scd.daemon.daemon import Daemon
from scd.service.finding.serials import keyref, wire_serial
from scd.service.kept.stubs import FOLDER
from scd.token.model import TokenId
from tests.daemon.memory import Client, service_over
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import FakeToken, fixture_key
from tests.fakes.keys import private_key, public_of

ENODEV = 32848
P256, P384 = "work-p256", "work-p384"
ABSENT = TokenId("scd tests", "fake", "0009", "first")
PIN = b"backup-pin-161803"
DIGEST = bytes(range(32))


def backup(**keys: str) -> FakeToken:
    """A token with these keys, CKA_ID by name."""
    made = [fixture_key(name, cka_id.removeprefix("id")) for cka_id, name in keys.items()]
    return FakeToken("backup", PIN, "0002", made)


def write_stub(home: Path, name: str, serial: str, ref: str) -> None:
    """As gpg-agent 2.2 writes one."""
    (home / FOLDER).mkdir(exist_ok=True)
    grip = public_of(private_key(name)).keygrip.hex().upper()
    text = f"Token: {serial} {ref}\nKey: (shadowed-private-key (ecc (shadowed t1-v1 (#{serial}# {ref}))))\n"
    (home / FOLDER / f"{grip}.key").write_text(text)


def with_home(home: Path, *modules: FakeModule) -> Callable[[Callable[[Client], Awaitable[None]]], None]:
    """Run a test's body with a client of a daemon that has this home."""

    def run(body: Callable[[Client], Awaitable[None]]) -> None:
        async def main() -> None:
            client = Client(Daemon(service_over(*modules, home=str(home))))
            await client.line()
            client.pins = [PIN]
            await body(client)

        asyncio.run(main())

    return run


async def sign(client: Client, ref: str) -> tuple[int, bytes]:
    """The answer's code and data to PKSIGN over DIGEST."""
    await client.ask(f"SETDATA {DIGEST.hex()}")
    answer = await client.ask(f"PKSIGN --hash=sha256 {ref}")
    return answer.code, answer.data


def signed_by(name: str, signature: bytes) -> bool:
    key = private_key(name)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    half = len(signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    try:
        key.public_key().verify(encode_dss_signature(r, s), DIGEST, ec.ECDSA(Prehashed(hashes.SHA256())))
    except InvalidSignature:
        return False
    return True


def test_the_backup_stands_in_and_its_key_goes_by_the_stubs_name(tmp_path: Path) -> None:
    serial = wire_serial(ABSENT, {})
    ref = keyref(serial, b"\1", b"", unique=True)
    write_stub(tmp_path, P256, serial, ref)

    @with_home(tmp_path, FakeModule(backup(id01=P384, id07=P256)))
    async def _(client: Client) -> None:
        assert (await client.ask(f"SERIALNO --demand={serial}")).status("SERIALNO") == [serial]
        code, signature = await sign(client, ref)
        assert code == 0
        assert signed_by(P256, signature)


def test_a_place_means_the_key_that_was_there_on_the_absent_card(tmp_path: Path) -> None:
    """OPENPGP.1 of the backup may be another key."""
    serial = wire_serial(ABSENT, {})
    write_stub(tmp_path, P256, serial, "OPENPGP.1")

    @with_home(tmp_path, FakeModule(backup(id01=P384, id07=P256)))
    async def _(client: Client) -> None:
        await client.ask(f"SERIALNO --demand={serial}")
        assert signed_by(P256, (await sign(client, "OPENPGP.1"))[1])
        await client.ask("SERIALNO")  # now it is the backup's own place
        assert not signed_by(P256, (await sign(client, "OPENPGP.1"))[1])


def test_the_first_card_is_preferred_when_it_is_there(tmp_path: Path) -> None:
    first = FakeToken(ABSENT.label, PIN, ABSENT.serial, [fixture_key(P256, "01")])
    serial = wire_serial(ABSENT, {})
    write_stub(tmp_path, P256, serial, "P11.1")
    module = FakeModule(backup(id07=P256), first)

    @with_home(tmp_path, module)
    async def _(client: Client) -> None:
        client.pins = [PIN, PIN, PIN]
        grip = public_of(private_key(P256)).keygrip.hex()
        for away, label in ((False, "first"), (True, "backup"), (False, "first")):
            first.present = not away
            await client.ask(f"SERIALNO --demand={serial}")
            module.calls.clear()
            assert (await sign(client, grip))[0] == 0
            assert set(module.labels([Op.SIGN])) == {label}


def test_nobody_stands_in_for_a_card_of_other_keys(tmp_path: Path) -> None:
    serial = wire_serial(ABSENT, {})
    write_stub(tmp_path, P384, serial, "OPENPGP.1")

    @with_home(tmp_path, FakeModule(backup(id07=P256)))
    async def _(client: Client) -> None:
        assert (await client.ask(f"SERIALNO --demand={serial}")).code == ENODEV
        assert (await client.ask(f"SWITCHCARD {serial}")).code != 0


def test_the_stand_in_that_goes_is_missed(tmp_path: Path) -> None:
    serial = wire_serial(ABSENT, {})
    write_stub(tmp_path, P256, serial, "OPENPGP.1")
    token = backup(id07=P256)

    @with_home(tmp_path, FakeModule(token))
    async def _(client: Client) -> None:
        await client.ask(f"SERIALNO --demand={serial}")
        token.remove()
        assert (await client.ask(f"SERIALNO --demand={serial}")).code == ENODEV
        token.insert()
        assert (await client.ask(f"SERIALNO --demand={serial}")).code == 0


def twins() -> tuple[FakeToken, FakeToken]:
    """Nothing tells them apart but the slot; each has a key of its own."""
    first, second = (FakeToken("card", PIN, "0" * 16, [fixture_key(name, "01")]) for name in (P256, P384))
    second.twin = 1
    return first, second


def test_two_tokens_with_equal_texts_are_two_cards() -> None:
    first, second = twins()

    async def main() -> None:
        client = Client(Daemon(service_over(FakeModule(first, second))))
        await client.line()
        serials = (await client.ask("GETINFO card_list")).status("SERIALNO")
        assert len(set(serials)) == 2
        client.pins = [PIN, PIN]
        names = []
        for name in (P256, P384):
            grip = public_of(private_key(name)).keygrip.hex()
            await client.ask(f"SETDATA {DIGEST.hex()}")
            answer = await client.ask(f"PKSIGN --hash=sha256 {grip}")
            assert answer.code == 0
            names.append(next(line for line in answer.asked[0].split("%0A") if line.startswith("Number:")))
            shown = (await client.ask(f"GETATTR $DISPSERIALNO {grip}")).status("$DISPSERIALNO")
            assert shown[0].replace("+", " ") in names[-1]
        assert names[0] != names[1]
        learnt = await client.ask("LEARN --force")
        titles = [line.rpartition(" on ")[2] for line in learnt.status("KEY-FRIEDNLY")]
        assert len(set(titles)) == 2
        assert titles[0] in learnt.status("READER")[0].replace("+", " ")
        refs = [line.split()[1] for line in learnt.status("KEYPAIRINFO")]
        assert len(set(refs)) == 2

    asyncio.run(main())
