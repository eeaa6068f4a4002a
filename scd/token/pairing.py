"""Which certificate and which public key belong to which private key.

CKA_ID proposes, the public key decides; labels never count. Tokens ship with empty, duplicate and differing CKA_IDs,
so an object that fits nowhere is left out with its reason, and never stops the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from scd.gcrypt.pubkey import PublicKey
from scd.token.model import Certificate, KeyPair, Skipped


@dataclass(frozen=True, slots=True)
class PrivateObject:
    """A CKO_PRIVATE_KEY as read. `public` when its own attributes show it; `family` is "rsa" or the curve's name."""

    handle: int
    cka_id: bytes
    label: str
    family: str
    public: PublicKey | None
    can_sign: bool | None
    can_decrypt: bool | None
    always_authenticate: bool


@dataclass(frozen=True, slots=True)
class PublicObject:
    """A CKO_PUBLIC_KEY as read."""

    cka_id: bytes
    label: str
    public: PublicKey
    can_sign: bool | None
    can_decrypt: bool | None


@dataclass(slots=True)
class Pairing:
    """The outcome: `handles` leads from a keygrip to the private key's object handle."""

    keys: list[KeyPair] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    handles: dict[bytes, int] = field(default_factory=dict)


def pair(
    private: Sequence[PrivateObject],
    public: Sequence[PublicObject],
    certificates: Sequence[Certificate],
    *,
    presume: bool,
) -> Pairing:
    """Bring the objects of one token together.

    `presume`: the token hides private keys until login, so a public key, or an end-entity certificate, stands for one.
    """
    work = _Work(private, public, certificates)
    for one in sorted(private, key=lambda one: one.public is None):  # those that show whose half they are come first
        work.add_private(one)
    if presume:
        work.presume_hidden()
    work.leave_the_rest()
    return work.result


_Proposals = dict[tuple[bytes, str], dict[bytes, PublicKey]]  # by CKA_ID and family, then by keygrip


class _Work:
    """Look-up tables over one token's objects, so that pairing stays linear in their number.

    All go by keygrip: one RSA key may appear with its exponent and, where the token keeps silent about it, with a
    guessed one.
    """

    def __init__(
        self, private: Sequence[PrivateObject], public: Sequence[PublicObject], certificates: Sequence[Certificate]
    ) -> None:
        self.result = Pairing()
        self.public = public
        self.certificates = certificates
        self.public_by_grip: dict[bytes, PublicObject] = {}
        self.certificates_by_grip: dict[bytes, list[Certificate]] = {}
        self.objects_by_id: _Proposals = {}
        self.certified_by_id: _Proposals = {}
        self.known: set[bytes] = set()
        self.paired: set[int] = set()
        self.silent = Counter((one.cka_id, one.family) for one in private if one.public is None)
        for entry in public:
            self.public_by_grip.setdefault(entry.public.keygrip, entry)
            _propose(self.objects_by_id, entry.cka_id, entry.public)
        for found in certificates:
            if found.public is not None:
                self.certificates_by_grip.setdefault(found.public.keygrip, []).append(found)
                _propose(self.certified_by_id, found.cka_id, found.public)

    def add_private(self, one: PrivateObject) -> None:
        key = one.public or self._proposed(one)
        if key is None:
            return
        grip = key.keygrip
        if grip in self.known:
            self._skip_private(one, "the same key was found before")
            return
        self.result.handles[grip] = one.handle
        self._add(key, one.cka_id, one.label, one.can_sign, one.can_decrypt, one.always_authenticate, seen=True)

    def _proposed(self, one: PrivateObject) -> PublicKey | None:
        """The public key for a private one that does not show its own, when its CKA_ID leaves no doubt.

        A public key object is believed before a certificate, which may be a stranger's. Two such private keys under one
        CKA_ID cannot be told apart, and the wrong one must never be used.
        """
        place = (one.cka_id, one.family)
        proposals = self.objects_by_id.get(place) or self.certified_by_id.get(place) or {}
        rivals = self.silent[place]
        if not proposals:
            self._skip_private(
                one, f"no {one.family} public key or certificate has its CKA_ID, and the key itself does not show one"
            )
        elif len(proposals) > 1:
            self._skip_private(one, f"{len(proposals)} different {one.family} public keys share its CKA_ID")
        elif rivals > 1:
            self._skip_private(one, f"{rivals} {one.family} private keys share its CKA_ID and show no public key")
        else:
            return next(iter(proposals.values()))
        return None

    def presume_hidden(self) -> None:
        for grip, entry in self.public_by_grip.items():
            if grip not in self.known:
                self._add(entry.public, entry.cka_id, entry.label, entry.can_sign, entry.can_decrypt, False, seen=False)
        taken = {pair.cka_id for pair in self.result.keys} | {b""}  # by a key that the certificate is not for
        for one in self.certificates:
            if one.public is None or one.is_ca or one.cka_id in taken or one.public.keygrip in self.known:
                continue
            self._add(one.public, one.cka_id, one.label, None, None, False, seen=False)

    def _add(
        self, key: PublicKey, cka_id: bytes, label: str, can_sign: bool | None, can_decrypt: bool | None,
        always: bool, *, seen: bool,
    ) -> None:  # fmt: skip
        grip = key.keygrip
        certificate = self._certificate_for(grip, cka_id)
        twin = self.public_by_grip.get(grip)
        if twin is not None:
            key = twin.public
            can_sign = twin.can_sign if can_sign is None else can_sign
            can_decrypt = twin.can_decrypt if can_decrypt is None else can_decrypt
            label = label or twin.label
        if certificate is not None and certificate.public is not None:
            key = certificate.public
            self.paired.add(id(certificate))
            label = label or certificate.label
        self.known.add(grip)
        self.result.keys.append(
            KeyPair(cka_id, label, key, can_sign, can_decrypt, always, private_seen=seen, certificate=certificate)
        )

    def _certificate_for(self, grip: bytes, cka_id: bytes) -> Certificate | None:
        """Same CKA_ID first, then the newest."""
        candidates = self.certificates_by_grip.get(grip, [])
        return max(candidates, key=lambda c: (c.cka_id == cka_id, c.not_before or 0), default=None)

    def leave_the_rest(self) -> None:
        for entry in self.public:
            if entry.public.keygrip not in self.known:
                self._skip(f"public key {named(entry.cka_id, entry.label)}", "the token has no private key for it")
        self.result.certificates += [one for one in self.certificates if id(one) not in self.paired]

    def _skip_private(self, one: PrivateObject, reason: str) -> None:
        self._skip(f"private key {named(one.cka_id, one.label)}", reason)

    def _skip(self, what: str, reason: str) -> None:
        self.result.skipped.append(Skipped(what, reason))


def _propose(table: _Proposals, cka_id: bytes, key: PublicKey) -> None:
    if cka_id:  # an empty one connects nothing
        table.setdefault((cka_id, family(key)), {})[key.keygrip] = key


def family(key: PublicKey) -> str:
    """ "rsa", or the name of the curve."""
    return getattr(key, "curve", "rsa")


def named(cka_id: bytes, label: str) -> str:
    """How an object is called in a message: its CKA_ID in hex and its label."""
    return f'id {cka_id.hex().upper() or "(empty)"} "{label}"'
