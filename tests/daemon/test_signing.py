"""PKSIGN, PKAUTH and PKDECRYPT over the fake module, checked with the public keys themselves."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scd.gcrypt import digestinfo
from scd.gcrypt.curves import CURVES
from scd.service.kept.stubs import FOLDER
from tests.daemon.memory import Client, with_client
from tests.fakes.fake_module import FakeModule, Op
from tests.fakes.fake_token import FakeToken, work_token, x25519_token
from tests.fakes.keys import private_key

MESSAGE = b"to be signed"
DIGEST = hashlib.sha256(MESSAGE).digest()
PREFIXED = digestinfo.add("sha256", DIGEST).hex()


def grip(token: FakeToken, label: str) -> str:
    return next(key for key in token.keys if key.label == label).shown(True).keygrip.hex().upper()


async def signed(client: Client, command: str, data_hex: str) -> bytes:
    assert (await client.ask(f"SETDATA {data_hex}")).code == 0
    client.pins = [b"work-pin-271828"]
    answer = await client.ask(command)
    assert answer.code == 0
    return answer.data


@pytest.mark.parametrize("data", [PREFIXED, DIGEST.hex()], ids=["DigestInfo", "bare hash"])
def test_an_rsa_key_signs_a_digest_info_or_a_bare_hash(data: str) -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        signature = await signed(client, f"PKSIGN --hash=sha256 {grip(token, 'rsa2048')}", data)
        key = private_key("work-rsa2048")
        assert isinstance(key, rsa.RSAPrivateKey)
        key.public_key().verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("label", ["p256", "p384"])
def test_an_ecdsa_signature_is_two_equal_halves_over_the_bare_hash(label: str) -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        signature = await signed(client, f"PKSIGN --hash=sha256 -- {grip(token, label).lower()}", PREFIXED)
        half = len(signature) // 2
        r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        key = private_key(f"work-{label}")
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        key.public_key().verify(utils.encode_dss_signature(r, s), MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_gpg_gets_an_eddsa_signature_over_the_hash_itself() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        signature = await signed(client, f"PKSIGN --hash=sha256 {grip(token, 'ed25519')}", PREFIXED)
        key = private_key("work-ed25519")
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        key.public_key().verify(signature, DIGEST)


@pytest.mark.parametrize("message", [b"", b"x" * 20, b"y" * 3000], ids=["empty", "as long as SHA-1", "long"])
def test_ssh_gets_an_eddsa_signature_over_the_whole_message(message: bytes) -> None:
    """gpg-agent 2.2 to 2.5 puts SHA-1's prefix before it, whatever the length (protocol reference 5.1)."""
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        data = bytes.fromhex("3021300906052B0E03021A05000414") + message
        for start in range(0, len(data), 400):
            append = "--append " if start else ""
            assert (await client.ask(f"SETDATA {append}{data[start : start + 400].hex()}")).code == 0
        client.pins = [b"work-pin-271828"]
        answer = await client.ask(f"PKAUTH {grip(token, 'ed25519')}")
        key = private_key("work-ed25519")
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        key.public_key().verify(answer.data, message)


@pytest.mark.parametrize("front", [b"", b"\0"], ids=["as it is", "MPI with 00 in front"])
def test_rsa_decryption_is_unpadded_and_says_so(front: bytes) -> None:
    token = work_token()
    key = private_key("work-rsa2048")
    assert isinstance(key, rsa.RSAPrivateKey)
    ciphertext = front + key.public_key().encrypt(b"session key", padding.PKCS1v15())

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        assert (await client.ask(f"SETDATA {ciphertext.hex()[:800]}")).code == 0
        if ciphertext.hex()[800:]:
            assert (await client.ask(f"SETDATA --append {ciphertext.hex()[800:]}")).code == 0
        client.pins = [b"work-pin-271828"]
        answer = await client.ask(f"PKDECRYPT {grip(token, 'rsa2048')}")
        assert (answer.code, answer.status("PADDING"), answer.data) == (0, ["0"], b"session key")


def test_ecdh_gives_a_point_of_the_curve() -> None:
    """sq and gpg-sq take no other form; which of the two Y it has, only a Kyber key asks (tests/regress)."""
    token = work_token()
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    card_key = private_key("work-p256-ecdh")
    assert isinstance(card_key, ec.EllipticCurvePrivateKey)

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await client.ask(f"SETDATA {point.hex()}")
        client.pins = [b"work-pin-271828"]
        answer = await client.ask(f"PKDECRYPT {grip(token, 'p256-ecdh')}")
        assert answer.data[:33] == b"\x04" + ephemeral.exchange(ec.ECDH(), card_key.public_key())
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), answer.data)  # raises ValueError


@pytest.mark.parametrize(("name", "derivations"), [("rsa", 1), ("kyber768", 2)])
def test_the_second_derivation_is_made_beside_a_kyber_key_only(tmp_path: Path, name: str, derivations: int) -> None:
    """A card needs a third of a second for each."""
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / f"{'AB' * 20}.key").write_text(f"Key: (protected-private-key ({name} (p #00#)))\n")
    module = FakeModule(token := work_token())

    @with_client(module, home=str(tmp_path))
    async def _(client: Client) -> None:
        await client.ask(f"SETDATA {CURVES['NIST P-256'].g.hex()}")
        client.pins = [b"work-pin-271828"]
        assert (await client.ask(f"PKDECRYPT {grip(token, 'p256-ecdh')}")).code == 0
        module.calls.clear()
        assert (await client.ask(f"PKDECRYPT {grip(token, 'p256-ecdh')}")).code == 0
        assert module.count(Op.DECRYPT) == derivations


@pytest.mark.parametrize("front", [b"", b"\x40"], ids=["2.5: bare", "2.2 and 2.4: 40 in front"])
def test_x25519_takes_both_forms_and_gives_40_and_u(front: bytes) -> None:
    token = x25519_token()
    ephemeral = x25519.X25519PrivateKey.generate()
    card_key = private_key("x25519")
    assert isinstance(card_key, x25519.X25519PrivateKey)

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await client.ask(f"SETDATA {(front + ephemeral.public_key().public_bytes_raw()).hex()}")
        client.pins = [token.pin]
        answer = await client.ask(f"PKDECRYPT {grip(token, 'x25519')}")
        assert answer.data == b"\x40" + ephemeral.exchange(card_key.public_key())


def test_ten_signatures_need_one_login() -> None:
    token = work_token()
    module = FakeModule(token)

    @with_client(module)
    async def _(client: Client) -> None:
        for _ in range(10):
            await signed(client, f"PKSIGN --hash=sha256 {grip(token, 'rsa2048')}", PREFIXED)

    assert (module.count(Op.LOGIN), module.pins_seen) == (1, 1)


def test_every_name_of_a_key_is_taken() -> None:
    """Keygrip, keyref, role, gnupg-pkcs11-scd's id; in both cases, with and without `--`."""
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        learned = await client.ask("LEARN --force")
        line = next(entry for entry in learned.status("KEYPAIRINFO") if entry.startswith(grip(token, "rsa2048")))
        keyref = line.split()[1]
        names = [keyref, keyref.lower(), "OPENPGP.1", "openpgp.1", "$SIGNKEYID", r"scd\x20tests/fake/0001/work/01"]
        expected = (await client.ask(f"READKEY {grip(token, 'rsa2048')}")).data
        for name in names:
            assert (await client.ask(f"READKEY {name}")).data == expected, name
            assert (await client.ask(f"READKEY --info -- {name}")).data == expected, name


def test_a_key_on_two_tokens_works_on_the_one_that_is_there() -> None:
    first, second = work_token("0001"), work_token("0002")

    @with_client(FakeModule(first), FakeModule(second))
    async def _(client: Client) -> None:
        await signed(client, f"PKSIGN --hash=sha256 {grip(first, 'rsa2048')}", PREFIXED)
        first.remove()
        await signed(client, f"PKSIGN --hash=sha256 {grip(first, 'rsa2048')}", PREFIXED)


def test_data_survive_a_signature_and_end_with_restart() -> None:
    token = work_token()

    @with_client(FakeModule(token))
    async def _(client: Client) -> None:
        await signed(client, f"PKSIGN --hash=sha256 {grip(token, 'rsa2048')}", PREFIXED)
        assert (await client.ask(f"PKSIGN --hash=sha256 {grip(token, 'rsa2048')}")).code == 0
        assert (await client.ask("RESTART")).code == 0
        assert (await client.ask(f"PKSIGN --hash=sha256 {grip(token, 'rsa2048')}")).code == 58
