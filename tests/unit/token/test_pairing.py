"""Which object belongs to which: every rule with its example, and what holds for any heap of objects."""

from __future__ import annotations

import hashlib
import itertools
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey
from scd.token.model import Certificate, KeyPair
from scd.token.pairing import Pairing, PrivateObject, PublicObject, family, pair


def rsa(number: int, e: bytes = b"\1\0\1") -> RsaPublicKey:
    return RsaPublicKey(b"\xc0" + bytes(30) + bytes((number,)), e)


def p256(number: int) -> EccPublicKey:
    return EccPublicKey("NIST P-256", b"\4" + bytes(63) + bytes((number,)))


def private(
    handle: int, cka_id: bytes, key: PublicKey, *, shown: bool = False, label: str = "", **told: bool | None
) -> PrivateObject:
    told = {"can_sign": None, "can_decrypt": None, "always_authenticate": False} | told
    return PrivateObject(handle, cka_id, label, family(key), key if shown else None, **told)  # type: ignore[arg-type]


def public(
    cka_id: bytes, key: PublicKey, label: str = "", can_sign: bool | None = None, can_decrypt: bool | None = None
) -> PublicObject:
    return PublicObject(cka_id, label, key, can_sign, can_decrypt)


def certificate(cka_id: bytes, key: PublicKey | None, label: str = "", **fields: object) -> Certificate:
    plain = Certificate(label.encode(), cka_id, label, key, f"CN={label}", 1000, None, is_ca=False)
    return replace(plain, **fields)  # type: ignore[arg-type]


ISSUING, BOTH = ("crl_sign", "key_cert_sign"), ("digital_signature", "key_cert_sign")


def only(result: Pairing) -> KeyPair:
    (key,) = result.keys
    return key


def handles(result: Pairing) -> dict[bytes, list[int]]:
    """By keygrip, the private objects that may be it."""
    return {
        grip: [one.handle for group in groups for one in group.members] for grip, groups in result.candidates.items()
    }


def reasons(result: Pairing) -> list[str]:
    return [one.reason for one in result.skipped]


def test_a_private_key_finds_its_public_half_by_cka_id() -> None:
    result = pair([private(7, b"\1", p256(1))], [public(b"\2", p256(2)), public(b"\1", p256(1))], [], presume=False)
    assert only(result).public == p256(1)
    assert only(result).private_seen
    assert handles(result) == {p256(1).keygrip: [7]}
    assert reasons(result) == ["the token has no private key for it"]


def test_a_certificate_stands_in_for_a_missing_public_object() -> None:
    mine = certificate(b"\1", p256(1), "mine")
    result = pair([private(7, b"\1", p256(1))], [], [mine], presume=False)
    assert only(result).public == p256(1)
    assert only(result).certificate is mine
    assert result.certificates == []


def test_a_private_key_that_shows_its_public_half_needs_no_cka_id() -> None:
    result = pair([private(7, b"", rsa(1), shown=True)], [], [], presume=False)
    assert only(result).public == rsa(1)


def test_a_public_object_is_believed_more_than_a_certificate_under_the_same_cka_id() -> None:
    stranger = certificate(b"\1", p256(2), "stranger")
    result = pair([private(7, b"\1", p256(1))], [public(b"\1", p256(1))], [stranger], presume=False)
    assert only(result).public == p256(1)
    assert only(result).certificate is None
    assert result.certificates == [stranger]


def test_a_certificate_with_another_cka_id_belongs_by_its_public_key() -> None:
    mine = certificate(b"", p256(1), "mine")
    result = pair([private(7, b"\1", p256(1))], [public(b"\1", p256(1))], [mine], presume=False)
    assert only(result).certificate is mine


def test_of_several_certificates_the_one_with_the_same_cka_id_wins_then_the_newest() -> None:
    old, new = certificate(b"\1", p256(1), "old"), certificate(b"\1", p256(1), "new", not_before=2000)
    newest = certificate(b"\2", p256(1), "newest elsewhere", not_before=3000)
    undated = certificate(b"\1", p256(1), "undated", not_before=None)
    result = pair([private(7, b"\1", p256(1))], [public(b"\1", p256(1))], [old, newest, undated, new], presume=False)
    assert only(result).certificate is new
    assert result.certificates == [old, newest, undated]


def test_equal_cka_ids_of_different_kinds_are_told_apart_by_the_kind() -> None:
    keys = [private(1, b"\1", rsa(1)), private(2, b"\1", p256(1))]
    result = pair(keys, [public(b"\1", p256(1)), public(b"\1", rsa(1))], [], presume=False)
    assert handles(result) == {rsa(1).keygrip: [1], p256(1).keygrip: [2]}
    assert result.skipped == []


def test_a_private_key_without_any_public_half_is_left_out() -> None:
    result = pair([private(1, b"\1", p256(1), label="odd")], [public(b"\1", rsa(1))], [], presume=False)
    assert result.keys == []
    assert result.skipped[0].what == 'private key id 01 "odd"'
    assert "no NIST P-256 public key or certificate has its CKA_ID" in result.skipped[0].reason


def test_of_two_public_keys_under_one_cka_id_either_may_be_the_private_keys() -> None:
    result = pair([private(1, b"\1", p256(1))], [public(b"\1", p256(1)), public(b"\1", p256(2))], [], presume=False)
    assert handles(result) == {p256(1).keygrip: [1], p256(2).keygrip: [1]}
    assert result.skipped == []


def test_two_silent_private_keys_under_one_cka_id_may_each_be_the_one() -> None:
    keys = [private(1, b"\1", p256(1), can_sign=True), private(2, b"\1", p256(2), can_sign=False, can_decrypt=True)]
    result = pair(keys, [public(b"\1", p256(1), "shown")], [], presume=False)
    assert handles(result) == {p256(1).keygrip: [1, 2]}
    assert (only(result).can_sign, only(result).can_decrypt, only(result).label) == (True, True, "shown")


def test_a_private_key_that_was_proven_leaves_the_other_public_key_to_the_others() -> None:
    proven, other = private(1, b"", p256(1), shown=True), private(2, b"", p256(2))
    result = pair([other, proven], [public(b"", p256(1)), public(b"", p256(2))], [], presume=False)
    assert handles(result) == {p256(1).keygrip: [1], p256(2).keygrip: [2]}


def test_a_private_key_is_no_candidate_for_what_it_was_seen_not_to_be() -> None:
    one = replace(private(1, b"\1", p256(1)), not_of=frozenset({p256(2).keygrip}))
    certified = certificate(b"\1", p256(1), "mine")
    result = pair([one], [public(b"\1", p256(2))], [certified], presume=False)
    assert handles(result) == {p256(1).keygrip: [1]}
    result = pair([one], [public(b"\1", p256(2))], [], presume=False)
    assert result.keys == []
    assert "it was tried" in reasons(result)[0]


@pytest.mark.parametrize("order", [1, -1])
def test_a_key_that_shows_its_public_half_goes_before_a_silent_one(order: int) -> None:
    keys = [private(1, b"\1", p256(2)), private(2, b"\1", p256(1), shown=True)][::order]
    result = pair(keys, [public(b"\1", p256(1))], [], presume=False)
    assert handles(result) == {p256(1).keygrip: [2, 1]}


def test_the_same_key_twice_is_one_key_that_can_what_either_can() -> None:
    keys = [
        private(1, b"\1", rsa(1), shown=True, can_sign=True, can_decrypt=False),
        private(2, b"\2", rsa(1), shown=True, can_sign=False, can_decrypt=True),
    ]
    result = pair(keys, [], [], presume=False)
    assert handles(result) == {rsa(1).keygrip: [1, 2]}
    assert (only(result).can_sign, only(result).can_decrypt) == (True, True)
    assert result.skipped == []


def test_empty_cka_ids_pair_like_any_other() -> None:
    """`pkcs11-tool --keypairgen` without --id."""
    result = pair([private(1, b"", p256(1))], [public(b"", p256(1))], [], presume=False)
    assert handles(result) == {p256(1).keygrip: [1]}


def test_a_guessed_exponent_gives_way_to_the_one_of_the_public_object() -> None:
    result = pair([private(1, b"\1", rsa(1), shown=True)], [public(b"\1", rsa(1, b"\3"))], [], presume=False)
    assert only(result).public == rsa(1, b"\3")
    assert result.skipped == []


def test_what_the_private_key_does_not_say_the_public_object_does() -> None:
    own = private(1, b"\1", rsa(1), shown=True, can_sign=False)
    result = pair([own], [public(b"\1", rsa(1), "twin", can_sign=True, can_decrypt=True)], [], presume=False)
    assert (only(result).can_sign, only(result).can_decrypt, only(result).label) == (False, True, "twin")


def test_the_label_is_the_certificates_where_the_keys_have_none() -> None:
    result = pair([private(1, b"\1", rsa(1), shown=True)], [], [certificate(b"\1", rsa(1), "mine")], presume=False)
    assert only(result).label == "mine"


def test_always_authenticate_is_kept() -> None:
    result = pair([private(1, b"\1", rsa(1), shown=True, always_authenticate=True)], [], [], presume=False)
    assert only(result).always_authenticate


@pytest.mark.parametrize(
    "worse",
    [
        {"label": "an attestation", "is_personal": False, "not_before": 5000},
        {"label": "expired", "not_before": 5000, "not_after": 9_999},
        {"label": "not valid yet", "not_before": 20_000},
        {"label": "older", "not_before": 900},
        {"label": "says nothing of mail or logins", "is_personal": None, "not_before": 5000},
        {"label": "expired and an attestation", "is_personal": False, "not_before": 5000, "not_after": 9_999},
    ],
    ids=lambda fields: fields["label"],
)
@pytest.mark.parametrize("cka_id", [b"\1", b"\2"])
def test_the_certificate_that_can_be_used_is_the_key_s_own(worse: dict[str, object], cka_id: bytes) -> None:
    good = certificate(b"\1", rsa(1), "good", is_personal=True, not_before=1000, not_after=11_000)
    bad = replace(certificate(cka_id, rsa(1), is_personal=True), **worse)  # type: ignore[arg-type]
    for certificates in ([good, bad], [bad, good]):
        result = pair([private(1, b"\1", rsa(1), shown=True)], [], certificates, presume=False, now=10_000)
        assert only(result).certificate == good
        assert result.certificates == [bad]


class TestBeforeLogin:
    def test_a_public_object_stands_for_its_hidden_private_half(self) -> None:
        result = pair([], [public(b"\1", p256(1), can_sign=True)], [], presume=True)
        assert (only(result).private_seen, only(result).can_sign) == (False, True)
        assert result.candidates == {}
        assert result.skipped == []

    def test_an_end_entity_certificate_stands_for_one(self) -> None:
        result = pair([], [], [certificate(b"\1", p256(1), "mine")], presume=True)
        assert only(result).certificate is not None
        assert result.certificates == []

    @pytest.mark.parametrize(
        "no_key",
        [
            certificate(b"\1", p256(1), "the token says so", of_authority=True),
            certificate(b"\1", None, "a kind of key that is not served"),
        ],
        ids=lambda one: one.label,
    )
    def test_other_certificates_stand_for_none(self, no_key: Certificate) -> None:
        result = pair([], [], [no_key], presume=True)
        assert result.keys == []
        assert result.certificates == [no_key]

    @pytest.mark.parametrize(
        "one",
        [
            certificate(b"\1", p256(1), "openssl req -x509", is_ca=True, issuer="CN=openssl req -x509"),
            certificate(b"\1", p256(1), "no keyCertSign", is_ca=True),
            certificate(b"\1", p256(1), "signs other things, too", is_ca=True, key_usage=BOTH),
            certificate(b"\1", p256(1), "of its own", is_ca=True, key_usage=ISSUING, issuer="CN=of its own"),
            certificate(b"\1", p256(1), "the token says so", is_ca=True, key_usage=ISSUING, of_authority=False),
        ],
        ids=lambda one: one.label,
    )
    def test_that_it_could_be_a_ca_s_is_no_reason(self, one: Certificate) -> None:
        other = certificate(b"\2", rsa(7), "another")
        result = pair([], [], [one, other], presume=True)
        assert [key.public for key in result.keys] == [p256(1), rsa(7)]

    @pytest.mark.parametrize(
        ("ca", "others"),
        [
            (certificate(b"\1", p256(1), "issuer", is_ca=True), [certificate(b"\2", rsa(7), issuer="CN=issuer")]),
            (certificate(b"\1", p256(1), "a CA", is_ca=True, key_usage=ISSUING), [certificate(b"\2", rsa(7))]),
        ],
        ids=["it has issued another one", "it can do nothing else"],
    )
    def test_what_is_clearly_a_foreign_ca_s_stands_for_none(self, ca: Certificate, others: list[Certificate]) -> None:
        result = pair([], [], [ca, *others], presume=True)
        assert only(result).public == rsa(7)
        assert result.certificates == [ca]

    def test_where_there_is_nothing_else_it_is_the_key_s(self) -> None:
        alone = certificate(b"", p256(1), "a CA", is_ca=True, key_usage=ISSUING)
        assert only(pair([], [], [alone], presume=True)).certificate == alone

    @pytest.mark.parametrize("visible", [b"\1", b""], ids=["with CKA_ID", "without"])
    def test_without_cka_id_it_stands_for_one_beside_visible_keys(self, visible: bytes) -> None:
        result = pair([], [public(visible, p256(2))], [certificate(b"", p256(1), "no CKA_ID")], presume=True)
        assert [key.public for key in result.keys] == [p256(2), p256(1)]

    def test_without_cka_id_a_ca_s_stands_for_none(self) -> None:
        ca = certificate(b"", rsa(1), "a CA", is_ca=True, key_usage=ISSUING)
        result = pair([], [public(b"\1", p256(2))], [ca], presume=True)
        assert only(result).public == p256(2)
        assert result.certificates == [ca]

    def test_what_a_login_has_disproved_stands_for_none(self) -> None:
        publics, certificates = [public(b"\1", p256(1))], [certificate(b"\2", p256(2))]
        disproved = {p256(1).keygrip, p256(2).keygrip}
        assert not pair([], publics, certificates, presume=True, disproved=disproved).keys

    def test_a_strangers_certificate_under_a_keys_cka_id_stands_for_none(self) -> None:
        result = pair([], [public(b"\1", p256(1))], [certificate(b"\1", p256(2), "stranger")], presume=True)
        assert only(result).public == p256(1)

    def test_a_private_key_that_is_visible_is_not_presumed_once_more(self) -> None:
        result = pair([private(5, b"\1", p256(1))], [public(b"\1", p256(1))], [], presume=True)
        assert only(result).private_seen
        assert handles(result) == {p256(1).keygrip: [5]}


IDS = st.sampled_from([b"", b"\1", b"\2", b"\3" * 20])
KEYS = st.one_of(
    st.builds(rsa, st.integers(0, 3), st.sampled_from([b"\1\0\1", b"\3"])), st.builds(p256, st.integers(0, 3))
)
TOLD = st.sampled_from([None, True, False])
PRIVATES = st.lists(
    st.builds(
        lambda cka_id, key, shown, told: private(0, cka_id, key, shown=shown, can_sign=told),
        IDS,
        KEYS,
        st.booleans(),
        TOLD,
    ),
    max_size=8,
).map(lambda heap: [replace(one, handle=handle) for handle, one in enumerate(heap)])
PUBLICS = st.lists(st.builds(public, IDS, KEYS, st.just("twin"), TOLD, TOLD), max_size=8)
CERTIFICATES = st.lists(
    st.builds(
        lambda cka_id, key, ca, since: certificate(cka_id, key, "c", is_ca=ca, not_before=since),
        IDS, st.one_of(st.none(), KEYS), st.booleans(), st.sampled_from([None, 0, 5]),
    ),
    max_size=8,
)  # fmt: skip


@given(PRIVATES, PUBLICS, CERTIFICATES, st.booleans())
def test_no_heap_of_objects_is_too_odd(
    privates: list[PrivateObject], publics: list[PublicObject], certificates: list[Certificate], presume: bool
) -> None:
    result = pair(privates, publics, certificates, presume=presume)
    grips = [key.keygrip for key in result.keys]
    assert len(grips) == len(set(grips))
    assert {key.keygrip for key in result.keys if key.private_seen} == result.candidates.keys()
    by_handle = {one.handle: one for one in privates}
    for key in result.keys:
        for handle in handles(result).get(key.keygrip, []):
            behind = by_handle[handle]
            assert behind.family == family(key.public)
            assert behind.public is None or behind.public.keygrip == key.keygrip
        if key.certificate:
            assert key.certificate.public == key.public
    left_out = sum(one.what.startswith("private key") for one in result.skipped)
    assert left_out + len({handle for found in handles(result).values() for handle in found}) == len(privates)
    attached = {id(key.certificate) for key in result.keys} - {id(None)}
    assert len(attached) + len(result.certificates) == len(certificates)


def steps_for(count: int, period: int) -> int:
    """How many functions are called for `count` keys with certificates, before and after login."""
    keys = [RsaPublicKey(b"\xc0" + hashlib.sha256(b"%d" % n).digest(), b"\3") for n in range(count)]
    ids = [(n % period).to_bytes(2, "big") for n in range(count)]
    publics = [public(cka_id, key) for cka_id, key in zip(ids, keys, strict=True)]
    certificates = [certificate(cka_id, key, "c") for cka_id, key in zip(ids, keys, strict=True)]
    silent = [private(n, cka_id, key) for n, (cka_id, key) in enumerate(zip(ids, keys, strict=True))]
    steps = itertools.count()
    sys.setprofile(lambda *_: next(steps))
    try:
        pair(silent, publics, certificates, presume=False)
        pair([], publics, certificates, presume=True)
        pair([], [], certificates, presume=True)
    finally:
        sys.setprofile(None)
    return next(steps)


@pytest.mark.parametrize("period", [1, 1 << 16], ids=["one CKA_ID for all", "each its own"])
def test_the_work_grows_with_the_number_of_objects_and_not_faster(period: int) -> None:
    assert steps_for(400, period) < 10 * steps_for(50, period)
