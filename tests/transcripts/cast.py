"""Who takes part in a transcript: tokens that call themselves SoftHSM's, and the names of what is on them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric import rsa

from scd.gcrypt.fingerprint import fingerprint
from scd.gcrypt.sshkey import ssh_line
from scd.service.finding.serials import display_serial, helper_id, keyref, serial_mark, wire_serial
from scd.token.model import TokenId
from tests.daemon.memory import SOURCE_SCD
from tests.fakes import fake_crypto
from tests.fakes.fake_token import (
    FakeKey,
    FakeToken,
    always_token,
    empty_token,
    fixture_key,
    work_token,
    x25519_token,
)
from tests.fakes.keys import certificate
from tests.harness.assuan_client import pin_reply
from tests.unit.gcrypt.keytocard import KEYTOCARD

SOCKET = "/run/user/1000/scd-transcript/S.scd"


class SoftHsmToken(FakeToken):
    """A fake token with the maker's names of SoftHSM 2.6.1, so that recorded serial numbers come out the same."""

    __slots__ = ()

    @property
    def id(self) -> TokenId:
        """The four texts."""
        return TokenId("SoftHSM project", "SoftHSM v2", self.serial, self.label)


def _as_softhsm(token: FakeToken) -> FakeToken:
    return SoftHsmToken(**{field.name: getattr(token, field.name) for field in fields(token)})


def _clone() -> FakeToken:
    return FakeToken("clone", b"clone-pin-577215", "c10e000000000001", [fixture_key("work-rsa2048", "C1")])


# The serial number of `work` is that of the token in the recorded home of gnupg-pkcs11-scd.
TOKENS: dict[str, Callable[[], FakeToken]] = {
    "work": lambda: _as_softhsm(work_token("c0aec6c4248fa139")),
    "always": lambda: _as_softhsm(always_token("a1a1a1a1a1a1a1a1")),
    "clone": lambda: _as_softhsm(_clone()),
    "empty": lambda: _as_softhsm(empty_token("e0e0e0e0e0e0e0e0")),
    "montgomery": lambda: _as_softhsm(x25519_token("25519")),
    "empty-slot": lambda: _as_softhsm(FakeToken("", serial="", initialized=False)),
}


class Names:
    """What the placeholders of a transcript stand for, as octets. `TOKEN/KEY` where there are several tokens.

    `{serial}`, `{mark}`, `{display}`, `{pin}`, `{so-pin}` take a token; `{grip:KEY}`, `{keyref:KEY}`, `{old-id:KEY}`,
    `{public:KEY}`, `{ssh:KEY}`, `{certificate:KEY}` a key, by its label; `{signature:KEY}` and `{plain:KEY}` what an
    RSA key makes of the last SETDATA, `{signature:KEY:HEX}` what any key that signs without chance makes of this
    block; `{fingerprint:KEY:TIME}` that of the OpenPGP key made of it then.
    `{keydata:ALGORITHM}` is what the agent sent of a private key once, `{der:FILE}` a certificate of softhsm-fixtures.
    `{pin=TEXT}` is gpg-agent's reply with this PIN, `{hex:HEX}` these octets, `{bytes:TEXT}` percent-escaped text,
    `{err:CODE}` the number in an ERR line, `{pid}` and `{socket}` the daemon's.
    """

    def __init__(self, tokens: list[FakeToken]) -> None:
        self.block = b""  # what SETDATA said last
        self._tokens = {token.label: token for token in tokens}
        self._first = tokens[0] if tokens else None

    def value(self, name: str) -> bytes:
        """Raises KeyError for a name that means nothing."""
        if name.startswith("pin="):
            return pin_reply(name[4:])
        word, _, rest = name.partition(":")
        if word in _PLAIN:
            return _PLAIN[word](rest)
        if word in _OF_TOKEN:
            return _OF_TOKEN[word](self._token(rest))
        what, _, block = rest.partition(":")
        if word == "fingerprint":
            return _fingerprint(self._key(what)[1], int(block))
        return _OF_KEY[word](*self._key(what), bytes.fromhex(block) if block else self.block)

    def _token(self, label: str) -> FakeToken:
        token = self._tokens[label] if label else self._first
        if token is None:
            raise KeyError("no token takes part")
        return token

    def _key(self, what: str) -> tuple[FakeToken, FakeKey]:
        label, slash, name = what.rpartition("/")
        token = self._token(label if slash else "")
        return token, next(key for key in token.keys if key.label == name)


def _serial(token: FakeToken) -> str:
    return wire_serial(token.id, {})


def _keyref(token: FakeToken, key: FakeKey, _block: bytes) -> bytes:
    return keyref(_serial(token), key.cka_id, key.shown(True).keygrip, unique=True).encode()


def _certificate(_token: FakeToken, key: FakeKey, _block: bytes) -> bytes:
    assert key.certificate is not None
    return key.certificate.der


def _fingerprint(key: FakeKey, created: int) -> bytes:
    encrypts = key.can_sign is False
    return fingerprint(key.shown(True).public, created, encryption=encrypts).hex().upper().encode()


def _plain(_token: FakeToken, key: FakeKey, block: bytes) -> bytes:
    """RSA: the ciphertext comes as a number that may have lost or gained leading zeros."""
    assert isinstance(key.private, rsa.RSAPrivateKey)
    return fake_crypto.decrypt(key.private, int.from_bytes(block, "big").to_bytes(key.private.key_size // 8, "big"))


_PLAIN: dict[str, Callable[[str], bytes]] = {
    "hex": bytes.fromhex,
    "bytes": unquote_to_bytes,
    "keydata": lambda name: KEYTOCARD[name][1],
    "der": lambda name: certificate(name).der,
    "pid": lambda _: str(os.getpid()).encode(),
    "socket": lambda _: SOCKET.encode(),
    "err": lambda code: str(SOURCE_SCD + int(code)).encode(),
}
_OF_TOKEN: dict[str, Callable[[FakeToken], bytes]] = {
    "serial": lambda token: _serial(token).encode(),
    "mark": lambda token: serial_mark(_serial(token)).encode(),
    "display": lambda token: display_serial(token.id, _serial(token)).replace(" ", "+").encode(),
    "pin": lambda token: pin_reply(token.pin.decode()),
    "so-pin": lambda token: pin_reply(token.so_pin.decode()),
}
_OF_KEY: dict[str, Callable[[FakeToken, FakeKey, bytes], bytes]] = {
    "grip": lambda _token, key, _: key.shown(True).keygrip.hex().upper().encode(),
    "keyref": _keyref,
    "old-id": lambda token, key, _: helper_id(token.id, key.cka_id).encode(),
    "public": lambda _token, key, _: key.shown(True).public.sexp(),
    "ssh": lambda _token, key, _: ssh_line(key.shown(True).public).encode(),
    "certificate": _certificate,
    "signature": lambda _token, key, block: fake_crypto.sign(key.private, block),
    "plain": _plain,
}
