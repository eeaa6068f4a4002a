"""Private keys put on the token."""

from __future__ import annotations

from collections.abc import Iterator

from scd.cryptoki.calls.ckr import CkrError
from scd.cryptoki.calls.native import ulong
from scd.cryptoki.calls.nativewrites import create_object
from scd.cryptoki.calls.numbers import Attribute, KeyType
from scd.cryptoki.writing.keyplace import new_key, require_listed
from scd.cryptoki.writing.keyproof import belongs, prove
from scd.cryptoki.writing.keytemplates import Extent, NewKey, Template
from scd.cryptoki.writing.keyuses import usable
from scd.cryptoki.writing.writing import Writing
from scd.gcrypt import der
from scd.gcrypt.curves import CURVES, Family, ec_params
from scd.gcrypt.privkey import EccPrivateKey, PrivateKey, RsaPrivateKey
from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey
from scd.token.errors import KeyExists, NotSupported, TokenError, UnsupportedAlgorithm
from scd.token.port import ImportRequest

_KEY_TYPES: dict[Family, tuple[int, ...]] = {
    Family.WEIERSTRASS: (KeyType.EC,),
    Family.EDWARDS: (KeyType.EC_EDWARDS,),
    Family.MONTGOMERY: (KeyType.EC_MONTGOMERY, KeyType.EC_EDWARDS),  # the latter: SoftHSM 2.6.1
}


def import_key(writing: Writing, request: ImportRequest) -> PublicKey:
    """See the port."""
    private = request.private
    curve = CURVES[private.curve] if isinstance(private, EccPrivateKey) else None
    wanted = NewKey(curve, request.cka_id, request.label, request.sign, request.decrypt)
    wanted = usable(wanted, private.public.algorithm, writing)
    if any(belongs(writing, one, private.public) for one in writing.listing.candidates(private.public.keygrip)):
        raise KeyExists(f"{writing.about} has the key {private.public.keygrip.hex().upper()} already")
    secrets = [wanted.private(extent=one) | form for form in _private_forms(private) for one in Extent]
    shown = [wanted.public(extent=one) | form for form in _public_forms(private.public) for one in Extent]
    with new_key(writing, request.cka_id) as made:
        made.append(_create(writing, secrets, f"{private.public.algorithm} private key"))
        made.append(_create(writing, shown, f"{private.public.algorithm} public key"))
        public = require_listed(writing, made[1])
        prove(writing, wanted, public, made[0])
        return public


def _create(writing: Writing, templates: list[Template], what: str) -> int:
    """The object by the first template that the module takes. Raises CkrError and TokenError."""
    refusals: list[CkrError] = []
    for template in templates:
        try:
            return create_object(writing.native, writing.session, template)
        except CkrError as error:
            if not error.is_unsupported:
                raise
            refusals.append(error)
    raise _refused(refusals, f"{writing.about} takes no {what}: {'; '.join(dict.fromkeys(map(str, refusals)))}")


def _refused(refusals: list[CkrError], text: str) -> TokenError:
    if all(one.is_missing_function for one in refusals):
        return NotSupported(text)
    return UnsupportedAlgorithm(text)


def _private_forms(private: PrivateKey) -> Iterator[Template]:
    """What the private half is made of. Some modules want the point with it."""
    if isinstance(private, RsaPrivateKey):
        yield _rsa_private(private)
        return
    curve = CURVES[private.curve]
    for extra in ({}, {int(Attribute.EC_POINT): der.encode_octet_string(private.q)}):
        for key_type in _KEY_TYPES[curve.family]:
            yield {
                int(Attribute.KEY_TYPE): ulong(key_type),
                int(Attribute.EC_PARAMS): ec_params(curve),
                int(Attribute.VALUE): private.d,
                **extra,
            }


def _rsa_private(private: RsaPrivateKey) -> Template:
    """PKCS#11's coefficient is the inverse of the second prime, libgcrypt's u that of its first: they change places."""
    d, first, second = (int.from_bytes(one, "big") for one in (private.d, private.q, private.p))
    return {
        int(Attribute.KEY_TYPE): ulong(KeyType.RSA),
        int(Attribute.MODULUS): private.n,
        int(Attribute.PUBLIC_EXPONENT): private.e,
        int(Attribute.PRIVATE_EXPONENT): private.d,
        int(Attribute.PRIME_1): private.q,
        int(Attribute.PRIME_2): private.p,
        int(Attribute.EXPONENT_1): _unsigned(d % (first - 1)),
        int(Attribute.EXPONENT_2): _unsigned(d % (second - 1)),
        int(Attribute.COEFFICIENT): private.u,
    }


def _public_forms(public: PublicKey) -> Iterator[Template]:
    """The point as OCTET STRING, else bare, as PKCS#11 v3.0 has it for all curves but the Weierstrass ones."""
    if isinstance(public, RsaPublicKey):
        yield {
            int(Attribute.KEY_TYPE): ulong(KeyType.RSA),
            int(Attribute.MODULUS): public.n,
            int(Attribute.PUBLIC_EXPONENT): public.e,
        }
        return
    for point in _points(public):
        for key_type in _KEY_TYPES[public.curve_info.family]:
            yield {
                int(Attribute.KEY_TYPE): ulong(key_type),
                int(Attribute.EC_PARAMS): ec_params(public.curve_info),
                int(Attribute.EC_POINT): point,
            }


def _points(public: EccPublicKey) -> tuple[bytes, ...]:
    wrapped = der.encode_octet_string(public.q)
    return (wrapped,) if public.curve_info.family is Family.WEIERSTRASS else (wrapped, public.q)


def _unsigned(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
