"""Key pairs made on the token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from scd.cryptoki.calls.ckr import CkrError
from scd.cryptoki.calls.native import Native, ulong
from scd.cryptoki.calls.nativewrites import generate_key_pair, mechanism_info
from scd.cryptoki.calls.numbers import Attribute, Mechanism
from scd.cryptoki.held import HeldToken
from scd.cryptoki.writing.keyplace import new_key, require_listed
from scd.cryptoki.writing.keytemplates import Extent, NewKey, Template
from scd.cryptoki.writing.keyuses import usable
from scd.cryptoki.writing.writing import Writing
from scd.gcrypt import der
from scd.gcrypt.curves import CURVES, Curve, Family, curve_by_name
from scd.gcrypt.pubkey import F4, PublicKey
from scd.token.errors import NotSupported, TokenError, UnsupportedAlgorithm
from scd.token.port import GenerateRequest

_RSA_NAME = re.compile(r"rsa([1-9][0-9]{3,4})")
_RSA_LEAST, _RSA_MOST = 1024, 16384  # libgcrypt's own bounds
_RSA_SIZES = (2048, 3072, 4096)  # those GnuPG offers

_BY_FAMILY = {
    Family.WEIERSTRASS: (Mechanism.EC_KEY_PAIR_GEN,),
    Family.EDWARDS: (Mechanism.EC_EDWARDS_KEY_PAIR_GEN,),
    # The latter: SoftHSM 2.6.1.
    Family.MONTGOMERY: (Mechanism.EC_MONTGOMERY_KEY_PAIR_GEN, Mechanism.EC_EDWARDS_KEY_PAIR_GEN),
}
_OF_EXACT_BITS = (Mechanism.RSA_PKCS_KEY_PAIR_GEN, Mechanism.EC_KEY_PAIR_GEN)
# PKCS#11 v3.0 §2.3.3 names these curves by PrintableString, or by the object identifiers of RFC 8410.
_PRINTABLE = {"Ed25519": b"edwards25519", "Ed448": b"edwards448", "Curve25519": b"curve25519", "X448": b"curve448"}


@dataclass(frozen=True, slots=True)
class _Means:
    """One way to ask for the key."""

    name: str
    mechanism: int
    parameters: Template
    extent: Extent


def generate(writing: Writing, request: GenerateRequest) -> PublicKey:
    """See the port."""
    bits, curve = _algorithm(request.algorithm, writing)
    mechanisms = (Mechanism.RSA_PKCS_KEY_PAIR_GEN,) if curve is None else _BY_FAMILY[curve.family]
    means = [one for one in _means(mechanisms, bits, curve) if _offers(writing, one.mechanism)]
    if not means:
        raise _refused(writing, request.algorithm, means, [])
    wanted = NewKey(curve, request.cka_id, request.label, request.sign, request.decrypt)
    wanted = usable(wanted, request.algorithm, writing)
    refusals: list[CkrError] = []
    with new_key(writing, request.cka_id) as made:
        for one in means:
            public, private = wanted.public(extent=one.extent) | one.parameters, wanted.private(extent=one.extent)
            try:
                pair = generate_key_pair(writing.native, writing.session, one.mechanism, public, private)
            except CkrError as error:
                if not _may_ask_otherwise(writing, error, request.cka_id):
                    raise
                refusals.append(error)
                continue
            made += reversed(pair)
            return require_listed(writing, pair[0])
        if all(one.is_vague for one in refusals):
            raise refusals[-1]
        raise _refused(writing, request.algorithm, means, refusals)


def _may_ask_otherwise(writing: Writing, error: CkrError, cka_id: bytes) -> bool:
    """Whether another template may do, and nothing has happened yet.

    tpm2-pkcs11 1.9 answers CKR_GENERAL_ERROR when a use is named that it sets itself. Raises CkrError.
    """
    return error.is_unsupported or (error.is_vague and not writing.key_halves(cka_id))


def _algorithm(name: str, writing: Writing) -> tuple[int, Curve | None]:
    """RSA's length and None, or 0 and the curve."""
    rsa = _RSA_NAME.fullmatch(name)
    if rsa and _RSA_LEAST <= int(rsa[1]) <= _RSA_MOST:
        return int(rsa[1]), None
    curve = curve_by_name(name)
    if curve is None:
        raise _refused(writing, name, [], [])
    return 0, curve


def _means(mechanisms: tuple[Mechanism, ...], bits: int, curve: Curve | None) -> Iterator[_Means]:
    """Best first. Modules differ in the curve's spelling, and in whether a template may say what is not wanted."""
    for mechanism in mechanisms:
        for form, parameters in _parameters(bits, curve):
            for extent in Extent:
                yield _Means(f"CKM_{mechanism.name} {form}, {extent.value}", mechanism, parameters, extent)


def _parameters(bits: int, curve: Curve | None) -> Iterator[tuple[str, Template]]:
    if curve is None:
        yield f"{bits} bits", {int(Attribute.MODULUS_BITS): ulong(bits), int(Attribute.PUBLIC_EXPONENT): F4}
        return
    yield "by OID", {int(Attribute.EC_PARAMS): der.encode_oid(curve.oid)}
    if curve.name in _PRINTABLE:
        yield "by name", {int(Attribute.EC_PARAMS): der.encode(der.PRINTABLE_STRING, _PRINTABLE[curve.name])}
    for oid in curve.other_oids:
        yield "by GnuPG's OID", {int(Attribute.EC_PARAMS): der.encode_oid(oid)}


def _offers(writing: Writing, mechanism: int) -> bool:
    """Whether the token lists the mechanism; yes when it lists nothing."""
    return not writing.mechanisms or mechanism in writing.mechanisms


def _refused(writing: Writing, algorithm: str, means: list[_Means], refusals: list[CkrError]) -> TokenError:
    """NotSupported where no key can be made at all, else what can be made instead."""
    can = ", ".join(algorithms(writing.native, writing.held))
    if not can and writing.mechanisms:
        return NotSupported(f"{writing.about} makes no keys: it has no mechanism for that")
    tried = ", ".join(one.name for one in means) or "nothing it offers"
    answers = f" ({'; '.join(dict.fromkeys(map(str, refusals)))})" if refusals else ""
    text = f"{writing.about} cannot make {algorithm} keys with {tried}{answers}"
    if refusals and all(one.is_missing_function for one in refusals):
        return NotSupported(text)
    return UnsupportedAlgorithm(f"{text}; by its mechanisms it makes: {can or 'it does not say'}")


def algorithms(native: Native, held: HeldToken) -> tuple[str, ...]:
    """GnuPG's names of what the token's mechanisms promise; a curve within the lengths may still be refused."""
    found = [f"rsa{bits}" for bits in _RSA_SIZES if _promises(native, held, Mechanism.RSA_PKCS_KEY_PAIR_GEN, bits)]
    for curve in CURVES.values():
        if any(_promises(native, held, mechanism, curve.bits) for mechanism in _BY_FAMILY[curve.family]):
            found.append(curve.algorithm)
    return tuple(found)


def _promises(native: Native, held: HeldToken, mechanism: int, bits: int) -> bool:
    if mechanism not in held.mechanisms:
        return False
    try:
        info = mechanism_info(native, held.slot, mechanism)
    except CkrError:
        return True
    slack = 0 if mechanism in _OF_EXACT_BITS else 1  # of Curve25519 both 255 and 256 are said
    return not info.largest or (info.smallest <= bits + slack and bits <= info.largest)
