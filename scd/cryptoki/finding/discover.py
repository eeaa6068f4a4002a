"""PKCS#11 objects to the domain's: reads attributes, leaves out what is odd, says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import chain

from scd.cryptoki.calls.ckr import OBJECT_HANDLE_INVALID, CkrError
from scd.cryptoki.calls.native import Native, from_ulong, ulong
from scd.cryptoki.calls.numbers import FALSE, X_509, Attribute, KeyType, Mechanism, ObjectClass, key_type_name
from scd.cryptoki.session import TokenSession
from scd.cryptoki.using.proofs import Proofs
from scd.gcrypt.curves import curve_by_ec_params, ec_point
from scd.gcrypt.pubkey import F4, EccPublicKey, PublicKey, RsaPublicKey
from scd.token.model import Certificate, KeyPair, Skipped, TokenObjects
from scd.token.pairing import Candidates, PrivateObject, Proposals, PublicObject, family, named, pair

_EC_KINDS = frozenset({KeyType.EC, KeyType.EC_EDWARDS, KeyType.EC_MONTGOMERY})

_COMMON = (Attribute.ID, Attribute.LABEL, Attribute.KEY_TYPE)
_PRIVATE = (
    *_COMMON, Attribute.SIGN, Attribute.DECRYPT, Attribute.UNWRAP, Attribute.DERIVE,
    Attribute.ALWAYS_AUTHENTICATE,
)  # fmt: skip
_PUBLIC = (*_COMMON, Attribute.VERIFY, Attribute.ENCRYPT, Attribute.WRAP, Attribute.DERIVE)
# Asked for by key type: what an object cannot have makes modules refuse the whole question.
_RSA_MATERIAL = (Attribute.MODULUS, Attribute.PUBLIC_EXPONENT)
_EC_MATERIAL = (Attribute.EC_PARAMS, Attribute.EC_POINT)
_CERTIFICATE = (
    Attribute.ID, Attribute.LABEL, Attribute.CERTIFICATE_TYPE, Attribute.VALUE, Attribute.CERTIFICATE_CATEGORY,
)  # fmt: skip
_CATEGORIES: dict[int | None, bool] = {
    1: False,
    2: True,
}  # CK_CERTIFICATE_CATEGORY_TOKEN_USER, …_AUTHORITY; the others tell nothing

_ESSENTIAL = frozenset({Attribute.ID, Attribute.KEY_TYPE, Attribute.VALUE})
"""What an object is nothing without; anything else that cannot be read is taken as unsaid until it can."""

_DERIVATIONS = frozenset({int(Mechanism.ECDH1_DERIVE), int(Mechanism.ECDH1_COFACTOR_DERIVE)})

_Read = PrivateObject | PublicObject | Certificate | Skipped


@dataclass(slots=True)
class Listing:
    """What one token shows, kept so that the next look reads only what is new.

    `keys` are those of `objects` by keygrip. `groups` leads from a keygrip to the private keys that may have it, and
    `proposals` has the public keys that one may have which does not show its own (see `Pairing`). `proofs` is what
    their use has told since. `unsure` are those whose reading failed in part: an error is no missing attribute, and the
    next look reads them again. `disproved` are the keygrips of public keys and certificates without a private key, as
    the last look with a login has shown.
    """

    version: int
    objects: TokenObjects | None = None
    keys: dict[bytes, KeyPair] = field(default_factory=dict)
    groups: dict[bytes, list[Candidates]] = field(default_factory=dict)
    proposals: Proposals = field(default_factory=dict)
    proofs: Proofs = field(default_factory=Proofs)
    read: dict[tuple[int, int], _Read] = field(default_factory=dict)
    unsure: set[tuple[int, int]] = field(default_factory=set)
    presumed: bool = False
    disproved: frozenset[bytes] = frozenset()
    stale: bool = False

    def forget(self) -> None:
        """Objects were written: handles may stand for others now. The next look reads everything again."""
        self.groups, self.read, self.proofs, self.disproved, self.stale = {}, {}, Proofs(), frozenset(), True

    def reread(self) -> None:
        """The next look reads everything again: an object may have been changed in its place."""
        self.read, self.proofs, self.disproved = {}, Proofs(), frozenset()

    def forget_private(self) -> None:
        """The login is gone, and the private objects' handles with it: their numbers may come back for other keys."""
        self.groups, self.proofs = {}, Proofs()
        self.read = {at: one for at, one in self.read.items() if at[0] != ObjectClass.PRIVATE_KEY}

    def disprove(self) -> None:
        """A login holds: for what shows no private key now, none will be presumed when it has ended."""
        if self.objects is None or self.unsure:
            return
        shown = [one for one in self.read.values() if isinstance(one, PublicObject | Certificate)]
        grips = frozenset(one.public.keygrip for one in shown if one.public is not None)
        self.disproved = grips - self.keys.keys()

    def candidates(self, keygrip: bytes) -> list[PrivateObject]:
        """The private keys that may have this keygrip, the surest first, with what their use has told."""
        return [
            one
            for group in self.groups.get(keygrip, ())
            for one in group.members
            if keygrip not in one.not_of and (one.public is None or one.public.keygrip == keygrip)
        ]

    def learn(
        self, one: PrivateObject, *, owner: PublicKey | None = None, not_of: frozenset[bytes] = frozenset()
    ) -> None:
        """The object's use has told whose half it is, or whose not: that counts at once, and in the next listing."""
        if owner is not None:
            self.proofs.owner[one.handle] = owner
        if not_of:
            self.proofs.not_of[one.handle] = not_of
        self.stale = True
        for group in chain.from_iterable(self.groups.values()):
            if any(member.handle == one.handle for member in group.members):
                group.members = tuple(map(self.proofs.applied, group.members))


def refresh(
    listing: Listing, native: Native, session: TokenSession, *, presume: bool, mechanisms: frozenset[int] = frozenset()
) -> None:
    """Bring `listing` up to date; its version changes only when something did.

    Handles known from before are not read again: three searches are the whole cost of finding nothing new.
    `mechanisms` are those of the slot, none when it does not tell.
    Raises CkrError when the session is lost.
    """
    present = [
        (int(kind), handle)
        for kind in _READERS
        for handle in native.find(session.handle, {Attribute.CLASS: ulong(kind)})
    ]
    unchanged = listing.presumed == presume and set(present) == listing.read.keys()
    if listing.objects is not None and unchanged and not (listing.stale or listing.unsure):
        return
    _read_new(listing, native, session.handle, present)
    listing.proofs.keep({handle for kind, handle in present if kind == ObjectClass.PRIVATE_KEY})
    outcome = pair(
        [listing.proofs.applied(o) for o in listing.read.values() if isinstance(o, PrivateObject)],
        [o for o in listing.read.values() if isinstance(o, PublicObject)],
        [o for o in listing.read.values() if isinstance(o, Certificate)],
        presume=presume,
        disproved=listing.disproved,
    )
    odd = [o for o in listing.read.values() if isinstance(o, Skipped)]
    keys = [_as_able(key, mechanisms) for key in outcome.keys]
    listing.presumed, listing.stale = presume, False
    listing.groups, listing.proposals = outcome.candidates, outcome.proposals
    now = TokenObjects(
        tuple(sorted(keys, key=lambda key: (key.cka_id, key.keygrip))),  # the module's order may vary
        tuple(sorted(outcome.certificates, key=lambda one: (one.cka_id, one.der))),
        tuple(sorted(odd + outcome.skipped, key=lambda one: (one.what, one.reason))),
        listing.version,
    )
    if now != listing.objects:
        listing.version += 1
        listing.objects = replace(now, version=listing.version)
        listing.keys = {key.keygrip: key for key in reversed(now.keys)}  # of two the first


def _as_able(key: KeyPair, mechanisms: frozenset[int]) -> KeyPair:
    """The key, without decryption where its attributes promise a derivation that the slot does not have.

    tpm2-pkcs11 1.9 sets CKA_DERIVE and has no ECDH; p11-kit 0.24 does not hand it on. gpg would encrypt to such a key.
    """
    if mechanisms and isinstance(key.public, EccPublicKey) and not mechanisms & _DERIVATIONS:
        return replace(key, can_decrypt=False)
    return key


def _read_new(listing: Listing, native: Native, session: int, present: list[tuple[int, int]]) -> None:
    before = {at: one for at, one in listing.read.items() if at not in listing.unsure}
    listing.read, listing.unsure = {}, set()
    for at in present:
        one, is_sure = (before[at], True) if at in before else _read(native, session, *at)
        listing.read[at] = one
        if not is_sure:
            listing.unsure.add(at)


def _read(native: Native, session: int, kind: int, handle: int) -> tuple[_Read, bool]:
    """The object, and whether nothing failed but what its own content is to blame for."""
    types, reader, name = _READERS[ObjectClass(kind)]
    try:
        values, failed = native.readable(session, handle, types)
        if kind != ObjectClass.CERTIFICATE:
            _add_material(native, session, handle, values, failed)
    except CkrError as error:
        if error.rv != OBJECT_HANDLE_INVALID:
            raise
        return Skipped(name, "it is listed but cannot be read"), False  # or it went away this very moment
    what = f"{name} {named(values.get(Attribute.ID, b''), text(values.get(Attribute.LABEL, b'')))}"
    for attribute in _ESSENTIAL & failed.keys():
        return Skipped(what, f"it cannot be read: {failed[attribute]}"), False
    try:
        return reader(handle, values), not failed
    except ValueError as error:
        reason = f"it cannot be read: {next(iter(failed.values()))}" if failed else str(error)
        return Skipped(what, reason), not failed


def _add_material(
    native: Native, session: int, handle: int, values: dict[int, bytes], failed: dict[int, CkrError]
) -> None:
    """What shows the public key; CKA_PUBLIC_KEY_INFO is rare and asked for only where the rest is silent."""
    key_type = from_ulong(values.get(Attribute.KEY_TYPE, b""))
    types = _RSA_MATERIAL if key_type == KeyType.RSA else _EC_MATERIAL if key_type in _EC_KINDS else ()
    for wanted in (types, (Attribute.PUBLIC_KEY_INFO,)):
        if wanted and not (types and all(values.get(one) for one in types)):
            found, lost = native.readable(session, handle, wanted)
            values |= found
            failed |= lost


def _read_private(handle: int, values: dict[int, bytes]) -> PrivateObject:
    try:
        own = own_public(values)
    except ValueError:
        own = None  # its CKA_ID may still lead to a public key that can be read
    return PrivateObject(
        handle,
        values.get(Attribute.ID, b""),
        text(values.get(Attribute.LABEL, b"")),
        family(own) if own else key_family(values),
        own,
        can_sign=_any(values, Attribute.SIGN),  # CKA_SIGN_RECOVER is true by default on SoftHSM and tells nothing
        can_decrypt=_any(values, *_decrypting(values, Attribute.DECRYPT, Attribute.UNWRAP)),
        always_authenticate=bool(_flag(values, Attribute.ALWAYS_AUTHENTICATE)),
    )


def _read_public(_handle: int, values: dict[int, bytes]) -> PublicObject:
    own = own_public(values)
    if own is None:
        key_family(values)
        raise ValueError("its public key cannot be read")
    return PublicObject(
        values.get(Attribute.ID, b""),
        text(values.get(Attribute.LABEL, b"")),
        own,
        can_sign=_any(values, Attribute.VERIFY),
        can_decrypt=_any(values, *_decrypting(values, Attribute.ENCRYPT, Attribute.WRAP)),
    )


def _read_certificate(_handle: int, values: dict[int, bytes]) -> Certificate:
    from scd.cryptoki.finding.certificates import (
        certificate,  # asn1crypto is needed only on tokens that hold certificates
    )

    kind = from_ulong(values.get(Attribute.CERTIFICATE_TYPE, ulong(X_509)))
    if kind != X_509:
        raise ValueError(f"certificate type {kind} is not X.509")
    read = certificate(
        values.get(Attribute.VALUE, b""), values.get(Attribute.ID, b""), text(values.get(Attribute.LABEL, b""))
    )
    category = from_ulong(values.get(Attribute.CERTIFICATE_CATEGORY, b""))
    return replace(read, of_authority=_CATEGORIES.get(category))


_READERS: dict[ObjectClass, tuple[tuple[int, ...], Callable[[int, dict[int, bytes]], _Read], str]] = {
    ObjectClass.CERTIFICATE: (_CERTIFICATE, _read_certificate, "certificate"),
    ObjectClass.PUBLIC_KEY: (_PUBLIC, _read_public, "public key"),
    ObjectClass.PRIVATE_KEY: (_PRIVATE, _read_private, "private key"),
}


def key_family(values: dict[int, bytes]) -> str:
    """ "rsa" or the curve's name, from CKA_KEY_TYPE and CKA_EC_PARAMS.

    Raises ValueError for kinds scd does not serve.
    """
    kind = from_ulong(values.get(Attribute.KEY_TYPE, b""))
    if kind == KeyType.RSA:
        return "rsa"
    if kind not in _EC_KINDS:
        raise ValueError(f"key type {_kind_name(kind)} is not supported")
    curve = curve_by_ec_params(values.get(Attribute.EC_PARAMS, b""))
    if curve is None:
        raise ValueError(f"the curve with CKA_EC_PARAMS {values.get(Attribute.EC_PARAMS, b'').hex()} is not supported")
    return curve.name


def own_public(values: dict[int, bytes]) -> PublicKey | None:
    """The public key in an object's own attributes, or None. Raises ValueError when they contradict themselves."""
    kind = from_ulong(values.get(Attribute.KEY_TYPE, b""))
    modulus, exponent = values.get(Attribute.MODULUS, b""), values.get(Attribute.PUBLIC_EXPONENT, b"")
    if kind == KeyType.RSA and modulus and exponent:
        return RsaPublicKey(modulus, exponent)
    point = values.get(Attribute.EC_POINT, b"")
    if kind in _EC_KINDS and point:
        curve = curve_by_ec_params(values.get(Attribute.EC_PARAMS, b""))
        return EccPublicKey(curve.name, ec_point(curve, point)) if curve else None
    info = values.get(Attribute.PUBLIC_KEY_INFO, b"")
    if info:
        from scd.cryptoki.finding.spki import public_key

        return public_key(info)
    if kind == KeyType.RSA and modulus:
        return RsaPublicKey(modulus, F4)  # private keys may keep silent about e; no token makes another one
    return None


def _kind_name(kind: int | None) -> str:
    return "(none)" if kind is None else key_type_name(kind)


def _flag(values: dict[int, bytes], attribute: int) -> bool | None:
    value = values.get(attribute)
    return None if not value else value != FALSE


def _decrypting(values: dict[int, bytes], *rsa: int) -> tuple[int, ...]:
    """Which attributes speak of decryption: ECDH is derivation, and what an EC key says of the others is a default."""
    return rsa if from_ulong(values.get(Attribute.KEY_TYPE, b"")) == KeyType.RSA else (Attribute.DERIVE,)


def _any(values: dict[int, bytes], *attributes: int) -> bool | None:
    """True when one is true, None when the token says nothing of any."""
    flags = [flag for flag in (_flag(values, a) for a in attributes) if flag is not None]
    return any(flags) if flags else None


def text(octets: bytes) -> str:
    """A label as a person may see it: UTF-8 with replacement characters, no padding, no control characters."""
    decoded = octets.decode("utf-8", "replace").rstrip("\0 ")
    return decoded if decoded.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in decoded)
