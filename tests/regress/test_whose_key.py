"""A CKA_ID alone does not say whose half a private key is: it is used once, and seen.

`pkcs11-tool --keypairgen` without --id leaves it empty; a private key written over an older public key's id signed for
that one, and gpg made keys of such signatures. SoftHSM shows no public key in the private ones of curves.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from scd.gcrypt.proof import Probe, verifies
from scd.gcrypt.pubkey import PublicKey
from scd.token.errors import KeyNotFound, WrongKeyUsage
from scd.token.port import KeyAddress
from tests.regress.tokens import ANSWERS, PlainTokens, daemon, new_key, public_of, self_signed
from tests.softhsm.loaded import Loaded, loaded

DIGEST = bytes(range(32))
NO_SECRET_KEY = 17


@pytest.fixture
def tokens(tmp_path: Path) -> PlainTokens:
    made = PlainTokens(tmp_path / "softhsm")
    made.init("card")
    return made


def at(card: Loaded, public: PublicKey, cka_id: bytes = b"") -> KeyAddress:
    return KeyAddress(card.id("card"), cka_id, public)


def listed(card: Loaded) -> set[bytes]:
    return {key.keygrip for key in card.objects("card").keys}


def signs(card: Loaded, public: PublicKey) -> bool:
    return verifies(public, DIGEST, card.sign(at(card, public), DIGEST))


def agrees(card: Loaded, public: PublicKey) -> bool:
    probe = Probe(public)
    return probe.shows(public, card.decrypt(at(card, public), probe.data))


@pytest.mark.parametrize("kind", ["pubkey", "cert"])
@pytest.mark.parametrize("curve", ["prime256v1", "secp384r1", "brainpoolP256r1"])
def test_nothing_is_signed_with_another_key_than_the_one_that_was_asked_for(
    tokens: PlainTokens, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, curve: str
) -> None:
    old, new = new_key(curve, tmp_path, "old"), new_key(curve, tmp_path, "new")
    tokens.write("card", kind, old.with_suffix(".pub") if kind == "pubkey" else self_signed(old), "--id", "01")
    tokens.write("card", "privkey", new, "--id", "01", "--label", "new")
    wrong = public_of(old)
    with loaded(tokens) as card, caplog.at_level(logging.WARNING):
        card.login("card")
        assert listed(card) == {wrong.keygrip}
        with pytest.raises(KeyNotFound) as refused:
            card.sign(at(card, wrong), DIGEST)
        assert 'private key id 01 "new"' in str(refused.value)
        assert wrong.keygrip.hex().upper() in str(refused.value)
        assert str(refused.value) in caplog.text
        assert listed(card) == set()
        with pytest.raises(KeyNotFound):
            card.sign(at(card, wrong), DIGEST)


def test_nor_is_anything_decrypted_with_it(tokens: PlainTokens, tmp_path: Path) -> None:
    old, new = new_key("prime256v1", tmp_path, "old"), new_key("prime256v1", tmp_path, "new")
    tokens.write("card", "pubkey", old.with_suffix(".pub"), "--id", "01")
    tokens.write("card", "privkey", new, "--id", "01", "--usage-derive")
    with loaded(tokens) as card:
        card.login("card")
        with pytest.raises(KeyNotFound):
            agrees(card, public_of(old))
        assert listed(card) == set()


@pytest.mark.parametrize("first", ["old", "new"])
def test_of_two_public_keys_the_one_that_is_the_private_keys_stays(
    tokens: PlainTokens, tmp_path: Path, first: str
) -> None:
    old, new = new_key("prime256v1", tmp_path, "old"), new_key("prime256v1", tmp_path, "new")
    for key in (old, new):
        tokens.write("card", "pubkey", key.with_suffix(".pub"), "--id", "01")
    tokens.write("card", "privkey", new, "--id", "01")
    with loaded(tokens) as card:
        card.login("card")
        if first == "old":
            with pytest.raises(KeyNotFound):
                card.sign(at(card, public_of(old)), DIGEST)
        else:
            assert signs(card, public_of(new))
        assert listed(card) == {public_of(new).keygrip}
        assert signs(card, public_of(new))


def test_the_daemon_says_no_secret_key_and_why(tokens: PlainTokens, tmp_path: Path) -> None:
    old, new = new_key("prime256v1", tmp_path, "old"), new_key("prime256v1", tmp_path, "new")
    tokens.write("card", "pubkey", old.with_suffix(".pub"), "--id", "01")
    tokens.write("card", "privkey", new, "--id", "01", "--label", "new")
    grip = public_of(old).keygrip.hex().upper()
    with daemon(tokens, tmp_path) as client:
        assert client.transact("LEARN --force").values("KEYPAIRINFO")
        assert client.transact("SETDATA " + DIGEST.hex()).ok
        refused = client.transact(f"PKSIGN --hash=sha256 {grip}", ANSWERS)
        assert (refused.code, refused.data) == (NO_SECRET_KEY, b"")
        assert client.transact("LEARN --force").values("KEYPAIRINFO") == []
    log = (tmp_path / "scd.log").read_text(encoding="utf-8")
    assert f'private key id 01 "new" is not that of the public key {grip}' in log


@pytest.mark.parametrize("kind", ["EC:prime256v1", "EC:secp521r1", "EC:edwards25519", "rsa:2048"])
def test_a_key_that_was_generated_without_a_cka_id_signs(tokens: PlainTokens, kind: str) -> None:
    tokens.generate("card", kind)
    with loaded(tokens) as card:
        (before,) = card.objects("card").keys
        card.login("card")
        (key,) = card.objects("card").keys
        assert key.keygrip == before.keygrip
        block = bytes.fromhex("3031300D060960864801650304020105000420") + DIGEST if kind == "rsa:2048" else DIGEST
        assert verifies(key.public, block, card.sign(at(card, key.public), block))


@pytest.mark.parametrize("cka_id", [(), ("--id", "07")], ids=["empty", "shared"])
def test_three_keys_under_one_cka_id_each_sign_and_decrypt_for_themselves(
    tokens: PlainTokens, cka_id: tuple[str, ...]
) -> None:
    for _ in range(3):
        tokens.generate("card", "EC:prime256v1", *cka_id, "--usage-sign", "--usage-derive")
    with loaded(tokens) as card:
        card.login("card")
        publics = [key.public for key in card.objects("card").keys]
        assert len(publics) == 3
        assert all(signs(card, public) for public in publics)
        assert all(agrees(card, public) for public in publics)
        assert len(listed(card)) == 3


@pytest.mark.parametrize("kind", ["rsa", "prime256v1"])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("cka_ids", [("01", "02"), ("01", "01")], ids=["two ids", "one id"])
def test_a_key_whose_two_objects_have_a_use_each_does_both(
    tokens: PlainTokens, tmp_path: Path, kind: str, order: int, cka_ids: tuple[str, str]
) -> None:
    key = new_key(kind, tmp_path)
    uses = ("sign", "decrypt" if kind == "rsa" else "derive")
    for cka_id, use in list(zip(cka_ids, uses, strict=True))[::order]:
        tokens.create("card", "private", key, cka_id, use)
        tokens.create("card", "public", key, cka_id, use)
    with loaded(tokens) as card:
        card.login("card")
        (found,) = card.objects("card").keys
        block = bytes.fromhex("3031300D060960864801650304020105000420") + DIGEST if kind == "rsa" else DIGEST
        assert verifies(found.public, block, card.sign(at(card, found.public), block))
        assert decrypted(card, key, found.public)


def decrypted(card: Loaded, key: Path, public: PublicKey) -> bool:
    private = load_der_private_key(key.read_bytes(), None)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return agrees(card, public)
    assert isinstance(private, rsa.RSAPrivateKey)
    return card.decrypt(at(card, public), private.public_key().encrypt(b"k", padding.PKCS1v15())) == b"k"


def test_a_key_with_neither_use_says_so(tokens: PlainTokens, tmp_path: Path) -> None:
    key = new_key("prime256v1", tmp_path)
    for cka_id in ("01", "02"):
        tokens.create("card", "private", key, cka_id, "derive")
        tokens.create("card", "public", key, cka_id, "derive")
    with loaded(tokens) as card:
        card.login("card")
        with pytest.raises(WrongKeyUsage):
            card.sign(at(card, public_of(key)), DIGEST)


def test_a_private_key_is_not_destroyed_in_anothers_name(tokens: PlainTokens, tmp_path: Path) -> None:
    old, new = new_key("prime256v1", tmp_path, "old"), new_key("prime256v1", tmp_path, "new")
    for key in (old, new):
        tokens.write("card", "pubkey", key.with_suffix(".pub"), "--id", "01")
    tokens.write("card", "privkey", new, "--id", "01")
    with loaded(tokens) as card:
        card.login("card")
        card.module.destroy_key(at(card, public_of(old), b"\1"))
        assert listed(card) == {public_of(new).keygrip}
        assert signs(card, public_of(new))
        card.module.destroy_key(at(card, public_of(new), b"\1"))
        assert listed(card) == set()
