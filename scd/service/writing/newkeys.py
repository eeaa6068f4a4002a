"""Keys made on a token and keys put there: which place, which CKA_ID, and what becomes of the key that was there.

Nothing is given up before its successor is safe: the new key comes first, under a CKA_ID of its own, then its place is
recorded, and only then an old key goes, and that only when somebody had put it into the place.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from scd.gcrypt.curves import Family
from scd.gcrypt.privkey import PrivateKey
from scd.gcrypt.pubkey import PublicKey, RsaPublicKey
from scd.service.finding.catalogue import Card, CardKey
from scd.service.finding.places import ENCRYPT, ROLES, Role, found, put
from scd.service.kept.attached import Attachment, made
from scd.service.kept.labels import key_label
from scd.service.operations import Service
from scd.service.pins.logins import Asker
from scd.service.writing.targets import Target
from scd.token.errors import (
    KeyExists,
    KeyNotFound,
    NotSupported,
    TokenError,
    TokenFailure,
    Unfinished,
    UnsupportedAlgorithm,
)
from scd.token.port import GenerateRequest, ImportRequest, KeyAddress

log = logging.getLogger(__name__)

DEFAULT_ALGORITHM = "rsa2048"
_SIGN_ONLY = frozenset({"ed25519", "ed448"})
_DECRYPT_ONLY = frozenset({"cv25519", "cv448", "x448"})

_HIDDEN_IDS = 3
"""How many CKA_IDs are tried that look free and are not: another program may have taken one just now."""

Make = Callable[[bytes], Awaitable[PublicKey]]
"""Makes the key under a CKA_ID."""

Records = Mapping[str, bytes | None]
"""Of a card's metadata: label and value, None to forget it."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key in its place, and when it was made."""

    key: CardKey
    attachment: Attachment


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted: `created` in seconds since the epoch, None for now; `force` replaces what is there.

    `imported`: a key that fills the place by its usage only makes way without `force`. It stays on the token, so
    nothing is lost, and gpg's keytocard asks its user, and sends --force, only for keys whose fingerprint it is shown.
    """

    target: Target
    created: int | None
    force: bool
    imported: bool = False

    def attachment(self, public: PublicKey, *, encryption: bool) -> Attachment:
        """A key that was not made just now has no fingerprint as long as nobody says when it was."""
        if self.created is None and self.imported:
            return Attachment(_now(), None)
        return made(public, self.created or _now(), encryption=encryption)


class NewKeys:
    """GENKEY and WRITEKEY; one change at a time on each card."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def existing(self, role: Role, card: Card, told: int | None) -> NewKey | None:
        """The configuration's key for this place, which is never made anew; None where the card has none.

        Its time is written down, off the token. `told`: the latest time it may have been made. KeyExists for a place
        that the configuration gives to a key of another card.
        """
        places = self._service.places
        key = places.configured(card).get(role)
        if key is None:
            other = places.elsewhere(role, card)
            if other is not None:
                where = f'the key {other.keygrip_hex} of the token "{other.card.token.id.label}"'
                raise KeyExists(f"the configuration gives {role.place} to {where}; no other one is made")
            return None
        attachment = made(key.pair.public, self._common_time(card, told or _now()), encryption=role is ENCRYPT)
        if attachment != self._service.attachments.recorded(key):
            await self._service.record_beside(key.card, {key_label(key.pair.keygrip): attachment.encoded()})
        return NewKey(key, attachment)

    def _common_time(self, card: Card, latest: int) -> int:
        """When the configured keys of a card were made: one time for all of them, or gpg finds one of them younger
        than its signature. That of an OpenPGP key they are in, else the first one known, and none after `latest`.
        """
        keys = self._service.places.configured(card).items()
        attachments = self._service.attachments
        attached = [attachments.in_keyring(key, encryption=role is ENCRYPT) for role, key in keys]
        times = [one.created if one else None for one in attached]
        if not any(times):
            times = [attachments.created(key) for _, key in keys]
        return min([latest, *(time for time in times if time)])

    def algorithm(self, target: Target) -> str:
        """What is made there when nobody says: what SETATTR KEY-ATTR chose, else as the key that is there."""
        if target.role is not None:
            chosen = self._service.data(target.card).get(attribute_label(target.role))
            if chosen:
                return chosen.decode("ascii", "replace")
        return target.present.pair.public.algorithm if target.present else DEFAULT_ALGORITHM

    async def generate(self, order: Order, algorithm: str, ask: Asker) -> NewKey:
        """A key pair made on the token.

        KeyExists for an occupied place without `force`; UnsupportedAlgorithm for what the place or the token cannot.
        """
        sign, decrypt = _uses(order.target.role, algorithm)
        card = order.target.card

        async def make(cka_id: bytes) -> PublicKey:
            name = _label(order.target.role, order.target.cka_id or cka_id)
            return await card.module.module.generate(
                GenerateRequest(card.token.id, algorithm, cka_id, name, sign, decrypt)
            )

        return await self._put(order, make, "generate a key", ask)

    def require_place(self, order: Order) -> None:
        """Raises KeyExists for an occupied place without `force`, and for importing into a configured one."""
        role, places = order.target.role, self._service.places
        if role is None:
            _refuse_occupied(order, order.target.present)
            return
        card = self._present(order.target.card.serial)
        if order.imported and role in places.configured(card):
            raise KeyExists(f"the configuration names the key of {role.place}")
        old = places.occupants(card).get(role)
        if not order.imported or (old is not None and places.was_put(role, old)):
            _refuse_occupied(order, old)

    async def import_key(self, order: Order, private: PrivateKey, ask: Asker) -> NewKey:
        """A private key put on the token. KeyExists for an occupied place, and for a key the token has already."""
        sign, decrypt = _uses(order.target.role, private.public.algorithm)
        # What the key is for in OpenPGP is not told: RSA may be for both, and the same key cannot come a second time.
        decrypt = decrypt or isinstance(private.public, RsaPublicKey)
        card = order.target.card

        async def make(cka_id: bytes) -> PublicKey:
            name = _label(order.target.role, order.target.cka_id or cka_id)
            return await card.module.module.import_key(
                ImportRequest(card.token.id, private, cka_id, name, sign, decrypt)
            )

        return await self._put(order, make, "import a key", ask)

    async def _put(self, order: Order, make: Make, purpose: str, ask: Asker) -> NewKey:
        card = order.target.card
        async with self._service.turn(card):
            try:
                if order.target.role is not None:
                    return await self._into_place(order, order.target.role, make, purpose, ask)
                return await self._under_id(order, make, purpose, ask)
            finally:
                await self._service.logins.operation_done(card)

    async def _into_place(self, order: Order, role: Role, make: Make, purpose: str, ask: Asker) -> NewKey:
        places, serial = self._service.places, order.target.card.serial
        self.require_place(order)
        old = places.occupants(self._present(serial)).get(role)
        was_put = old is not None and places.was_put(role, old)
        # What fills the other places is written down, too, and stays where it is.
        neighbours = places.unrecorded(self._present(serial)).items()
        stay = {other.place: found(one) for other, one in neighbours if other is not role}
        key = await self._made(serial, None, make, purpose, ask)
        new = NewKey(key, order.attachment(key.pair.public, encryption=role is ENCRYPT))
        records: Records = {role.place: put(key), **stay, attribute_label(role): None}  # KEY-ATTR has served
        before = {label: self._service.data(key.card).get(label) for label in records}
        await self._recorded_or_destroyed(new, records, purpose, ask)
        if old is not None and was_put:
            await self._make_way(old, key, before, purpose, ask)
        return NewKey(self._found(serial, key.pair.public), new.attachment)

    async def _under_id(self, order: Order, make: Make, purpose: str, ask: Asker) -> NewKey:
        """Exactly the addressed key goes; its successor is whole, written down, and under its CKA_ID before."""
        serial, old = order.target.card.serial, order.target.present
        self.require_place(order)
        places = [role.place for role in ROLES if old is not None and self._service.places.was_put(role, old)]
        key = await self._made(serial, None if old else order.target.cka_id, make, purpose, ask)
        if old is not None:
            key = await self._moved(key, old, purpose, ask)
        new = NewKey(key, order.attachment(key.pair.public, encryption=_can_only_decrypt(key)))
        records: Records = dict.fromkeys(places, put(key))
        before = {label: self._service.data(key.card).get(label) for label in records}
        await self._recorded_or_destroyed(new, records, purpose, ask)
        if old is not None:
            await self._make_way(old, key, before, purpose, ask)
        return NewKey(self._found(serial, key.pair.public), new.attachment)

    async def _moved(self, new: CardKey, old: CardKey, purpose: str, ask: Asker) -> CardKey:
        """The new key under the old one's CKA_ID, which both have until the old one goes: whatever happens in between,
        no key is lost. It keeps its own where the two could not be told apart, and where the token changes no CKA_ID.
        """
        module, card, cka_id = new.card.module.module, new.card, old.pair.cka_id
        shared = sum(key.pair.cka_id == cka_id for key in card.keys) > 1
        try:
            if not cka_id or shared or old.pair.always_authenticate:
                raise NotSupported(f"another key could be taken for {old.keyref}")
            await self._service.with_login(card, purpose, ask, lambda: module.move_key(new.address, cka_id))
        except NotSupported as error:
            log.info("token=%s %s keeps a CKA_ID of its own: %s", card.token.id.label, new.keyref, error)
            return new
        except TokenError as error:
            await self._taken_back(new, f"beside {old.keyref}", error)
            raise
        return await self._listed(card.serial, new.pair.public)

    async def _made(self, serial: str, cka_id: bytes | None, make: Make, purpose: str, ask: Asker) -> CardKey:
        """The new key, listed. Without a CKA_ID the smallest free one is taken; hidden objects show after a login."""
        tried: set[bytes] = set()

        async def attempt() -> PublicKey:
            while True:
                chosen = cka_id or _free_id(self._present(serial), tried)
                try:
                    return await make(chosen)
                except KeyExists:
                    tried.add(chosen)
                    if cka_id is not None or len(tried) > _HIDDEN_IDS:
                        raise

        public = await self._service.with_login(self._present(serial), purpose, ask, attempt)
        return await self._listed(serial, public)

    async def _recorded_or_destroyed(self, new: NewKey, places: Records, purpose: str, ask: Asker) -> None:
        """Write down time and place; a key whose place cannot be written down would be lost in the crowd."""
        records: Records = {key_label(new.key.pair.keygrip): new.attachment.encoded(), **places}
        try:
            await self._service.record(new.key.card, records, purpose, ask)
        except TokenError as error:
            await self._taken_back(new.key, "but not in its place", error)
            raise

    @staticmethod
    async def _taken_back(new: CardKey, where: str, error: TokenError) -> None:
        """Destroy the new key, because of the error. Raises Unfinished if it stays."""
        try:
            with contextlib.suppress(KeyNotFound):  # SoftHSM 2.6.1 on a full disk has lost it already
                await new.card.module.module.destroy_key(new.address)
        except TokenError:
            raise Unfinished(f"the new key is on the token as {new.keyref}, {where}: {error}") from error

    async def _make_way(self, old: CardKey, new: CardKey, before: Records, purpose: str, ask: Asker) -> None:
        """The old key goes. Where the token keeps it the new one goes instead, and all is as `before`, because a
        client that is told of a failure comes again with the same key.
        """
        try:
            await self._destroy(old, purpose, ask)
            return
        except TokenError as error:
            failure = error
        await self._service.catalogue.relist(self._present(old.card.serial))
        if not self._is_whole(old):
            log.warning("%s is half destroyed, and %s in its place: %s", old.keyref, new.keyref, failure)
            return
        try:
            await self._destroy(new, purpose, ask)
            await self._service.record(new.card, before, purpose, ask)
        except TokenError as error:
            both = f"both keys are on the token now, the old one as {old.keyref}, the new one as {new.keyref}"
            raise Unfinished(f"{both}: {failure}; {error}") from failure
        raise Unfinished(f"the old key stays in its place, and the new one was taken off again: {failure}") from failure

    def _is_whole(self, key: CardKey) -> bool:
        """Whether it is listed with its private half."""
        there = (one.pair for one in self._present(key.card.serial).keys)
        return any(one.public == key.pair.public and one.private_seen for one in there)

    async def _destroy(self, old: CardKey, purpose: str, ask: Asker) -> None:
        """The key goes, and with it what was written down of it. Unfinished names a key that has not gone."""
        address: KeyAddress = old.address
        module = old.card.module.module
        try:
            await self._service.with_login(old.card, purpose, ask, lambda: module.destroy_key(address))
        except TokenError as error:
            raise Unfinished(f"{old.keyref} cannot be destroyed: {error}") from error
        log.info("module=%s token=%s destroyed %s", old.card.module.name, old.card.token.id.label, old.keyref)
        await self._service.catalogue.relist(self._present(old.card.serial))
        try:
            await self._service.record(old.card, {key_label(old.pair.keygrip): None}, purpose, ask)
        except TokenError as error:  # it is of no key now, and harms nobody
            log.warning("what was written down of %s is still there: %s", old.keyref, error)

    def _present(self, serial: str) -> Card:
        card = self._service.catalogue.by_serial(serial)
        if card is None:
            raise TokenFailure(f"the token {serial} has gone")
        return card

    async def _listed(self, serial: str, public: PublicKey) -> CardKey:
        """The key as the token lists it now."""
        await self._service.catalogue.relist(self._present(serial))
        return self._found(serial, public)

    def _found(self, serial: str, public: PublicKey) -> CardKey:
        for key in self._present(serial).keys:
            if key.pair.public == public:
                return key
        raise TokenFailure("the token does not list the key it has just taken")


def attribute_label(role: Role) -> str:
    """Under which the algorithm of the place's next key is kept."""
    return f"KEY-ATTR-{role.number}"


def _refuse_occupied(order: Order, old: CardKey | None) -> None:
    if old is not None and not order.force:
        what = f"{order.target.name} holds a key ({old.pair.public.algorithm})"
        raise KeyExists(f"{what}; --force puts another one there")


def _free_id(card: Card, tried: set[bytes]) -> bytes:
    taken = {key.pair.cka_id for key in card.keys} | {one.certificate.cka_id for one in card.certificates} | tried
    return next(one for n in range(1, 1 << 16) if (one := n.to_bytes(1 if n < 256 else 2, "big")) not in taken)


def _label(role: Role | None, cka_id: bytes) -> str:
    return role.title if role else f"Key {cka_id.hex().upper()}"


def _uses(role: Role | None, algorithm: str) -> tuple[bool, bool]:
    """Whether the key is to sign, and to decrypt. Raises UnsupportedAlgorithm where place and algorithm exclude it."""
    sign, decrypt = algorithm not in _DECRYPT_ONLY, algorithm not in _SIGN_ONLY
    if role is None:
        return sign, decrypt
    if not (decrypt if role is ENCRYPT else sign):
        verb = "decrypt" if role is ENCRYPT else "sign"
        raise UnsupportedAlgorithm(f"{role.place} is there to {verb}, and {algorithm} cannot")
    return role is not ENCRYPT, role is ENCRYPT


def fitting(role: Role, algorithms: Iterable[str]) -> list[str]:
    """Those of which the place can have a key."""
    unfit = _SIGN_ONLY if role is ENCRYPT else _DECRYPT_ONLY
    return [algorithm for algorithm in algorithms if algorithm not in unfit]


def _can_only_decrypt(key: CardKey) -> bool:
    public = key.pair.public
    return not isinstance(public, RsaPublicKey) and public.curve_info.family is Family.MONTGOMERY


def _now() -> int:
    return int(time.time())
