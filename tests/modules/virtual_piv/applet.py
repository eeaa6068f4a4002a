"""The card's PIV application: command APDUs in, response APDUs out (NIST SP 800-73-4, part 2).

What a card holder needs: certificates, PIN and PUK with their counters, and the four keys. Nothing can be written to
it but PIN and PUK, which is all OpenSC offers for PIV, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils

from tests.modules.virtual_piv.tlv import parse, tlv

ATR = bytes.fromhex("3B8680016C616270697607")  # OpenSC takes this one for a PIV card with elliptic curves
AID = bytes.fromhex("A000000308000010000100")
RSA_2048, P_256 = 0x07, 0x11
PIN, PUK = 0x80, 0x81

_OK = 0x9000
_MORE = 0x6100
_TRIES_LEFT = 0x63C0
_WRONG_LENGTH = 0x6700
_NOT_ALLOWED = 0x6982
_BLOCKED = 0x6983
_WRONG_DATA = 0x6A80
_NOT_FOUND = 0x6A82
_WRONG_PLACE = 0x6A86
_REFERENCE_NOT_FOUND = 0x6A88
_UNKNOWN_INSTRUCTION = 0x6D00

_CHUID, _DISCOVERY = 0x5FC102, 0x7E
_FASCN = bytes.fromhex("D4E739DA739CED39CE739DA1685A1082108CE73984119257FC")  # of no agency: the GUID counts
CERTIFICATES = {0x9A: 0x5FC105, 0x9C: 0x5FC10A, 0x9D: 0x5FC10B, 0x9E: 0x5FC101}
"""Key reference to the tag of its certificate."""


class _Refused(Exception):
    """Ends a command with this status word."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:04X}")
        self.status = status


@dataclass(frozen=True)
class PivKey:
    """One of the card's keys and the certificate (DER) beside it."""

    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    certificate: bytes


@dataclass
class Secret:
    """A PIN or PUK with its counter; eight octets, filled up with FF."""

    value: bytes
    most: int = 3
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.most

    def check(self, given: bytes) -> None:
        """Raises with 6983 when blocked, 63Cx when wrong."""
        if not self.left:
            raise _Refused(_BLOCKED)
        if given != self.value:
            self.left -= 1
            raise _Refused(_TRIES_LEFT | self.left)
        self.left = self.most


def padded(pin: str) -> bytes:
    """A PIN as the card sees it."""
    return pin.encode().ljust(8, b"\xff")


class Applet:
    """`keys` by reference 9A, 9C, 9D, 9E. What is left of PIN and PUK may be read and set by a test."""

    def __init__(self, keys: Mapping[int, PivKey], pin: str, puk: str, guid: bytes) -> None:
        self._keys = keys
        self.pin, self.puk = Secret(padded(pin)), Secret(padded(puk))
        self._objects = {
            _CHUID: tlv(0x53, tlv(0x30, _FASCN), tlv(0x34, guid), tlv(0x35, b"20991231"), tlv(0x3E), tlv(0xFE)),
            _DISCOVERY: tlv(_DISCOVERY, tlv(0x4F, AID), tlv(0x5F2F, b"\x40\x00")),
        }
        for reference, key in keys.items():
            self._objects[CERTIFICATES[reference]] = tlv(0x53, tlv(0x70, key.certificate), tlv(0x71, b"\0"), tlv(0xFE))
        self.uses: list[int] = []
        self.reset()

    def reset(self) -> None:
        """Power off, or a reset: logins and half-sent commands are forgotten."""
        self._verified = False
        self._just_verified = False
        self._chained = b""
        self._rest = b""

    def answer(self, command: bytes) -> bytes:
        """The response to one command APDU, status word included."""
        try:
            return self._answer(command)
        except _Refused as refused:
            return refused.status.to_bytes(2, "big")

    def _answer(self, command: bytes) -> bytes:
        if len(command) < 4:
            raise _Refused(_WRONG_LENGTH)
        chaining, instruction, p1, p2 = command[0] & 0x10, *command[1:4]
        body, wanted = _fields(command)
        if instruction == 0xC0:
            return self._portion(self._rest, wanted)
        self._chained += body
        if chaining:
            return _OK.to_bytes(2, "big")
        data, self._chained = self._chained, b""
        if instruction not in _COMMANDS:
            raise _Refused(_UNKNOWN_INSTRUCTION)
        return self._portion(_COMMANDS[instruction](self, p1, p2, data), wanted)

    def _portion(self, response: bytes, wanted: int) -> bytes:
        """No more than is wanted; GET RESPONSE fetches what is left, and 00 stands for 256 octets and more."""
        now, self._rest = response[:wanted], response[wanted:]
        status = _MORE | (len(self._rest) if len(self._rest) < 256 else 0) if self._rest else _OK
        return now + status.to_bytes(2, "big")

    def _select(self, p1: int, _p2: int, data: bytes) -> bytes:
        if p1 != 4 or not data or not AID.startswith(data[: len(AID)]):
            raise _Refused(_NOT_FOUND)
        return tlv(0x61, tlv(0x4F, AID[5:]), tlv(0x79, tlv(0x4F, AID[:5])))

    def _get_data(self, _p1: int, _p2: int, data: bytes) -> bytes:
        found = self._objects.get(int.from_bytes(_parsed(data).get(0x5C, b""), "big"))
        if found is None:
            raise _Refused(_NOT_FOUND)
        return found

    def _verify(self, p1: int, p2: int, data: bytes) -> bytes:
        if p2 != PIN:
            raise _Refused(_REFERENCE_NOT_FOUND)
        if p1 == 0xFF:
            self._verified = self._just_verified = False
            return b""
        if not data:
            if self._verified:
                return b""
            raise _Refused(_TRIES_LEFT | self.pin.left if self.pin.left else _BLOCKED)
        self._verified = self._just_verified = False
        self.pin.check(data)
        self._verified = self._just_verified = True
        return b""

    def _change_reference_data(self, _p1: int, p2: int, data: bytes) -> bytes:
        secret = {PIN: self.pin, PUK: self.puk}.get(p2)
        if secret is None:
            raise _Refused(_REFERENCE_NOT_FOUND)
        _check_new(data)
        secret.check(data[:8])
        secret.value = data[8:]
        return b""

    def _reset_retry_counter(self, _p1: int, p2: int, data: bytes) -> bytes:
        if p2 != PIN:
            raise _Refused(_REFERENCE_NOT_FOUND)
        _check_new(data)
        self.puk.check(data[:8])
        self.pin.value, self.pin.left = data[8:], self.pin.most
        return b""

    def _general_authenticate(self, p1: int, p2: int, data: bytes) -> bytes:
        key = self._keys.get(p2)
        if key is None:
            raise _Refused(_WRONG_PLACE)
        allowed = {0x9C: self._just_verified, 0x9E: True}.get(p2, self._verified)
        self._just_verified = False
        if not allowed:
            raise _Refused(_NOT_ALLOWED)
        template = _parsed(_parsed(data).get(0x7C, b""))
        self.uses.append(p2)
        return tlv(0x7C, tlv(0x82, _use(key.private, p1, template)))


def _use(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, algorithm: int, template: dict[int, bytes]) -> bytes:
    """RSA's bare operation, an ECDSA signature in DER over a hash, or the x of an ECDH."""
    if isinstance(private, rsa.RSAPrivateKey):
        size, numbers = private.key_size // 8, private.private_numbers()
        block = int.from_bytes(template.get(0x81, b""), "big")
        if algorithm != RSA_2048 or block >= numbers.public_numbers.n:
            raise _Refused(_WRONG_DATA)
        return pow(block, numbers.d, numbers.public_numbers.n).to_bytes(size, "big")
    if algorithm != P_256:
        raise _Refused(_WRONG_DATA)
    if 0x85 in template:
        peer = ec.EllipticCurvePublicKey.from_encoded_point(private.curve, template[0x85])
        return private.exchange(ec.ECDH(), peer)
    digest = template.get(0x81, b"").rjust(32, b"\0")[:32]
    return private.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))


def _check_new(data: bytes) -> None:
    if len(data) != 16 or len(data[8:].rstrip(b"\xff")) < 6:
        raise _Refused(_WRONG_DATA)


def _parsed(data: bytes) -> dict[int, bytes]:
    try:
        return parse(data)
    except ValueError:
        raise _Refused(_WRONG_DATA) from None


def _fields(command: bytes) -> tuple[bytes, int]:
    """Data field and number of octets wanted of a short APDU; the card's ATR promises no extended ones."""
    if len(command) <= 5:
        return b"", (command[4] if len(command) == 5 else 0) or 256
    body, rest = command[5 : 5 + command[4]], command[5 + command[4] :]
    if len(body) != command[4] or len(rest) > 1:
        raise _Refused(_WRONG_LENGTH)
    return body, (rest[0] if rest else 0) or 256


_COMMANDS: dict[int, Callable[[Applet, int, int, bytes], bytes]] = {
    0x20: Applet._verify,
    0x24: Applet._change_reference_data,
    0x2C: Applet._reset_retry_counter,
    0x87: Applet._general_authenticate,
    0xA4: Applet._select,
    0xCB: Applet._get_data,
}
