"""What clients want done: find a key, use it, and ask for the PIN when, and only when, the token wants it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from scd import tasks
from scd.gcrypt.curves import Family
from scd.gcrypt.pubkey import PublicKey, RsaPublicKey
from scd.service.finding.absence import Absence
from scd.service.finding.catalogue import Card, CardKey, Catalogue
from scd.service.finding.hidden import HiddenKeys, may_hide
from scd.service.finding.places import BY_NAME, SIGN, Places, Role
from scd.service.finding.registry import RegisteredModule
from scd.service.finding.report import Report
from scd.service.kept.attached import Attachments
from scd.service.kept.keyring import Keyring
from scd.service.kept.metadata import Metadata
from scd.service.kept.stubs import Stubs
from scd.service.pins.dialogue import shown
from scd.service.pins.logins import Asker, Logins
from scd.service.using.challenge import answers, challenge
from scd.service.using.sharedpoint import second_peer
from scd.service.using.signing import decrypted_form, to_be_decrypted, to_be_signed
from scd.token.errors import KeyNotFound, PinRequired, TokenError, TokenFailure, TokenNotPresent, TokenRemoved
from scd.token.model import Certificate
from scd.token.port import DecryptRequest, SignRequest
from scd.token.secrets import Pin

log = logging.getLogger(__name__)
T = TypeVar("T")

SIGNATURE, AUTHENTICATION = "sign", "authenticate"
"""What the PIN is said to be needed for."""

_LOGIN_ROUNDS = 3
"""A login may be lost to another program once or twice; more often it is useless to go on."""


class Service:
    """The daemon's jobs over all tokens; knows the port, not what is behind it."""

    def __init__(
        self, catalogue: Catalogue, logins: Logins, configured: Mapping[Role, bytes], metadata: Metadata,
        keyring: Keyring, stubs: Stubs | None = None,
    ) -> None:  # fmt: skip
        self.catalogue = catalogue
        self.logins = logins
        self.metadata = metadata
        self.places = Places(catalogue, configured, self.data)
        self.report = Report(catalogue, self.places)
        self._keyring = keyring
        self.attachments = Attachments(self.data, keyring)
        self.absence = Absence(catalogue.registry)
        self._stubs = stubs or Stubs(None)
        self.hidden = HiddenKeys(catalogue, self._stubs, self.data, configured)
        self._data: dict[str, Mapping[str, bytes]] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    def turn(self, card: Card) -> asyncio.Lock:
        """Held by whoever changes the card's keys: one at a time, whichever connection it comes from."""
        return self._turns.setdefault(card.serial, asyncio.Lock())

    def data(self, card: Card) -> Mapping[str, bytes]:
        """What is kept for the card, by label, as it was read last."""
        return self._data.get(card.serial, {})

    async def rescan(self, *, again: bool = False) -> None:
        """See which tokens are there, with `again` also what is on them; forget what was known of those that went."""
        await self._relook(self.catalogue.rescan(again=again))

    async def notice(self, *modules: RegisteredModule) -> None:
        """As `rescan`, but only of those modules, of all by default, in which something may have come or gone, and that
        are not at work.
        """
        await self._relook(self.catalogue.notice(*modules))

    async def _relook(self, look: Awaitable[None]) -> None:
        before = self.catalogue.cards
        await look
        present = {card.serial for card in self.catalogue.cards}
        for card in before:
            if card.serial not in present:
                self.logins.forget(card)
                self.hidden.forget(card)
                self.metadata.forget(card)
        if present:
            self.absence.ended()
        await self._read_data()

    async def reread(self) -> None:
        """Read everything anew that is on the tokens known to be present."""
        await self.catalogue.reread()
        for card in self.catalogue.cards:
            self.metadata.forget(card)
        await self._read_data()

    async def _read_data(self) -> None:
        cards = self.catalogue.cards
        known = {card.serial: data for card in cards if (data := self.metadata.known(card)) is not None}
        unread = [card for card in cards if card.serial not in known]
        found = await tasks.together([self._data_of(card) for card in unread])
        self._data = known | {card.serial: data for card, data in zip(unread, found, strict=True)}
        self.report.tell()

    async def _data_of(self, card: Card) -> Mapping[str, bytes]:
        return await card.module.in_time("data", lambda: self.metadata.of(card), self.data(card))

    async def look_at_keyrings(self) -> None:
        """Before anything is told of OpenPGP keys: see which of the user's have keys of the cards."""
        await self._keyring.look(key.pair.public for card in self.catalogue.cards for key in card.keys)

    async def record(self, card: Card, records: Mapping[str, bytes | None], purpose: str, ask: Asker) -> None:
        """Keep these values for the card, None to forget one; asks for the PIN where the token wants it."""

        def write() -> Awaitable[None]:  # of the card as the login has shown it
            return self.metadata.write(self.catalogue.by_serial(card.serial) or card, records)

        await self.with_login(card, purpose, ask, write)
        await self._read_data()

    async def record_beside(self, card: Card, records: Mapping[str, bytes]) -> None:
        """Keep values for the card without touching the token."""
        await self.metadata.write(card, records, on_token=False)
        await self._read_data()

    def known(self, name: str, card: Card | None) -> list[CardKey]:
        """The keys called `name` among those listed: a role, a keygrip, a keyref, an id of old stubs."""
        role = BY_NAME.get(name.upper())
        if role is not None:
            key = self.places.key(role, card)
            return [key] if key else []
        return self.catalogue.find(name, card)

    def stand_in(self, serial: str) -> Card | None:
        """The card for a client that asks for the absent `serial` because a stub of one of its keys names that."""
        return self._stubs.stand_in(serial, self.catalogue.ordered(self.catalogue.default()))

    def name_now(self, name: str, absent: str, stand_in: Card | None) -> str:
        """The keygrip of the key that was called `name` on the card `absent`; `name` itself where no stub tells."""
        key = self._stubs.key(absent, name, self.catalogue.keys(stand_in))
        return key.keygrip_hex if key else name

    async def find(self, name: str, card: Card | None) -> list[CardKey]:
        """As `known`, and look at the tokens again before giving up. Never prompts."""
        found = self.known(name, card)
        if not found:
            await self.rescan(again=True)
            found = self.known(name, card)
        return found

    async def find_all(self, name: str, card: Card | None) -> list[CardKey]:
        """As `find`, and the keys of that name that a token hides until login. Never prompts."""
        return await self.find(name, card) or self.hidden.find(name, card)

    def placed(self, role: Role, card: Card) -> CardKey | None:
        """The card's key for this purpose, hidden or not."""
        places, hidden = self.places, self.hidden
        return hidden.key(role, card, told=True) or places.key(role, card) or hidden.key(role, card, told=False)

    def certificate(self, name: str, card: Card | None) -> Certificate | None:
        """The certificate called `name`: by its own id, by its key's, or by the role of its key."""
        role = BY_NAME.get(name.upper())
        if role is None:
            return self.catalogue.find_certificate(name, card)
        key = self.places.key(role, card)
        return key.pair.certificate if key else None

    async def find_public(self, name: str, card: Card | None) -> PublicKey | None:
        """The public key of the key, or else in the certificate, called `name`."""
        found = await self.find(name, card)
        certificate = None if found else self.certificate(name, card)
        if certificate is not None:
            return certificate.public
        found = found or self.hidden.find(name, card)
        return found[0].pair.public if found else None

    def is_forced(self, card: Card) -> bool:
        """Whether each signature with the key for signatures asks for the PIN, as OpenPGP cards can be told to."""
        return self.data(card).get("CHV-STATUS-1") == b"0"

    async def sign(
        self, name: str, data: bytes, hash_name: str | None, card: Card | None, ask: Asker, *, authenticate: bool
    ) -> bytes:
        """A raw signature in the form of `SignRequest`."""

        async def use(key: CardKey, pin: Pin | None) -> bytes:
            block = to_be_signed(key.pair.public, data, hash_name, authenticate=authenticate)
            return await key.card.module.module.sign(SignRequest(key.address, block, pin))

        purpose = AUTHENTICATION if authenticate else SIGNATURE
        return await self._with_key(name, card, purpose, ask, use)

    async def decrypt(self, name: str, data: bytes, card: Card | None, ask: Asker) -> bytes:
        """Plaintext (RSA) or shared point (ECDH) in PKDECRYPT's form."""

        async def use(key: CardKey, pin: Pin | None) -> bytes:
            async def ask_token(data: bytes) -> bytes:
                return await key.card.module.module.decrypt(DecryptRequest(key.address, data, pin))

            public = key.pair.public
            block = to_be_decrypted(public, data)
            plain = await ask_token(block)
            second = await self._second_peer(public, block)
            return decrypted_form(public, plain, None if second is None else await ask_token(second))

        return await self._with_key(name, card, "decrypt", ask, use)

    async def _second_peer(self, public: PublicKey, point: bytes) -> bytes | None:
        """What a second derivation is needed with, which only tells the shared Y: a Kyber key wants the true one."""
        if isinstance(public, RsaPublicKey) or public.curve_info.family is not Family.WEIERSTRASS:
            return None
        if not await asyncio.to_thread(self._stubs.has_kyber_key):
            return None
        return second_peer(public.curve_info, point)

    async def prove(self, name: str, card: Card | None, ask: Asker) -> None:
        """Have the key sign a challenge; raises TokenFailure when the answer is not its signature."""
        asked = challenge()
        signature = await self.sign(name, asked, "sha256", card, ask, authenticate=True)
        public = await self.find_public(name, card)
        if public is None or not await asyncio.to_thread(answers, public, asked, signature):
            raise TokenFailure(f"the token's answer to the challenge is no signature of the key {name}")

    async def algorithms(self, card: Card) -> tuple[str, ...]:
        """Of which kinds the token makes keys."""
        return await card.module.module.algorithms(card.token.id)

    async def random(self, card: Card, count: int) -> bytes:
        """`count` octets of the token's random generator."""
        return await card.module.module.random(card.token.id, count)

    async def change_certificates(
        self, key: CardKey, purpose: str, ask: Asker, change: Callable[[], Awaitable[None]]
    ) -> None:
        """Write or delete the certificates beside a key, and list them."""
        try:
            await self.with_login(key.card, purpose, ask, change)
        finally:
            await self.logins.operation_done(key.card)
        await self.catalogue.relist(key.card)

    async def check_pin(self, card: Card, key: CardKey | None, ask: Asker) -> None:
        """Log in to the card now, and list what that makes visible."""
        _forgotten(await self._unlock(card, key, "unlock the token", ask))

    async def with_login(self, card: Card, purpose: str, ask: Asker, use: Callable[[], Awaitable[T]]) -> T:
        """`use` the card, logged in if it wants that. Whoever calls ends the login with `logins.operation_done`."""
        for _ in range(_LOGIN_ROUNDS):
            try:
                return await use()
            except PinRequired:
                _forgotten(await self._unlock(card, None, purpose, ask))
        raise TokenFailure(f"{card.display}: its login is lost again and again")

    async def _unlock(self, card: Card, key: CardKey | None, purpose: str, ask: Asker) -> Pin | None:
        """Log in and list what that shows. Returns the accepted PIN, as `Logins.log_in`, for the caller to forget."""
        pin = await self.logins.log_in(card, key, purpose, ask)
        await self._look_behind_the_login(card)
        return pin

    async def _look_behind_the_login(self, before: Card) -> None:
        """List what the login shows of the card that was `before`, and keep in mind what will be hidden after it."""
        await self.catalogue.relist(before)
        self.report.tell()
        now = self.catalogue.by_serial(before.serial)
        if now is not None and not before.token.logged_in:
            self.hidden.remember(before, now)

    async def _with_key(
        self, name: str, card: Card | None, purpose: str, ask: Asker,
        use: Callable[[CardKey, Pin | None], Awaitable[bytes]],
    ) -> bytes:  # fmt: skip
        """`use` the key, on the next token that holds it when one has gone, or has only its public half."""
        found, pin = self.known(name, card) or await self.find(name, card), None
        if not found:
            found, pin = await self._find_hidden(name, card, purpose, ask)
        if not found:
            raise self._missing(name)
        gone: TokenError | None = None
        try:
            for key in found:
                try:
                    return await self._with_login(key, purpose, ask, use, pin)
                except (TokenNotPresent, TokenRemoved, KeyNotFound) as error:
                    gone = error
                    _forgotten(pin)
                    pin = None
        finally:
            _forgotten(pin)
        assert gone is not None
        await self.rescan()
        raise gone

    def _missing(self, name: str) -> TokenError:
        """No such key, as far as can be said."""
        doubt = self.catalogue.registry.doubt()
        if doubt:
            return TokenFailure(f"no key called {name} was found, but {doubt}")
        return KeyNotFound(f"no token has a key called {name}")

    async def _find_hidden(
        self, name: str, card: Card | None, purpose: str, ask: Asker
    ) -> tuple[list[CardKey], Pin | None]:
        """Log in to the tokens that hide the key for all we know, until one shows it: it comes first in what is found.

        Where nothing is known of it, to those that show nothing, or whose certificates are private. The PIN that was
        just typed serves the first key's first use, too.
        """
        grips = [key.keygrip_hex for key in self.hidden.find(name, card)]
        for hiding in self.hidden.cards(name, card) or self._mute(card):
            pin = await self._unlock(hiding, None, purpose, ask)
            found = [key for one in (name, *grips) for key in self.known(one, hiding)]
            if found:
                return sorted(found, key=lambda key: key.card.serial != hiding.serial), pin
            log.info("token=%s op=login result=it has no key called %s", hiding.token.id.label, name)
            _forgotten(pin)
            await self.logins.operation_done(hiding)
        return [], None

    def _mute(self, card: Card | None) -> list[Card]:
        return [
            one
            for one in self.catalogue.ordered(card)
            if may_hide(one.token) and not one.module.is_left_out and (one.module.cert_private or not one.keys)
        ]

    async def _with_login(
        self, key: CardKey, purpose: str, ask: Asker, use: Callable[[CardKey, Pin | None], Awaitable[bytes]],
        fresh: Pin | None,
    ) -> bytes:  # fmt: skip
        """`fresh`: the PIN with which the login was made just now, for this."""
        each_time = purpose == SIGNATURE and self.is_forced(key.card) and self.places.role(key) is SIGN
        if each_time and fresh is None:  # a login from before is not for this signature
            await self.logins.log_out(key.card)
        try:
            for _ in range(_LOGIN_ROUNDS):
                try:
                    if key.pair.always_authenticate and key.card.token.pinpad:
                        return await self._at_pinpad(key, purpose, ask, use)
                    return await use(key, None)
                except PinRequired as need:
                    if need.context:
                        return await self._each_time(key, purpose, ask, use, fresh)
                    fresh = await self.logins.log_in(key.card, key, purpose, ask)
            raise TokenFailure(f"{key.card.display}: its login is lost again and again")
        except KeyNotFound:
            await self._look_behind_the_login(key.card)
            raise
        finally:
            _forgotten(fresh)
            await self.logins.operation_done(key.card, at_once=each_time)

    async def _each_time(
        self, key: CardKey, purpose: str, ask: Asker, use: Callable[[CardKey, Pin | None], Awaitable[bytes]],
        fresh: Pin | None,
    ) -> bytes:  # fmt: skip
        """An always-authenticate key: the PIN typed a moment ago for the login serves its first use, too."""
        if fresh is not None:
            return await use(key, fresh)
        return await self.logins.with_pin(key.card, key, purpose, ask, lambda pin: use(key, pin), each=True)

    @staticmethod
    async def _at_pinpad(
        key: CardKey, purpose: str, ask: Asker, use: Callable[[CardKey, Pin | None], Awaitable[bytes]]
    ) -> bytes:
        """An always-authenticate key on a reader with a pin pad waits there for each use: say so."""
        text = f'{key.card.display}: enter the PIN at the reader to {purpose} with "{key.friendly_name}"'
        async with shown(text, ask):
            return await use(key, None)


def _forgotten(pin: Pin | None) -> None:
    if pin is not None:
        pin.forget()
