"""Which certificate and which public key belong to which private key.

CKA_ID proposes, the public key decides; labels never count. Tokens ship with empty, duplicate and differing CKA_IDs,
so an object that fits nowhere is left out with its reason, and never stops the others. What only a CKA_ID brings
together is a guess: whoever uses such a key proves it first, and several guesses are told apart in this way.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property

from scd.gcrypt.pubkey import PublicKey
from scd.token.model import Certificate, KeyPair, Skipped

SharedId = tuple[bytes, str]
"""A CKA_ID and a family: the keys of one kind under one id."""
Proposals = dict[SharedId, dict[bytes, PublicKey]]
"""By shared CKA_ID, then by keygrip."""


@dataclass(frozen=True, slots=True)
class PrivateObject:
    """A CKO_PRIVATE_KEY as read. `public` when its own attributes show it; `family` is "rsa" or the curve's name.

    `not_of`: keygrips of which it has been seen not to be the private half.
    """

    handle: int
    cka_id: bytes
    label: str
    family: str
    public: PublicKey | None
    can_sign: bool | None
    can_decrypt: bool | None
    always_authenticate: bool
    not_of: frozenset[bytes] = frozenset()

    @property
    def shared_id(self) -> SharedId:
        """Where its public half is looked for when it does not show one."""
        return self.cka_id, self.family


@dataclass(frozen=True, slots=True)
class PublicObject:
    """A CKO_PUBLIC_KEY as read."""

    cka_id: bytes
    label: str
    public: PublicKey
    can_sign: bool | None
    can_decrypt: bool | None


@dataclass
class Candidates:
    """Private keys each of which may be the one that is meant, and what at least one of them may do."""

    members: tuple[PrivateObject, ...]

    @cached_property
    def can_sign(self) -> bool | None:
        """See `KeyPair`."""
        return _either(one.can_sign for one in self.members)

    @cached_property
    def can_decrypt(self) -> bool | None:
        """See `KeyPair`."""
        return _either(one.can_decrypt for one in self.members)

    @cached_property
    def always_authenticate(self) -> bool:
        """See `KeyPair`."""
        return any(one.always_authenticate for one in self.members)


@dataclass(slots=True)
class Pairing:
    """The outcome. `candidates` leads from a keygrip to the private keys that may have it, the surest first.

    `proposals` are the public keys, by keygrip, that a private key may have that does not show its own.
    """

    keys: list[KeyPair] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    candidates: dict[bytes, list[Candidates]] = field(default_factory=dict)
    proposals: Proposals = field(default_factory=dict)


def pair(
    private: Sequence[PrivateObject],
    public: Sequence[PublicObject],
    certificates: Sequence[Certificate],
    *,
    presume: bool,
    disproved: Set[bytes] = frozenset(),
    now: float | None = None,
) -> Pairing:
    """Bring the objects of one token together.

    `presume`: the token hides private keys until login, so a public key, or a certificate that is not clearly a foreign
    CA's, stands for one, but for the `disproved` keygrips, of which a login has shown no private key. `now`, by default
    the present, decides which certificates are valid.
    """
    work = _Work(private, public, certificates, disproved, time.time() if now is None else now)
    work.add_those_that_show_their_public_half()
    work.add_silent()
    work.name_the_keys()
    if presume:
        work.presume_hidden()
    work.leave_the_rest()
    return work.result


class _Work:
    """Look-up tables over one token's objects, so that pairing stays linear in their number.

    All go by keygrip: one RSA key may appear with its exponent and, where the token keeps silent about it, with a
    guessed one.
    """

    def __init__(
        self,
        private: Sequence[PrivateObject],
        public: Sequence[PublicObject],
        certificates: Sequence[Certificate],
        disproved: Set[bytes],
        now: float,
    ) -> None:
        self.result = Pairing()
        self.public = public
        self.certificates = certificates
        self.disproved = disproved
        self.now = now
        self.public_by_grip: dict[bytes, PublicObject] = {}
        self.certificates_by_grip: dict[bytes, list[Certificate]] = {}
        self.objects_by_id: Proposals = {}
        self.certified_by_id: Proposals = {}
        self.private = private
        self.publics: dict[bytes, PublicKey] = {}
        self.known: set[bytes] = set()
        self.paired: set[int] = set()
        for entry in public:
            self.public_by_grip.setdefault(entry.public.keygrip, entry)
            _propose(self.objects_by_id, entry.cka_id, entry.public)
            _propose(self.result.proposals, entry.cka_id, entry.public)
        for found in certificates:
            if found.public is not None:
                self.certificates_by_grip.setdefault(found.public.keygrip, []).append(found)
                _propose(self.certified_by_id, found.cka_id, found.public)
                _propose(self.result.proposals, found.cka_id, found.public)

    def add_those_that_show_their_public_half(self) -> None:
        """Several objects may be of one key, say one to sign and one to decrypt with."""
        own: dict[bytes, list[PrivateObject]] = {}
        for one in self.private:
            if one.public is not None:
                own.setdefault(one.public.keygrip, []).append(one)
                self.publics.setdefault(one.public.keygrip, one.public)
        self.result.candidates = {grip: [Candidates(tuple(members))] for grip, members in own.items()}

    def add_silent(self) -> None:
        """Those of one CKA_ID are candidates for every public key with it: their first use tells which is whose."""
        owned = set(self.result.candidates)
        alike: dict[tuple[SharedId, frozenset[bytes]], list[PrivateObject]] = {}
        for one in self.private:
            if one.public is None:
                alike.setdefault((one.shared_id, one.not_of), []).append(one)
        for (shared, not_of), members in alike.items():
            proposed = self._proposed(shared, not_of, owned)
            group = Candidates(tuple(members))
            for grip, key in proposed.items():
                self.publics.setdefault(grip, key)
                self.result.candidates.setdefault(grip, []).append(group)
            if not proposed:
                self._skip_unpaired(members)

    def _proposed(self, shared: SharedId, not_of: frozenset[bytes], owned: set[bytes]) -> dict[bytes, PublicKey]:
        """The public keys for private ones that do not show their own.

        A public key object is believed before a certificate, which may be a stranger's, and one without a private key
        before one that has its own, of which this may be a second object.
        """
        for table in (self.objects_by_id, self.certified_by_id):
            possible = {grip: key for grip, key in table.get(shared, {}).items() if grip not in not_of}
            free = {grip: key for grip, key in possible.items() if grip not in owned}
            if possible:
                return free or possible
        return {}

    def _skip_unpaired(self, members: Sequence[PrivateObject]) -> None:
        for one in members:
            if one.not_of:
                reason = f"it was tried, and belongs to no {one.family} public key or certificate with its CKA_ID"
            else:
                reason = (
                    f"no {one.family} public key or certificate has its CKA_ID, and the key itself does not show one"
                )
            self._skip(f"private key {named(one.cka_id, one.label)}", reason)

    def name_the_keys(self) -> None:
        """One key for each keygrip that has candidates."""
        for grip, groups in self.result.candidates.items():
            first = groups[0].members[0]
            sole = len(groups) == 1 == len(groups[0].members)
            twin = self.public_by_grip.get(grip)
            self._add(
                self.publics[grip],
                first.cka_id,
                first.label if sole or twin is None else twin.label,
                _either(group.can_sign for group in groups),
                _either(group.can_decrypt for group in groups),
                any(group.always_authenticate for group in groups),
                seen=True,
            )

    def presume_hidden(self) -> None:
        for grip, entry in self.public_by_grip.items():
            if grip not in self.known and grip not in self.disproved:
                self._add(entry.public, entry.cka_id, entry.label, entry.can_sign, entry.can_decrypt, False, seen=False)
        alone = not self.result.keys and len(self.certificates) == 1
        # An id is taken by a key that the certificate is not for; an empty one tells nothing of that.
        taken = {key.cka_id for key in self.result.keys} - {b""}
        issuers = {one.issuer for one in self.certificates if one.issuer != one.subject}
        for grip, certified in self.certificates_by_grip.items():
            if grip in self.known or grip in self.disproved:
                continue
            own = [one for one in certified if not (one.cka_id in taken or _is_strangers(one, issuers, alone=alone))]
            best = max(own, key=lambda one: _suitability(one, one.cka_id, self.now), default=None)
            if best is not None and best.public is not None:
                self._add(best.public, best.cka_id, best.label, None, None, False, seen=False)

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
        candidates = self.certificates_by_grip.get(grip, [])
        return max(candidates, key=lambda one: _suitability(one, cka_id, self.now), default=None)

    def leave_the_rest(self) -> None:
        for entry in self.public:
            if entry.public.keygrip not in self.known:
                self._skip(f"public key {named(entry.cka_id, entry.label)}", "the token has no private key for it")
        self.result.certificates += [one for one in self.certificates if id(one) not in self.paired]

    def _skip(self, what: str, reason: str) -> None:
        self.result.skipped.append(Skipped(what, reason))


def _propose(table: Proposals, cka_id: bytes, key: PublicKey) -> None:
    """An empty CKA_ID is one like any other: `pkcs11-tool --keypairgen` gives it to both halves."""
    table.setdefault((cka_id, family(key)), {}).setdefault(key.keygrip, key)


def _either(told: Iterable[bool | None]) -> bool | None:
    """True when one is true, None when one is not known."""
    known = set(told)
    return True if True in known else None if None in known else False


def _is_strangers(one: Certificate, issuers: Container[str], *, alone: bool) -> bool:
    """Whether it is clearly a foreign CA's. That it could be a CA's is not enough: `openssl req -x509` says CA:TRUE.

    `issuers`: by whom the token's other certificates are. `alone`: the token shows nothing else.
    """
    if one.of_authority is not None:
        return one.of_authority
    usage = one.key_usage or ()
    if one.is_ca and one.subject and one.subject in issuers:
        return True
    signs_certificates_only = "key_cert_sign" in usage and "digital_signature" not in usage
    self_signed = bool(one.subject) and one.subject == one.issuer
    return signs_certificates_only and not (self_signed or alone)


def _suitability(one: Certificate, cka_id: bytes, now: float) -> tuple[bool, bool, bool, bool, int]:
    """The greater, the better is a certificate as the own one of the key with this CKA_ID, for mail and logins."""
    valid = (one.not_before or 0) <= now and (one.not_after is None or now <= one.not_after)
    return one.is_personal is not False, valid, bool(one.is_personal), one.cka_id == cka_id, one.not_before or 0


def family(key: PublicKey) -> str:
    """ "rsa", or the name of the curve."""
    return getattr(key, "curve", "rsa")


def named(cka_id: bytes, label: str) -> str:
    """How an object is called in a message: its CKA_ID in hex and its label."""
    return f'id {cka_id.hex().upper() or "(empty)"} "{label}"'
