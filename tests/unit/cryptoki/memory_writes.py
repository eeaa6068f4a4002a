"""The writing half of the module in memory, and the ways in which a token spoils a change."""

from __future__ import annotations

import ctypes
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import Attribute, Mechanism, ObjectClass

from scd.cryptoki.calls.native import ulong
from scd.gcrypt import der
from scd.gcrypt.curves import ec_params
from tests.fakes.keys import PrivateKey, public_of
from tests.unit.cryptoki.memory_module import MemoryNative, _class, _read_template
from tests.unit.cryptoki.memory_token import WAYS, MemoryToken, Refused

SO, RW = 0, 2
_LENGTHS: dict[int, tuple[int, int]] = {
    Mechanism.RSA_PKCS_KEY_PAIR_GEN: (1024, 3072),
    Mechanism.EC_KEY_PAIR_GEN: (224, 384),
    Mechanism.EC_EDWARDS_KEY_PAIR_GEN: (256, 448),
}
MECHANISMS = frozenset(_LENGTHS) | frozenset(int(use) for _, use in WAYS)


class WritableNative(MemoryNative):
    """A module that makes P-256 keys, whatever curve is wanted, and stores what it is given.

    Switches: `half_on_failure`, C_GenerateKeyPair puts the public half on the token and then fails with the word;
    `loses_private`, it never stores the private one; `spoils_point`, the public one cannot be read;
    `taken_meanwhile`, a whole pair of another program's appears in the place before it fails; `refuses`, attributes
    that no template may have; `only_params`, the one form of CKA_EC_PARAMS it takes; `one_certificate_each`, a new
    certificate overwrites the one with its CKA_ID; `fixed_values`, CKA_VALUE cannot be changed; `forgets`, nothing is
    stored or changed and CKR_OK answered; `garbles`, this is added to private numbers; `so_locked`.
    """

    def __init__(self, *tokens: MemoryToken, left_out: tuple[str, ...] = ()) -> None:
        self.so_pin = b"officer"
        self.officer: MemoryToken | None = None  # where the officer is logged in
        self.opened: dict[int, int] = {}  # session -> flags
        self.templates: list[dict[int, bytes]] = []
        self.values_read: list[int] = []  # the objects whose CKA_VALUE was asked for
        self.pins: list[tuple[bytes | None, bytes | None]] = []
        self.half_on_failure = ""
        self.spoils_point = self.forgets = False
        self.garbles = 0
        self.loses_private = self.one_certificate_each = self.fixed_values = self.so_locked = False
        self.taken_meanwhile: MemoryToken | None = None
        self.refuses: frozenset[int] = frozenset()
        self.only_params: bytes | None = None
        super().__init__(*tokens, left_out=left_out)

    @property
    def open_for_writing(self) -> list[int]:
        """The read/write sessions that are open."""
        return [session for session, flags in self.opened.items() if flags & RW and session in self.sessions]

    def C_OpenSession(self, slot: int, flags: int, application: None, notify: None, session: Any) -> None:
        super().C_OpenSession(slot, flags, application, notify, session)
        self.opened[session.value] = flags

    def C_Login(self, session: int, user: int, pin: bytes | None, length: int) -> None:
        if user != SO:
            return super().C_Login(session, user, pin, length)
        token = self._session(session).token
        if any(self.sessions[one].token is token and not self.opened[one] & RW for one in self.sessions):
            raise Refused("SESSION_READ_ONLY_EXISTS")
        if id(token) in self.logged_in:
            raise Refused("USER_ANOTHER_ALREADY_LOGGED_IN")
        if self.so_locked:
            raise Refused("PIN_LOCKED")
        if pin not in (self.so_pin, None):  # None: at the pin pad
            raise Refused("PIN_INCORRECT")
        self.logged_in.add(id(token))
        self.officer = token
        return None

    def C_Logout(self, session: int) -> None:
        super().C_Logout(session)
        self.officer = None

    def C_SetPIN(self, session: int, old: bytes | None, _old: int, new: bytes | None, _new: int) -> None:
        token = self._writable(session)
        self.pins.append((old, new))
        present = self.so_pin if self.officer is token else token.pin
        if old is not None and old != present:
            raise Refused("PIN_INCORRECT")
        if self.officer is token:
            self.so_pin = new or self.so_pin
        else:
            token.pin = new or token.pin

    def C_InitPIN(self, session: int, new: bytes | None, _length: int) -> None:
        token = self._writable(session)
        if id(token) not in self.logged_in:
            raise Refused("USER_NOT_LOGGED_IN")
        token.pin = new or token.pin

    def C_GetMechanismInfo(self, _slot: int, mechanism: int, info: Any) -> None:
        info.smallest, info.largest = _LENGTHS[mechanism]

    def C_GenerateRandom(self, session: int, buffer: Any, count: int) -> None:
        self._session(session)
        ctypes.memmove(buffer, bytes(range(count)), count)

    def C_CreateObject(self, session: int, template: Any, _count: int, handle: Any) -> None:
        token, attributes = self._writable(session), _read_template(template)
        self._check(attributes)
        if self.forgets:
            handle.value = 4711
            return
        if self.one_certificate_each and attributes[Attribute.CLASS] == _class(ObjectClass.CERTIFICATE):
            for place, one in token.objects.items():
                if one.attributes.get(Attribute.ID) == attributes[Attribute.ID] and Attribute.VALUE in one.attributes:
                    one.attributes.update(attributes)
                    handle.value = place
                    return
        handle.value = token.add(ObjectClass.DATA, attributes, self._private(attributes))

    def _private(self, attributes: dict[int, bytes]) -> PrivateKey | None:
        """What computes with the object, if it is a private key: RSA, or P-256."""
        if attributes[Attribute.CLASS] != _class(ObjectClass.PRIVATE_KEY):
            return None
        if Attribute.MODULUS in attributes:
            kinds = (Attribute.PRIME_1, Attribute.PRIME_2, Attribute.PRIVATE_EXPONENT, Attribute.EXPONENT_1,
                     Attribute.EXPONENT_2, Attribute.COEFFICIENT)  # fmt: skip
            p, q, d, dmp1, dmq1, iqmp = (int.from_bytes(attributes[kind], "big") for kind in kinds)
            e, n = (int.from_bytes(attributes[kind], "big") for kind in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS))
            return rsa.RSAPrivateNumbers(p, q, d, dmp1, dmq1, iqmp, rsa.RSAPublicNumbers(e, n)).private_key()
        number = int.from_bytes(attributes[Attribute.VALUE], "big")
        return ec.derive_private_key(number ^ self.garbles, ec.SECP256R1())

    def C_GetAttributeValue(self, session: int, handle: int, template: Any, count: int) -> None:
        self.values_read += [handle for entry in template if entry.type == Attribute.VALUE]
        super().C_GetAttributeValue(session, handle, template, count)

    def C_SetAttributeValue(self, session: int, handle: int, template: Any, _count: int) -> None:
        if self.fixed_values:
            raise Refused("ATTRIBUTE_READ_ONLY")
        if self.forgets:
            return
        self._writable(session).objects[handle].attributes.update(_read_template(template))

    def C_DestroyObject(self, session: int, handle: int) -> None:
        there = self._session(session)
        if handle in there.objects:
            return super().C_DestroyObject(session, handle)
        if self._writable(session).objects.pop(handle, None) is None:
            raise Refused("OBJECT_HANDLE_INVALID")
        return None

    def C_GenerateKeyPair(
        self, session: int, mechanism: Any, public: Any, _n: int, private: Any, _m: int, shown: Any, hidden: Any
    ) -> None:
        token = self._writable(session)
        halves = _read_template(public), _read_template(private)
        for half in halves:
            self._check(half)
        params = halves[0][Attribute.EC_PARAMS]
        if self.only_params not in (None, params):
            raise Refused("CURVE_NOT_SUPPORTED")
        if self.taken_meanwhile is not None:
            token.objects.update(self.taken_meanwhile.objects)
            raise Refused("DEVICE_ERROR")
        key = ec.generate_private_key(ec.SECP256R1())
        point = public_of(key)
        material = {
            int(Attribute.KEY_TYPE): ulong(3),
            int(Attribute.EC_PARAMS): ec_params(point.curve_info),  # type: ignore[union-attr]  # it is on a curve
            int(Attribute.EC_POINT): der.encode_octet_string(point.q),  # type: ignore[union-attr]
        }
        if self.spoils_point:
            material[int(Attribute.EC_POINT)] = b"\x04\x85"
        shown.value = token.add(ObjectClass.PUBLIC_KEY, halves[0] | material)
        if self.half_on_failure:
            raise Refused(self.half_on_failure)
        if self.loses_private:
            return
        hidden.value = token.add(ObjectClass.PRIVATE_KEY, halves[1] | material, key)

    def _check(self, attributes: dict[int, bytes]) -> None:
        self.templates.append(attributes)
        if self.refuses & attributes.keys():
            raise Refused("ATTRIBUTE_TYPE_INVALID")

    def _writable(self, session: int) -> MemoryToken:
        there = self._session(session)
        if not self.opened[session] & RW:
            raise Refused("SESSION_READ_ONLY")
        return there.token
