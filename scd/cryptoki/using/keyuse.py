"""A private key in use: which objects may be it, which of them may do what is wanted, and whether it is the right one.

A CKA_ID alone proves nothing: two private keys may share one, and a public key may have been left behind by another. So
nothing that comes of such a private key leaves before it was seen to belong to the public key that was asked for: a
signature by verifying it, a decryption by one of which the outcome is known. That happens once for each object, as does
the verification of the first signature of every other key; with `verify-signatures` every signature is verified.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from scd.cryptoki.calls.native import Native
from scd.cryptoki.held import HeldToken
from scd.cryptoki.keytypes import choose
from scd.cryptoki.keytypes.operation import Operation
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.gcrypt.library import CannotCompute
from scd.gcrypt.proof import Probe, verifies
from scd.gcrypt.pubkey import PublicKey, RsaPublicKey
from scd.token.errors import (
    InvalidData,
    KeyNotFound,
    PinRequired,
    TokenError,
    TokenFailure,
    UnsupportedAlgorithm,
    WrongKeyUsage,
)
from scd.token.model import KeyPair, TokenInfo
from scd.token.pairing import PrivateObject, named
from scd.token.secrets import Pin

log = logging.getLogger(__name__)

_MAY_NOT = (WrongKeyUsage, UnsupportedAlgorithm)
_CAN_SIGN, _CAN_DECRYPT = attrgetter("can_sign"), attrgetter("can_decrypt")


class _AnotherKey(KeyNotFound):
    """The private key is not the half of the public key that is wanted."""


class _NobodysKey(_AnotherKey):
    """What the key gave fits no public key with its CKA_ID, for the first time: the answer may have been wrong."""


@dataclass(slots=True)
class KeyUse:
    """One use of a listed key, which one of the `candidates` is, the surest first.

    `look` gives what a slot shows now, None when it cannot be asked.
    """

    native: Native
    config: ModuleConfig
    held: HeldToken
    look: Callable[[int], TokenInfo | None]
    key: KeyPair
    candidates: Sequence[PrivateObject]
    pin: Pin | None

    @property
    def agrees(self) -> bool:
        """Whether decryption is an agreement upon a secret, by a function that has no Init."""
        return not isinstance(self.key.public, RsaPublicKey)

    def sign(self, data: bytes) -> bytes:
        """See `SignRequest`. Raises CkrError and TokenError."""
        return self._first(_CAN_SIGN, self._signed, data)

    def decrypt(self, data: bytes) -> bytes:
        """See `DecryptRequest`. Raises CkrError and TokenError."""
        return self._first(_CAN_DECRYPT, self._decrypted, data)

    def _first(
        self, may: Callable[[PrivateObject], bool | None], use: Callable[[PrivateObject, bytes], bytes], data: bytes
    ) -> bytes:
        """What comes of the first object that is the key and may be used so; those that say no are tried last."""
        refusals: list[TokenError] = []
        for one in sorted(self.candidates, key=lambda one: may(one) is False):
            try:
                return self._once_or_twice(one, use, data)
            except (*_MAY_NOT, _AnotherKey) as error:
                refusals.append(error)
        text = "; ".join(map(str, refusals)) or f"{self._about} has no private key any more"
        if any(isinstance(error, _AnotherKey) for error in refusals):
            log.warning("op=prove result=mismatch %s", text)
        raise next((type(error) for error in refusals if isinstance(error, _MAY_NOT)), KeyNotFound)(text)

    @staticmethod
    def _once_or_twice(one: PrivateObject, use: Callable[[PrivateObject, bytes], bytes], data: bytes) -> bytes:
        """What comes of one object, asked again before a key is given up for one wrong answer."""
        try:
            return use(one, data)
        except _NobodysKey:
            if one.always_authenticate:
                raise
        return use(one, data)

    def _signed(self, one: PrivateObject, data: bytes) -> bytes:
        signature = choose.sign(self._operation(one, asks_late=False), self.key.public, data)
        proofs = self.held.listing.proofs
        if one.handle not in proofs.signed or self.config.verify_signatures:
            self._require(one, lambda public: verifies(public, data, signature))
            proofs.signed.add(one.handle)
        return signature

    def _decrypted(self, one: PrivateObject, data: bytes) -> bytes:
        operation = self._operation(one, asks_late=self.agrees)
        try:
            plain = choose.decrypt(operation, self.key.public, data)
        except InvalidData:
            if one.public is None and not self.agrees:  # of another key, perhaps
                self._probe(one, operation)
            raise
        if one.public is None:
            self._probe(one, operation)
        return plain

    def _probe(self, one: PrivateObject, operation: Operation) -> None:
        """Decrypt, or derive, something of which the outcome is known.

        A key that wants the PIN for each use gets the one that was given for this use; at a pin pad it would have to be
        typed once more, and so the key is believed there.
        """
        if one.always_authenticate and self.pin is None and not self.agrees:
            return
        try:
            probe = Probe(self.key.public)
            answer = choose.decrypt(operation, self.key.public, probe.data)
        except InvalidData:
            self._require(one, lambda _: False)
        except CannotCompute as error:
            raise self._unprovable(one, error) from error
        else:
            self._require(one, lambda public: probe.shows(public, answer))

    def _require(self, one: PrivateObject, is_of: Callable[[PublicKey], bool]) -> None:
        """The object is the key's by this evidence; what the evidence tells is kept. Raises TokenError otherwise."""
        wanted = self.key.public
        try:
            if is_of(wanted):
                self._learn(one, wanted)
            elif one.public is not None:
                raise TokenFailure(
                    f"{self._about}: the token's signature is wrong: it does not verify with the key's own public half"
                )
            else:
                raise self._another(one, is_of)
        except CannotCompute as error:
            if one.public is None or self.config.verify_signatures:
                raise self._unprovable(one, error) from error
            log.warning("op=sign result=unverified %s: %s", self._about, error)

    def _another(self, one: PrivateObject, is_of: Callable[[PublicKey], bool]) -> _AnotherKey:
        """Find out whose it is instead, and remember that for the next listing."""
        listing = self.held.listing
        proposals = listing.proposals.get(one.shared_id, {})
        others = {grip: key for grip, key in proposals.items() if grip != self.key.keygrip}
        owner = next((key for key in others.values() if is_of(key)), None)
        kind = _AnotherKey
        if owner is not None:
            self._learn(one, owner)
        elif one.handle in listing.proofs.doubted:
            listing.learn(one, not_of=frozenset({self.key.keygrip, *others}))
        else:
            listing.proofs.doubted.add(one.handle)
            kind = _NobodysKey
        whose = "" if owner is None else f", but that of {owner.keygrip.hex().upper()}"
        return kind(
            f"{self.held.session.about}: the private key {named(one.cka_id, one.label)} is not that of the public key "
            f"{self.key.keygrip.hex().upper()} under the same CKA_ID{whose}; what it gives does not fit"
        )

    def _learn(self, one: PrivateObject, owner: PublicKey) -> None:
        if one.public is None:
            self.held.listing.learn(one, owner=owner)

    def _unprovable(self, one: PrivateObject, error: CannotCompute) -> TokenError:
        return UnsupportedAlgorithm(
            f"{self._about}: whether the private key {named(one.cka_id, one.label)} is its own cannot be told: {error}"
        )

    @property
    def _about(self) -> str:
        return f'{self.held.session.about}, key "{self.key.label}"'

    def _operation(self, one: PrivateObject, *, asks_late: bool) -> Operation:
        """A missing PIN is noticed before anything begins, but for operations without an Init (`asks_late`):

        there is no place for a context-specific login in them, and most tokens do without it.
        """
        lacking = self._lacking_pin() if one.always_authenticate else None
        if lacking is not None and not asks_late:
            raise lacking
        between = partial(self._context_login, lacking) if one.always_authenticate else None
        return Operation(
            self.native, self.held.session.handle, one.handle, self.held.mechanisms, self.config.private_mask, between,
            about=self._about, chosen=self.held.chosen.setdefault(self.key.keygrip, {}),
        )  # fmt: skip

    def _lacking_pin(self) -> PinRequired | None:
        """What an always-authenticate key still needs; found out before Init, because nothing may come after it."""
        session, info = self.held.session, self.look(self.held.slot)
        if not session.logged_in and info is not None and info.login_required:
            return PinRequired(f"{session.about}: login needed")
        if self.pin is None and not (info is not None and info.pinpad):
            return PinRequired(f"{self._about} wants the PIN for each use", context=True)
        return None

    def _context_login(self, lacking: PinRequired | None) -> None:
        if lacking is not None:
            raise lacking
        self.held.session.context_login(self.pin)
