"""Frames: what goes in comes out, and nothing but messages ever comes out."""

from __future__ import annotations

import json
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker import messages as m
from scd.cryptoki.worker.frames import MAX_BODY, FrameError, FrameSplitter, frame
from scd.gcrypt.privkey import EccPrivateKey, PrivateKey, RsaPrivateKey, parse_private_key
from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey
from scd.token import errors
from scd.token.errors import PinRequired, TokenError
from scd.token.model import TokenId, TokenObjects
from scd.token.port import METHODS, Call, DecryptRequest, ImportRequest, KeyAddress, SignRequest, TokenModule
from scd.token.secrets import Pin
from tests.fakes.keys import certificate, private_key, public_of
from tests.unit.gcrypt.keytocard import KEYTOCARD

TOKEN = TokenId("maker", "model", "0001", "work")
RSA = RsaPublicKey(b"\x80" * 128, b"\1\0\1")

rsa_keys = st.binary(min_size=1, max_size=64).map(lambda n: RsaPublicKey(b"\x80" + n, b"\1\0\1"))
ecc_keys = st.sampled_from(["work-p256", "work-ed25519", "x25519", "backup-p521"]).map(
    lambda name: public_of(private_key(name))
)
for_cryptography = st.sampled_from([certificate("work-rsa2048", b"\1"), certificate("ca", b"", "a label")])
st.register_type_strategy(RsaPublicKey, rsa_keys)
st.register_type_strategy(EccPublicKey, ecc_keys)
st.register_type_strategy(type(certificate("ca")), for_cryptography)
PRIVATE = [parse_private_key(data)[0] for _, data in KEYTOCARD.values()]
st.register_type_strategy(RsaPrivateKey, st.sampled_from([one for one in PRIVATE if isinstance(one, RsaPrivateKey)]))
st.register_type_strategy(EccPrivateKey, st.sampled_from([one for one in PRIVATE if isinstance(one, EccPrivateKey)]))
ONE_PIN, TWO_PINS = ("login", "check_so_pin"), ("change_pin", "reset_pin", "change_so_pin")


def hints(method: str) -> dict[str, Any]:
    """The port's own annotations."""
    return get_type_hints(getattr(TokenModule, method))


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a type, but no PIN, which is not comparable."""
    return st.none() if hint == Pin | None else st.from_type(hint)


def calls(method: str) -> st.SearchStrategy[Call]:
    """Any call of a method of the port."""
    of = hints(method)
    of.pop("return")
    return st.builds(Call, st.just(method), st.tuples(*map(values, of.values())))


requests: st.SearchStrategy[m.Request] = st.one_of(
    *map(calls, sorted(METHODS)), *map(st.from_type, (m.Configure, m.Close))
).filter(lambda message: "Pin(" not in repr(message))
plain_replies = st.one_of(*map(st.from_type, (m.Ready, m.Failure, m.LogRecord)))


@given(requests)
def test_requests_come_back_as_they_went(message: m.Request) -> None:
    assert m.decode_request(m.encode_request(message)) == message


@given(plain_replies)
def test_replies_come_back_as_they_went(message: m.Reply) -> None:
    assert m.decode_reply(m.encode_reply(message, ""), "") == message


@given(st.sampled_from(sorted(METHODS)), st.data())
def test_an_answer_comes_back_as_its_method_gave_it(method: str, data: st.DataObject) -> None:
    answer = m.Answer(data.draw(values(hints(method)["return"])))
    assert m.decode_reply(m.encode_reply(answer, method), method) == answer


@pytest.mark.parametrize("method", ["", "close", "ask", "__init__", "nonsense"])
def test_only_methods_of_the_port_can_be_called(method: str) -> None:
    with pytest.raises(FrameError):
        m.encode_request(Call(method, ()))
    with pytest.raises(FrameError):
        m.decode_request(with_header([method, []]))
    with pytest.raises(FrameError):
        m.decode_reply(with_header(["Answer", None]), method)


@given(st.binary(max_size=90), st.sampled_from(ONE_PIN))
def test_a_pin_arrives_and_is_a_pin(octets: bytes, method: str) -> None:
    (pin,) = decoded_call(m.encode_request(Call(method, (TOKEN, Pin(octets))))).pins()
    assert isinstance(pin, Pin)
    assert pin.reveal() == octets


def decoded_call(body: bytes) -> Call:
    back = m.decode_request(body)
    assert isinstance(back, Call)
    return back


@pytest.mark.parametrize(("method", "kind"), [("sign", SignRequest), ("decrypt", DecryptRequest)])
def test_a_context_pin_arrives_with_its_request(method: str, kind: type[SignRequest | DecryptRequest]) -> None:
    sent = kind(KeyAddress(TOKEN, b"\1", RSA), b"data", Pin(b"1234"))
    (pin,) = decoded_call(m.encode_request(Call(method, (sent,)))).pins()
    assert pin.reveal() == b"1234"


def test_octets_do_not_pass_through_json() -> None:
    body = m.encode_request(Call("login", (TOKEN, Pin(b"work-pin"))))
    length = int.from_bytes(body[:4], "big")
    assert b"work-pin" not in body[: 4 + length]
    assert body[4 + length :] == b"work-pin"


@pytest.mark.parametrize("method", TWO_PINS)
def test_two_pins_arrive_each_in_its_place(method: str) -> None:
    body = m.encode_request(Call(method, (TOKEN, Pin(b"first-pin"), Pin(b"second-pin"))))
    length = int.from_bytes(body[:4], "big")
    assert body[4 + length :] == b"first-pinsecond-pin"
    assert [pin.reveal() for pin in decoded_call(body).pins()] == [b"first-pin", b"second-pin"]


@pytest.mark.parametrize("private", PRIVATE, ids=repr)
def test_a_private_key_passes_by_json(private: PrivateKey) -> None:
    message = Call("import_key", (ImportRequest(TOKEN, private, b"\1", "label", True, True),))
    body = m.encode_request(message)
    length = int.from_bytes(body[:4], "big")
    header, blobs = body[4 : 4 + length], body[4 + length :]
    assert private.d in blobs
    assert len(header) < 160  # names and lengths
    assert m.decode_request(body) == message


def test_a_private_key_of_numbers_that_do_not_belong_together_is_a_frame_error() -> None:
    body = m.encode_request(Call("import_key", (ImportRequest(TOKEN, PRIVATE[0], b"\1", "label", True, True),)))
    with pytest.raises(FrameError, match="refuses its fields"):
        m.decode_request(body[:-9] + bytes(9))


@given(st.binary(max_size=200))
def test_garbage_is_a_frame_error(body: bytes) -> None:
    with pytest.raises(FrameError):
        m.decode_request(body)
    with pytest.raises(FrameError):
        m.decode_reply(body, "sign")


@given(requests, st.data())
def test_a_damaged_body_is_a_message_or_a_frame_error(message: m.Request, data: st.DataObject) -> None:
    body = bytearray(m.encode_request(message))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        back = m.decode_request(bytes(body))
    except FrameError:
        return
    assert isinstance(back, get_args(m.Request))


@given(requests, st.data())
def test_a_shortened_body_is_a_frame_error(message: m.Request, data: st.DataObject) -> None:
    body = m.encode_request(message)
    with pytest.raises(FrameError):
        m.decode_request(body[: data.draw(st.integers(0, len(body) - 1))])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=8,
)


@given(st.sampled_from(["Configure", "Close", *sorted(METHODS)]), json_values)
def test_a_header_of_a_wrong_shape_is_a_frame_error(name: str, value: object) -> None:
    try:
        back = m.decode_request(with_header([name, value]))
    except FrameError:
        return
    assert name == (back.method if isinstance(back, Call) else type(back).__name__)


def with_header(header: object, blobs: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(4, "big") + text + blobs


@pytest.mark.parametrize(
    ("header", "blobs"),
    [
        (["tokens", [1]], b""),  # a field too many
        (["objects", [["a", "b", "c", "d"]]], b""),  # one too few
        (["objects", [["a", "b", "c", "d"], True]], b""),  # a bool is no int
        (["objects", [["a", "b", "c", "d"], 1.0]], b""),
        (["objects", [["a", "b", "c", None], 1]], b""),
        (["objects", ["abcd", 1]], b""),  # a text is no list
        (["Answer", 4], b"abcd"),  # a reply is no request
        (["login", [["a", "b", "c", "d"], 5]], b"1234"),  # a blob too short
        (["login", [["a", "b", "c", "d"], 3]], b"1234"),  # octets left over
        (["login", [["a", "b", "c", "d"], -1]], b""),
        (["login", [["a", "b", "c", "d"], True]], b"1"),
        (["sign", [[[["a", "b", "c", "d"], 0, ["DsaPublicKey", [1, 1]]], 0, None]]], b"ab"),  # no such kind
        (["sign", [[[["a", "b", "c", "d"], 0, ["RsaPublicKey", [0, 0]]], 0, None]]], b""),  # refused by the class
        (["tokens", {}], b""),
        ({"tokens": []}, b""),
        (["tokens"], b""),
        ([["tokens"], []], b""),
        ("tokens", b""),
    ],
)
def test_strictness(header: object, blobs: bytes) -> None:
    with pytest.raises(FrameError):
        m.decode_request(with_header(header, blobs))


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b"NaN", b'["Tokens", Infinity]', b"9" * 5000, b'["Tok\xc3\xa4ns",[]]']
)
def test_what_json_readers_stumble_over(text: bytes) -> None:
    with pytest.raises(FrameError):
        m.decode_request(len(text).to_bytes(4, "big") + text)


def test_an_enum_has_the_members_it_has() -> None:
    token = [["a", "b", "c", "d", 0], True, True, True, False, False, "GONE", 0, 0, False, "FULL"]
    with pytest.raises(FrameError, match="PinTries"):
        m.decode_reply(with_header(["Answer", [token]]), "tokens")


def test_what_is_no_message_is_not_encoded() -> None:
    with pytest.raises(FrameError):
        m.encode_request(TOKEN)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(FrameError):
        m.encode_request(m.Configure(ModuleConfig("a", "b", private_mask=object()), 0))  # type: ignore[arg-type]
    with pytest.raises(FrameError):
        m.encode_request(Call("logout", (TOKEN, TOKEN)))


@pytest.mark.parametrize("label", ["Schlüssel", "\0", "\ud800 alone", "\U0001f511", '"\\'])
def test_odd_texts_survive(label: str) -> None:
    message = Call("logout", (TokenId("", "", "", label),))
    assert m.decode_request(m.encode_request(message)) == message


def test_a_full_listing_survives() -> None:
    from tests.fakes.fake_token import work_token

    token = work_token()
    keys = tuple(key.shown(True) for key in token.keys)
    reply = m.Answer(TokenObjects(keys, tuple(token.certificates), (), 7))
    assert m.decode_reply(m.encode_reply(reply, "objects"), "objects") == reply


def test_errors_of_every_kind_arrive_as_that_kind() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TokenError)]
    assert len(kinds) > 15
    for kind in kinds:
        back = m.Failure.of(kind("the reason")).error()
        assert type(back) is kind
        assert str(back) == "the reason"


def test_a_context_login_is_still_one_on_the_other_side() -> None:
    back = m.Failure.of(PinRequired("x", context=True)).error()
    assert isinstance(back, PinRequired)
    assert back.context


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=40)), max_size=5), st.data())
def test_frames_arrive_in_any_portions(frames: list[tuple[int, bytes]], data: st.DataObject) -> None:
    stream = b"".join(frame(body, number) for number, body in frames)
    whole, octets, portions = FrameSplitter(), FrameSplitter(), FrameSplitter()
    assert whole.feed(stream) == frames
    assert [one for octet in stream for one in octets.feed(bytes([octet]))] == frames
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [one for part in parts for one in portions.feed(part)] == frames


def test_a_length_over_the_limit_is_refused_at_once() -> None:
    with pytest.raises(FrameError):
        FrameSplitter().feed((MAX_BODY + 1).to_bytes(4, "big") + bytes(4))
    with pytest.raises(FrameError):
        frame(bytes(MAX_BODY + 1), 0)


def test_public_keys_cover_the_union() -> None:
    """A key type that is added to the model must be known here, or hypothesis does not build it."""
    assert set(get_args(PublicKey)) == {RsaPublicKey, EccPublicKey}
