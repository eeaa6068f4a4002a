"""Keys made on a token, put there and destroyed, for every implementation of the port."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils, x25519

from scd.gcrypt.privkey import EccPrivateKey, PrivateKey, parse_private_key
from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey
from scd.token.errors import (
    InvalidData,
    KeyExists,
    KeyNotFound,
    PinRequired,
    UnsupportedAlgorithm,
    WrongKeyUsage,
)
from scd.token.model import DataRecord
from scd.token.port import GenerateRequest, ImportRequest, KeyAddress
from tests.contract.subject import Subject
from tests.fakes.keys import private_key, public_of
from tests.unit.gcrypt.keytocard import KEYTOCARD

HASH = bytes(range(32))
SHA256_INFO = bytes.fromhex("3031300D060960864801650304020105000420")
ID, OTHER_ID = b"\xaa\1", b"\xaa\2"
RAW = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
CURVES: dict[str, ec.EllipticCurve] = {
    "nistp256": ec.SECP256R1(), "nistp384": ec.SECP384R1(), "nistp521": ec.SECP521R1(), "secp256k1": ec.SECP256K1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(), "brainpoolP384r1": ec.BrainpoolP384R1(),
    "brainpoolP512r1": ec.BrainpoolP512R1(),
}  # fmt: skip


def imported(name: str) -> PrivateKey:
    return parse_private_key(KEYTOCARD[name][1])[0]


def address(own: Subject, label: str, cka_id: bytes, public: RsaPublicKey | EccPublicKey) -> KeyAddress:
    return KeyAddress(own.token(label), cka_id, public)


def works(own: Subject, public: RsaPublicKey | EccPublicKey, *, decrypts: bool = True) -> None:
    """The key at `ID` on token `empty` signs, and decrypts what was made for its public half."""
    key = address(own, "empty", ID, public)
    if isinstance(public, RsaPublicKey):
        numbers = rsa.RSAPublicNumbers(int.from_bytes(public.e, "big"), int.from_bytes(public.n, "big"))
        rsa_key = numbers.public_key()
        rsa_key.verify(own.sign(key, SHA256_INFO + HASH), HASH, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
        assert own.decrypt(key, rsa_key.encrypt(b"secret", padding.PKCS1v15())) == b"secret"
        return
    curve = CURVES[public.algorithm]
    ec_key = ec.EllipticCurvePublicKey.from_encoded_point(curve, public.q)
    signature = own.sign(key, HASH)
    half = len(signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    ec_key.verify(utils.encode_dss_signature(r, s), HASH, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    if decrypts:
        peer = ec.generate_private_key(curve)
        point = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        assert own.decrypt(key, peer.public_key().public_bytes(*point)) == peer.exchange(ec.ECDH(), ec_key)


@pytest.mark.parametrize("algorithm", ["rsa2048", *CURVES])
def test_a_key_is_made_on_the_token_and_works(own: Subject, algorithm: str) -> None:
    own.login("empty")
    key = own.generate("empty", algorithm, ID)
    assert (key.cka_id, key.label, key.public.algorithm) == (ID, "new", algorithm)
    assert key.private_seen
    assert key.can_sign
    assert key.can_decrypt
    works(own, key.public)


def test_an_ed25519_key_signs_only(own: Subject) -> None:
    own.login("empty")
    key = own.generate("empty", "ed25519", ID)
    assert (key.can_sign, key.can_decrypt) == (True, False)
    assert len(own.sign(address(own, "empty", ID, key.public), b"a message")) == 64


def test_a_cv25519_key_decrypts_only(own: Subject) -> None:
    own.login("empty")
    key = own.generate("empty", "cv25519", ID)
    assert (key.can_sign, key.can_decrypt) == (False, True)
    assert isinstance(key.public, EccPublicKey)
    peer = x25519.X25519PrivateKey.generate()
    shared = peer.exchange(x25519.X25519PublicKey.from_public_bytes(key.public.q))
    assert own.decrypt(address(own, "empty", ID, key.public), peer.public_key().public_bytes(*RAW)) == shared


@pytest.mark.parametrize(("algorithm", "usage"), [("cv25519", "sign"), ("ed25519", "decrypt"), ("rsa2048", "")])
def test_a_key_that_could_do_nothing_is_not_made(own: Subject, algorithm: str, usage: str) -> None:
    own.login("empty")
    with pytest.raises(WrongKeyUsage):
        own.generate("empty", algorithm, ID, sign=usage == "sign", decrypt=usage == "decrypt")
    assert not own.objects("empty").keys


@pytest.mark.parametrize(("sign", "decrypt"), [(True, False), (False, True)])
def test_a_key_may_do_what_it_was_made_for(own: Subject, sign: bool, decrypt: bool) -> None:
    own.login("empty")
    key = own.generate("empty", "nistp256", ID, sign=sign, decrypt=decrypt)
    assert (key.can_sign, key.can_decrypt) == (sign, decrypt)
    taken = own.import_key("empty", imported("nistp384"), OTHER_ID, sign=sign, decrypt=decrypt)
    assert (taken.can_sign, taken.can_decrypt) == (sign, decrypt)


def test_what_a_key_may_do_shows_without_login(own: Subject) -> None:
    own.login("empty")
    own.generate("empty", "nistp256", ID, sign=False)
    own.generate("empty", "rsa2048", OTHER_ID, decrypt=False)
    own.run(own.module.logout(own.token("empty")))
    usage = {key.cka_id: (key.can_sign, key.can_decrypt) for key in own.objects("empty").keys}
    assert usage == {ID: (False, True), OTHER_ID: (True, False)}


@pytest.mark.parametrize("algorithm", ["nonsense", "rsa", "rsa17", "nistp192", ""])
def test_an_algorithm_that_there_is_not_is_answered_with_those_there_are(own: Subject, algorithm: str) -> None:
    own.login("empty")
    with pytest.raises(UnsupportedAlgorithm, match=r"rsa2048.*nistp256.*ed25519"):
        own.generate("empty", algorithm, ID)


def test_a_place_that_is_taken_is_left_alone(own: Subject) -> None:
    own.login("empty")
    key = own.generate("empty", "nistp256", ID)
    with pytest.raises(KeyExists):
        own.generate("empty", "nistp384", ID)
    with pytest.raises(KeyExists):
        own.import_key("empty", imported("nistp384"), ID)
    assert own.objects("empty").keys == (key,)
    works(own, key.public)


def test_of_two_who_want_one_place_at_once_one_gets_it(own: Subject) -> None:
    own.login("empty")
    token = own.token("empty")

    async def both() -> list[PublicKey | BaseException]:
        asked = (own.module.generate(GenerateRequest(token, name, ID, "new", True, True)) for name in ("nistp256",) * 2)
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = own.run(both())
    (made,) = (one for one in answers if not isinstance(one, BaseException))
    (refused,) = (one for one in answers if isinstance(one, BaseException))
    assert isinstance(refused, KeyExists)
    (key,) = own.objects("empty").keys
    assert key.public == made
    works(own, key.public)


def test_keys_lie_side_by_side(own: Subject) -> None:
    own.login("empty")
    made = {own.generate("empty", "nistp256", one).keygrip for one in (ID, OTHER_ID)}
    assert {key.keygrip for key in own.objects("empty").keys} == made
    assert len(made) == 2


@pytest.mark.parametrize("name", [name for name in KEYTOCARD if "25519" not in name and name != "rsa1024"])
def test_an_agents_key_is_taken_in_and_works(own: Subject, name: str) -> None:
    own.login("empty")
    private = imported(name)
    key = own.import_key("empty", private, ID)
    assert (key.cka_id, key.label, key.public) == (ID, "new", private.public)
    assert key.private_seen
    works(own, key.public)


def test_an_rsa_key_is_taken_in_and_works(own: Subject) -> None:
    own.login("empty")
    private = imported("rsa1024")
    key = own.import_key("empty", private, ID)
    assert key.public == private.public
    works(own, private.public)


def test_25519_keys_are_taken_in_and_work(own: Subject) -> None:
    own.login("empty")
    ed, cv = imported("ed25519"), imported("cv25519")
    assert isinstance(cv, EccPrivateKey)
    own.import_key("empty", ed, ID)
    own.import_key("empty", cv, OTHER_ID)
    assert len(own.sign(address(own, "empty", ID, ed.public), b"a message")) == 64
    peer = x25519.X25519PrivateKey.generate()
    shared = peer.exchange(x25519.X25519PublicKey.from_public_bytes(cv.q))
    there = address(own, "empty", OTHER_ID, cv.public)
    assert own.decrypt(there, peer.public_key().public_bytes(*RAW)) == shared


def test_a_key_is_not_taken_in_twice(own: Subject) -> None:
    own.login("empty")
    key = own.import_key("empty", imported("nistp256"), ID)
    with pytest.raises(KeyExists):
        own.import_key("empty", imported("nistp256"), OTHER_ID)
    assert own.objects("empty").keys == (key,)


def test_a_destroyed_key_is_gone_and_its_certificate_stays(own: Subject) -> None:
    own.login("work")
    before = own.objects("work")
    key = own.address("work", "work-p256")
    own.run(own.module.destroy_key(key))
    after = own.objects("work")
    assert {one.keygrip for one in before.keys} - {one.keygrip for one in after.keys} == {key.public.keygrip}
    assert [one.public for one in after.certificates if one.cka_id == key.cka_id] == [key.public]
    with pytest.raises(KeyNotFound):
        own.sign(key, HASH)
    own.run(own.module.logout(key.token))
    # the certificate alone stands for a key that may hide until the login
    assert [one.private_seen for one in own.objects("work").keys if one.public == key.public] in ([], [False])


def test_only_exactly_this_key_is_destroyed(own: Subject) -> None:
    own.login("work")
    key = own.address("work", "work-p256")
    strangers = (
        KeyAddress(key.token, b"\x55", key.public),
        KeyAddress(key.token, key.cka_id, public_of(private_key("backup-p521"))),
    )
    before = own.objects("work")
    for stranger in strangers:
        with pytest.raises(KeyNotFound):
            own.run(own.module.destroy_key(stranger))
    with pytest.raises(InvalidData):
        own.run(own.module.destroy_key(KeyAddress(key.token, b"", key.public)))
    assert own.objects("work").keys == before.keys


def test_a_place_is_free_again_after_its_key(own: Subject) -> None:
    own.login("empty")
    first = own.generate("empty", "nistp256", ID)
    own.run(own.module.destroy_key(address(own, "empty", ID, first.public)))
    second = own.generate("empty", "nistp256", ID)
    assert own.objects("empty").keys == (second,)
    works(own, second.public)


def test_a_key_is_moved_under_another_key_s_id_and_each_stays_itself(own: Subject) -> None:
    """As when one takes the place of the other, which goes last."""
    own.login("empty")
    old, new = own.generate("empty", "nistp256", ID), own.generate("empty", "nistp256", b"\x55")
    own.run(own.module.move_key(address(own, "empty", b"\x55", new.public), ID))
    assert {(one.public, one.cka_id) for one in own.objects("empty").keys} == {(old.public, ID), (new.public, ID)}
    works(own, new.public)
    own.run(own.module.destroy_key(address(own, "empty", ID, old.public)))
    (left,) = own.objects("empty").keys
    assert (left.public, left.cka_id) == (new.public, ID)
    works(own, new.public)


def test_only_exactly_this_key_is_moved(own: Subject) -> None:
    own.login("work")
    key = own.address("work", "work-p256")
    before = own.objects("work")
    with pytest.raises(KeyNotFound):
        own.run(own.module.move_key(KeyAddress(key.token, b"\x55", key.public), ID))
    with pytest.raises(InvalidData):
        own.run(own.module.move_key(key, b""))
    assert own.objects("work").keys == before.keys


def test_changes_want_the_login_first(own: Subject) -> None:
    work = own.token("work")
    key = own.address("work", "work-p256")
    for change in (
        own.module.generate(GenerateRequest(work, "nistp256", ID, "new", True, True)),
        own.module.import_key(ImportRequest(work, imported("nistp256"), ID, "new", True, True)),
        own.module.destroy_key(key),
        own.module.move_key(key, ID),
        own.module.write_certificate(work, ID, "new", b""),
        own.module.delete_certificate(work, key.cka_id),
        own.module.write_data(work, (DataRecord("login", b"alice"),)),
    ):
        with pytest.raises(PinRequired) as need:
            own.run(change)
        assert not need.value.context
    own.login("work")
    assert own.sign(key, HASH)


def test_an_empty_cka_id_is_no_place(own: Subject) -> None:
    own.login("empty")
    with pytest.raises(InvalidData):
        own.generate("empty", "nistp256", b"")
    with pytest.raises(InvalidData):
        own.import_key("empty", imported("nistp256"), b"")
    assert not own.objects("empty").keys


def test_a_login_lives_through_changes(own: Subject) -> None:
    own.login("work")
    key = own.address("work", "work-rsa2048")
    own.generate("work", "nistp256", ID)
    assert own.tokens()["work"].logged_in
    assert own.sign(key, SHA256_INFO + HASH)
