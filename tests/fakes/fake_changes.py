"""What changes a fake token: keys made and taken in, certificates, PINs and data, by `cryptography`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519

from scd.cryptoki.finding.certificates import certificate
from scd.gcrypt import privkey
from scd.token.errors import (
    Canceled,
    InvalidData,
    KeyExists,
    KeyNotFound,
    PinLengthInvalid,
    PinRequired,
    PinUnsuitable,
    SoPinBlocked,
    SoPinIncorrect,
    TokenFull,
    TokenReadOnly,
    UnsupportedAlgorithm,
    WrongKeyUsage,
)
from scd.token.model import DataRecord
from scd.token.port import GenerateRequest, ImportRequest, KeyAddress
from scd.token.secrets import Pin
from tests.fakes.fake_token import TRIES, FakeKey, FakeToken
from tests.fakes.keys import PrivateKey, public_of

_CURVES: Mapping[str, ec.EllipticCurve] = {
    "nistp256": ec.SECP256R1(), "nistp384": ec.SECP384R1(), "nistp521": ec.SECP521R1(), "secp256k1": ec.SECP256K1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(), "brainpoolP384r1": ec.BrainpoolP384R1(),
    "brainpoolP512r1": ec.BrainpoolP512R1(),
}  # fmt: skip
_OTHERS: Mapping[str, type[ed25519.Ed25519PrivateKey] | type[ed448.Ed448PrivateKey]
                 | type[x25519.X25519PrivateKey] | type[x448.X448PrivateKey]] = {
    "ed25519": ed25519.Ed25519PrivateKey, "ed448": ed448.Ed448PrivateKey,
    "cv25519": x25519.X25519PrivateKey, "cv448": x448.X448PrivateKey,
}  # fmt: skip
_RSA = {f"rsa{bits}": bits for bits in (2048, 3072, 4096)}
_NEVER_SIGN, _NEVER_DECRYPT = ("cv25519", "cv448"), ("ed25519", "ed448")


def require_writable(token: FakeToken) -> None:
    """Raises what the port promises before any change."""
    _require_unprotected(token)
    if token.login_required and not token.logged_in:
        raise PinRequired(f'token "{token.label}": login needed')


def _require_unprotected(token: FakeToken) -> None:
    if token.write_protected:
        raise TokenReadOnly(f'token "{token.label}" is write-protected')


def _require_room(token: FakeToken) -> None:
    if token.full:
        raise TokenFull(f'token "{token.label}" is full')


def _require_id(cka_id: bytes) -> None:
    if not cka_id:
        raise InvalidData("an empty CKA_ID is no place")


def generate(token: FakeToken, request: GenerateRequest) -> FakeKey:
    """See the port."""
    maker = _maker(token, request.algorithm)
    sign, decrypt = _usage(request, request.algorithm)
    _require_free(token, request.cka_id)
    _require_room(token)
    key = FakeKey(maker(), request.cka_id, request.label, can_sign=sign, can_decrypt=decrypt)
    token.keys.append(key)
    return key


def algorithms(token: FakeToken) -> tuple[str, ...]:
    """What the token makes keys of."""
    every = (*_RSA, *_CURVES, *_OTHERS)
    return tuple(name for name in every if token.algorithms is None or name in token.algorithms)


def _maker(token: FakeToken, algorithm: str) -> Callable[[], PrivateKey]:
    can = algorithms(token)
    if algorithm not in can:
        raise UnsupportedAlgorithm(f'token "{token.label}" cannot make {algorithm} keys; it makes: {", ".join(can)}')
    if algorithm in _RSA:
        return lambda: rsa.generate_private_key(65537, _RSA[algorithm])
    if algorithm in _CURVES:
        return lambda: ec.generate_private_key(_CURVES[algorithm])
    return lambda: _OTHERS[algorithm].generate()


def _usage(request: GenerateRequest | ImportRequest, algorithm: str) -> tuple[bool, bool]:
    sign = request.sign and algorithm not in _NEVER_SIGN
    decrypt = request.decrypt and algorithm not in _NEVER_DECRYPT
    if not sign and not decrypt:
        raise WrongKeyUsage(f"a key of {algorithm} cannot do what it is wanted for")
    return sign, decrypt


def _require_free(token: FakeToken, cka_id: bytes) -> None:
    _require_id(cka_id)
    if any(key.cka_id == cka_id for key in token.keys):
        raise KeyExists(f'token "{token.label}" has a key with this CKA_ID')


def import_key(token: FakeToken, request: ImportRequest) -> FakeKey:
    """See the port."""
    public = request.private.public
    sign, decrypt = _usage(request, public.algorithm)
    if any(key.keygrip == public.keygrip for key in token.keys):
        raise KeyExists(f'token "{token.label}" has this key already')
    _require_free(token, request.cka_id)
    _require_room(token)
    key = FakeKey(_taken_in(request.private), request.cka_id, request.label, can_sign=sign, can_decrypt=decrypt)
    token.keys.append(key)
    return key


def _taken_in(private: privkey.PrivateKey) -> PrivateKey:
    if isinstance(private, privkey.EccPrivateKey):
        algorithm = private.public.algorithm
        if algorithm in _CURVES:
            return ec.derive_private_key(int.from_bytes(private.d, "big"), _CURVES[algorithm])
        return _OTHERS[algorithm].from_private_bytes(private.d)
    n, e, d, p, q = (int.from_bytes(one, "big") for one in (private.n, private.e, private.d, private.p, private.q))
    public = rsa.RSAPublicNumbers(e, n)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def destroy_key(token: FakeToken, address: KeyAddress) -> None:
    """See the port."""
    key = _addressed(token, address)
    token.keys.remove(key)
    token.certificates += [key.certificate] if key.certificate else []


def _addressed(token: FakeToken, address: KeyAddress) -> FakeKey:
    _require_id(address.cka_id)
    for key in token.keys:
        if key.cka_id == address.cka_id and key.keygrip == address.public.keygrip:
            return key
    raise KeyNotFound(f'token "{token.label}" has no such key')


def write_certificate(token: FakeToken, cka_id: bytes, label: str, der: bytes) -> None:
    """See the port."""
    _require_id(cka_id)
    try:
        new = certificate(der, cka_id, label)
    except ValueError as error:
        raise InvalidData(str(error)) from error
    _require_room(token)
    token.certificates = [one for one in token.certificates if (one.cka_id, one.public) != (cka_id, new.public)]
    for key in token.keys:
        if public_of(key.private) == new.public:
            key.certificate = new
            return
    token.certificates.append(new)


def delete_certificate(token: FakeToken, cka_id: bytes) -> None:
    """See the port."""
    _require_id(cka_id)
    token.certificates = [one for one in token.certificates if one.cka_id != cka_id]
    for key in token.keys:
        if key.certificate is not None and key.certificate.cka_id == cka_id:
            key.certificate = None


def move_key(token: FakeToken, address: KeyAddress, cka_id: bytes) -> None:
    """See the port."""
    _require_id(cka_id)
    _addressed(token, address).cka_id = cka_id


def write_data(token: FakeToken, records: tuple[DataRecord, ...]) -> None:
    """See the port."""
    if any(one.value not in (None, token.data.get(one.label)) for one in records):
        _require_room(token)
    for one in records:
        if one.value is None:
            token.data.pop(one.label, None)
        else:
            token.data[one.label] = one.value


def reset_pin(token: FakeToken, so_pin: Pin | None, new: Pin | None) -> None:
    """See the port."""
    octets = new_pin(token, new)
    check_so_pin(token, so_pin)
    _require_liked(token, octets)
    token.tries_left = TRIES
    token.pin = octets


def change_so_pin(token: FakeToken, old: Pin | None, new: Pin | None) -> None:
    """See the port."""
    octets = _typed(token, new)
    if not octets:
        raise PinLengthInvalid(f'token "{token.label}": an empty SO PIN')
    check_so_pin(token, old)
    if not token.pin_min <= len(octets) <= token.pin_max:
        raise PinLengthInvalid(f'token "{token.label}": SO PIN of a wrong length')
    _require_liked(token, octets)
    token.so_pin = octets


def check_so_pin(token: FakeToken, so_pin: Pin | None) -> None:
    """See the port. The user's login is ended before anything else."""
    typed = _officers(token) if so_pin is None else so_pin.reveal()
    if not typed:
        raise SoPinIncorrect(f'token "{token.label}": an empty SO PIN')
    _require_unprotected(token)
    token.logged_in = False
    if token.so_tries_left <= 0:
        raise SoPinBlocked(f'token "{token.label}": the officer\'s PIN is locked')
    if typed != token.so_pin:
        token.so_tries_left -= 1
        raise SoPinIncorrect(f'token "{token.label}": wrong SO PIN')
    token.so_tries_left = TRIES


def _officers(token: FakeToken) -> bytes:
    if not token.pinpad:
        raise SoPinIncorrect(f'token "{token.label}" has no pin pad')
    if token.officer_at_the_pinpad is None:
        raise Canceled(f'token "{token.label}": cancelled at the pin pad')
    return token.officer_at_the_pinpad


def change_pin(token: FakeToken, new: Pin | None, verify: Callable[[], None]) -> None:
    """See the port; `verify` compares the old one."""
    octets = new_pin(token, new)
    _require_unprotected(token)
    verify()
    _require_liked(token, octets)
    token.pin = octets


def new_pin(token: FakeToken, pin: Pin | None) -> bytes:
    """The octets, when they have a length for a PIN."""
    octets = _typed(token, pin)
    if not token.pin_min <= len(octets) <= token.pin_max:
        raise PinLengthInvalid(f'token "{token.label}": PIN of a wrong length')
    return octets


def _typed(token: FakeToken, pin: Pin | None) -> bytes:
    octets = token.at_the_pinpad if pin is None else pin.reveal()
    if octets is None:
        raise Canceled(f'token "{token.label}": cancelled at the pin pad')
    return octets


def _require_liked(token: FakeToken, octets: bytes) -> None:
    if octets in token.unsuitable:
        raise PinUnsuitable(f'token "{token.label}" does not take this for a PIN')
