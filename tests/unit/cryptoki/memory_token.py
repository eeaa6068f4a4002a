"""A token of the module in memory: real keys, and the ways in which real modules deviate, as switches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, utils
from pkcs11 import Attribute, KeyType, ObjectClass, TokenFlag
from pkcs11 import Mechanism as M

from scd.cryptoki.calls.native import ulong
from scd.gcrypt import der
from scd.gcrypt.curves import CURVES, ec_params
from scd.gcrypt.pkcs1 import unpad_decrypted
from scd.gcrypt.pubkey import EccPublicKey, RsaPublicKey
from scd.token.errors import InvalidData
from tests.fakes import fake_crypto
from tests.fakes.keys import PrivateKey, public_of

TRUE, FALSE = b"\1", b"\0"
FLAGS = TokenFlag.LOGIN_REQUIRED | TokenFlag.USER_PIN_INITIALIZED | TokenFlag.TOKEN_INITIALIZED
RSA_WAYS = frozenset((kind, m) for kind in ("Sign", "SignRecover", "Decrypt") for m in (M.RSA_PKCS, M.RSA_X_509))
WAYS = RSA_WAYS | {
    ("Sign", M.ECDSA), ("Sign", M.EDDSA), ("Unwrap", M.RSA_PKCS),
    ("Derive", M.ECDH1_DERIVE), ("Derive", M.ECDH1_COFACTOR_DERIVE),
}  # fmt: skip


class Bulk(Enum):
    """What C_GetAttributeValue does with the others when one attribute is missing."""

    STANDARD = "marks the missing one, fills in the others"
    STOPS = "stops there: those after it are not touched"
    NOTHING = "fills in nothing"
    MARKS_ALL = "marks all of them as missing"


@dataclass(slots=True)
class MemoryObject:
    """A PKCS#11 object; `private` computes if it is a private key."""

    attributes: dict[int, bytes]
    private: PrivateKey | None = None
    compute: Callable[[bytes], bytes] | None = None

    @property
    def hidden(self) -> bool:
        """Whether it takes a login to see it."""
        return self.attributes.get(Attribute.PRIVATE) == TRUE


@dataclass(slots=True)
class MemoryToken:
    """`ways`: the pairs of operation and mechanism that work; the mechanism list is made from them.

    `point_forms`: what C_DeriveKey takes, of "bare" and "wrapped". `needs_length`: whether its template must, must not
    or may (None) hold CKA_VALUE_LEN. `unwraps_greedily`: it takes a bare point that reads so for an OCTET STRING.
    `affirms_any_time`: C_Login for one operation is taken without one, too. `eddsa_params`: whether CK_EDDSA_PARAMS
    must, must not or may be there.
    """

    label: str
    pin: bytes = b"1234"
    serial: str = "0001"
    flags: TokenFlag = FLAGS
    objects: dict[int, MemoryObject] = field(default_factory=dict)
    ways: frozenset[tuple[str, M]] = WAYS
    listed: frozenset[int] | None = None
    bulk: Bulk = Bulk.STANDARD
    keeps_padding: bool = False
    der_signatures: bool = False
    point_forms: frozenset[str] = frozenset({"bare", "wrapped"})
    needs_length: bool | None = None
    unwraps_greedily: bool = False
    affirms_any_time: bool = False
    eddsa_params: bool | None = None
    shows_secrets: bool = True
    drops_zeros: bool = False

    @property
    def mechanisms(self) -> frozenset[int]:
        """C_GetMechanismList."""
        return frozenset(int(m) for _, m in self.ways) if self.listed is None else self.listed

    def add(self, kind: ObjectClass, attributes: Mapping[Any, bytes], private: PrivateKey | None = None) -> int:
        """Put an object on the token; returns its handle."""
        handle = max(self.objects, default=16) + 1
        self.objects[handle] = MemoryObject({Attribute.CLASS: ulong(kind), **attributes}, private)
        return handle

    def add_key(self, key: PrivateKey, cka_id: bytes, label: str = "key", **overrides: bytes | None) -> int:
        """Both halves of a key pair; `overrides` by attribute name for the private one, None leaves one out."""
        shown = _public_attributes(key) | {Attribute.ID: cka_id, Attribute.LABEL: label.encode()}
        self.add(ObjectClass.PUBLIC_KEY, shown)
        attributes = {kind: value for kind, value in shown.items() if kind != Attribute.EC_POINT}
        attributes |= {
            Attribute.PRIVATE: TRUE, Attribute.SIGN: TRUE, Attribute.DECRYPT: TRUE, Attribute.DERIVE: TRUE,
            Attribute.ALWAYS_AUTHENTICATE: FALSE,
        }  # fmt: skip
        for name, value in overrides.items():
            attributes[Attribute[name]] = value or b""
            if value is None:
                del attributes[Attribute[name]]
        return self.add(ObjectClass.PRIVATE_KEY, attributes, key)


def _public_attributes(key: PrivateKey) -> dict[int, bytes]:
    public = public_of(key)
    if isinstance(public, RsaPublicKey):
        return {
            Attribute.KEY_TYPE: ulong(KeyType.RSA), Attribute.MODULUS: public.n, Attribute.PUBLIC_EXPONENT: public.e,
        }  # fmt: skip
    assert isinstance(public, EccPublicKey)
    kind = KeyType.EC if isinstance(key, ec.EllipticCurvePrivateKey) else KeyType.EC_EDWARDS
    return {
        Attribute.KEY_TYPE: ulong(kind),
        Attribute.EC_PARAMS: ec_params(CURVES[public.curve]),
        Attribute.EC_POINT: der.encode_octet_string(public.q),
    }


class Refused(Exception):
    """A CKR by name, from inside the token."""


def compute(token: MemoryToken, kind: str, mechanism: int, key: MemoryObject, data: bytes, has_params: bool) -> bytes:
    """What C_Sign, C_SignRecover and C_Decrypt give back. Raises Refused."""
    private = key.private
    try:
        if key.compute is not None:
            return key.compute(data)
        if isinstance(private, rsa.RSAPrivateKey):
            result = _rsa(token, kind, mechanism, private, data)
            return result.lstrip(b"\0") if token.drops_zeros else result
        if isinstance(private, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
            if token.eddsa_params not in (None, has_params):
                raise Refused("MECHANISM_PARAM_INVALID")
            return fake_crypto.sign(private, data)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        if len(data) > (private.key_size + 7) // 8:
            raise Refused("DATA_LEN_RANGE")
        signature = fake_crypto.sign(private, data)
    except InvalidData:
        raise Refused("ENCRYPTED_DATA_INVALID" if kind == "Decrypt" else "DATA_LEN_RANGE") from None
    half = len(signature) // 2
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    return utils.encode_dss_signature(r, s) if token.der_signatures else signature


def _rsa(token: MemoryToken, kind: str, mechanism: int, private: rsa.RSAPrivateKey, data: bytes) -> bytes:
    if mechanism == M.RSA_PKCS and kind != "Decrypt":
        return fake_crypto.sign(private, data)
    length = (private.key_size + 7) // 8
    if len(data) != length:
        raise Refused("DATA_LEN_RANGE")
    numbers = private.private_numbers()
    block = pow(int.from_bytes(data, "big"), numbers.d, numbers.public_numbers.n).to_bytes(length, "big")
    if mechanism == M.RSA_X_509 or token.keeps_padding:
        return block
    try:
        return unpad_decrypted(block)  # OpenSSL 3.2 would make a plaintext up
    except ValueError:
        raise Refused("ENCRYPTED_DATA_INVALID") from None


def derive(token: MemoryToken, key: MemoryObject, point: bytes, template: dict[int, bytes]) -> bytes:
    """The shared secret of C_DeriveKey. Raises Refused."""
    if key.compute is not None:
        return key.compute(point)
    assert key.private is not None
    q_bytes = len(public_of(key.private).q)  # type: ignore[union-attr]  # only ECC keys derive
    form = "bare" if len(point) == q_bytes else "wrapped"
    if form == "bare" and token.unwraps_greedily and point[1] == q_bytes - 2:
        raise Refused("GENERAL_ERROR")  # what is left after the unwrapping is no point
    if form not in token.point_forms:
        raise Refused("MECHANISM_PARAM_INVALID")
    if token.needs_length not in (None, int(Attribute.VALUE_LEN) in template):
        raise Refused("TEMPLATE_INCOMPLETE" if token.needs_length else "TEMPLATE_INCONSISTENT")
    secret = fake_crypto.decrypt(key.private, point[-q_bytes:])
    return secret.lstrip(b"\0") if token.drops_zeros else secret
