"""A PKCS#11 module loaded into this process: the synchronous implementation of the port. One thread."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import TypeVar

from scd.cryptoki.calls.ckr import CkrError, to_token_error
from scd.cryptoki.calls.explain import require_init_args, unavailable, unlisted
from scd.cryptoki.calls.native import Native
from scd.cryptoki.calls.nativewrites import random_octets
from scd.cryptoki.finding.discover import Listing
from scd.cryptoki.finding.recognise import recognised
from scd.cryptoki.finding.slotevents import SlotEvents
from scd.cryptoki.finding.slots import Slots, mechanisms
from scd.cryptoki.finding.tokenfolder import TokenFolder, softhsm_folder
from scd.cryptoki.held import HeldToken
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.pins import change_pin, change_so_pin, check_so_pin, reset_pin
from scd.cryptoki.profile import Quirk
from scd.cryptoki.session import LoginLost, TokenSession
from scd.cryptoki.using.keyuse import KeyUse
from scd.cryptoki.writing.certstore import delete_certificate, write_certificate
from scd.cryptoki.writing.dataobjects import read_data, write_data
from scd.cryptoki.writing.keygen import algorithms, generate
from scd.cryptoki.writing.keyimport import import_key
from scd.cryptoki.writing.keyplace import destroy_key, move_key
from scd.cryptoki.writing.writing import Writing, require_writable
from scd.gcrypt.pubkey import PublicKey
from scd.token.errors import (
    KeyNotFound,
    PinRequired,
    SessionLost,
    TokenError,
    TokenNotPresent,
    TokenRemoved,
    UnsupportedAlgorithm,
)
from scd.token.model import DataObject, DataRecord, TokenId, TokenInfo, TokenObjects
from scd.token.port import REREAD, DecryptRequest, GenerateRequest, ImportRequest, KeyAddress, SignRequest
from scd.token.secrets import Pin

T = TypeVar("T")
_GONE = (SessionLost, TokenRemoved, TokenNotPresent)


class InProcessModule:
    """See `scd.token.port.TokenModule`: its methods, synchronously.

    Loading happens here, too; failures raise ModuleUnavailable.
    """

    def __init__(self, config: ModuleConfig, load: Callable[[str], Native] = Native) -> None:
        self._config = config
        self._tokens: dict[TokenId, HeldToken] = {}
        self._seen: set[TokenId] = set()
        require_init_args(config)
        try:
            self._native = load(config.library)
            self._initialize()
            self._config = config = recognised(config, self._native)
        except (OSError, AttributeError, CkrError) as error:
            raise unavailable(error, config) from error
        reads_once = Quirk.TOKEN_FOLDER_READ_ONCE.value in config.quirks
        self._folder = TokenFolder(softhsm_folder(os.environ) if reads_once else None)
        self._present = Slots(self._native, self._logged_in, may_use_pinpad=config.allow_protected_auth)
        self._events = SlotEvents(self._native, usable=Quirk.NO_SLOT_EVENTS.value not in config.quirks)

    def tokens(self) -> tuple[TokenInfo, ...]:
        """Every token of the module, in slot order; a slot that fails is left out."""
        present = self._look()
        for token, held in list(self._tokens.items()):
            if held.slot not in present or present[held.slot].id != token:
                self._drop(token)
        if self._misses_a_token(present):
            self._begin_anew()
            present = self._look()
        infos = tuple(present.values())
        self._seen |= {info.id for info in infos if info.initialized}
        return infos

    def token(self, token: TokenId) -> TokenInfo:
        """See the port."""
        try:
            return self._shown(token)[1]
        except TokenNotPresent:
            return self._shown(token)[1]  # it may be in another slot now

    def slots_changed(self) -> bool | None:
        """See the port."""
        return self._events.changed()

    def _look(self) -> dict[int, TokenInfo]:
        return self._present.look(self._slots())

    def _slots(self) -> list[int]:
        try:
            return self._native.slots()
        except CkrError as error:
            if not error.is_broken_module:
                raise unlisted(error, self._config) from error
        try:
            self._restart()
            return self._native.slots()
        except CkrError as error:
            raise unlisted(error, self._config) from error

    def _is_broken(self) -> bool:
        """Not even the slots can be asked for: a server behind the module is gone, and C_Initialize finds the next."""
        try:
            self._native.slots()
        except CkrError as error:
            return error.is_broken_module
        return False

    def _misses_a_token(self, present: dict[int, TokenInfo]) -> bool:
        """A token that this module would not see come is gone, or there is none; no login is lost by looking anew."""
        shown = {info.id for info in present.values() if info.initialized}
        is_missing = Quirk.RESCAN_NEEDS_RESTART.value in self._config.quirks and not (shown and self._seen <= shown)
        if any(info.logged_in for info in present.values()):
            self._folder.say_later()
            return False
        return is_missing or self._folder.has_new_token()

    def _begin_anew(self) -> None:
        """Where it fails, the next look at the slots says so."""
        with contextlib.suppress(CkrError):
            self._restart()
        self._folder.note()

    def _restart(self) -> None:
        """C_Finalize and C_Initialize: all sessions and logins end. Raises CkrError."""
        self._tokens.clear()
        if Quirk.NO_FINALIZE.value not in self._config.quirks:
            with contextlib.suppress(CkrError):
                self._native.finalize()
            self._initialize()

    def _initialize(self) -> None:
        self._native.initialize(
            self._config.init_args, locking=Quirk.SINGLE_THREAD_INIT.value not in self._config.quirks
        )

    def _info(self, slot: int) -> TokenInfo | None:
        return self._present.info(slot)

    def _logged_in(self, slot: int, token: TokenId) -> bool:
        held = self._tokens.get(token)
        return held is not None and held.slot == slot and held.session.logged_in

    def objects(self, token: TokenId, known: int = 0) -> TokenObjects | None:
        """See the port."""

        def look() -> TokenObjects | None:
            if known == REREAD:
                self._held(token).listing.reread()
            listing = self._listing(token)
            return listing.objects if listing.version != known else None

        return self._twice(token, look)

    def _listing(self, token: TokenId) -> Listing:
        held = self._held(token)
        info = self._info(held.slot)
        held.list_anew(self._native, login_required=info is not None and info.login_required)
        return held.listing

    def login(self, token: TokenId, pin: Pin | None) -> None:
        """See the port; on a token that is logged in nothing is sent. What C_Login answers, the PIN may be counted."""
        if self._folder.has_changed() and not any(held.session.logged_in for held in self._tokens.values()):
            self._begin_anew()  # the PIN may be another one
        session = self._twice(token, lambda: self._held(token).session.checked(), again=(SessionLost,))
        if not session.logged_in:
            try:
                self._once(token, lambda: session.login(pin))
            finally:
                self._folder.note()

    def logout(self, token: TokenId) -> None:
        """See the port."""
        if token in self._tokens:
            self._tokens[token].end_login()

    def sign(self, request: SignRequest) -> bytes:
        """See the port."""
        return self._use_key(request, KeyUse.sign)

    def decrypt(self, request: DecryptRequest) -> bytes:
        """See the port."""
        return self._use_key(request, KeyUse.decrypt)

    def random(self, token: TokenId, count: int) -> bytes:
        """See the port."""
        return self._twice(token, lambda: random_octets(self._native, self._held(token).session.handle, count))

    def algorithms(self, token: TokenId) -> tuple[str, ...]:
        """See the port."""
        return self._twice(token, lambda: algorithms(self._native, self._held(token)))

    def generate(self, request: GenerateRequest) -> PublicKey:
        """See the port."""
        return self._write(request.token, lambda writing: generate(writing, request))

    def import_key(self, request: ImportRequest) -> PublicKey:
        """See the port."""
        return self._write(request.token, lambda writing: import_key(writing, request))

    def destroy_key(self, key: KeyAddress) -> None:
        """See the port."""
        self._write(key.token, lambda writing: destroy_key(writing, key))

    def move_key(self, key: KeyAddress, cka_id: bytes) -> None:
        """See the port."""
        self._write(key.token, lambda writing: move_key(writing, key, cka_id))

    def write_certificate(self, token: TokenId, cka_id: bytes, label: str, der: bytes) -> None:
        """See the port."""
        self._write(token, lambda writing: write_certificate(writing, cka_id, label, der))

    def delete_certificate(self, token: TokenId, cka_id: bytes) -> None:
        """See the port."""
        self._write(token, lambda writing: delete_certificate(writing, cka_id))

    def change_pin(self, token: TokenId, old: Pin | None, new: Pin | None) -> None:
        """See the port."""
        self._set_pin(token, lambda session, info: change_pin(session, info, old, new))

    def reset_pin(self, token: TokenId, so_pin: Pin | None, new: Pin | None) -> None:
        """See the port."""
        self._set_pin(token, lambda session, info: reset_pin(session, info, so_pin, new))

    def change_so_pin(self, token: TokenId, old: Pin | None, new: Pin | None) -> None:
        """See the port."""
        self._set_pin(token, lambda session, info: change_so_pin(session, info, old, new))

    def check_so_pin(self, token: TokenId, so_pin: Pin | None) -> None:
        """See the port."""
        self._set_pin(token, lambda session, info: check_so_pin(session, info, so_pin))

    def read_data(self, token: TokenId) -> tuple[DataObject, ...]:
        """See the port."""
        return self._twice(token, lambda: read_data(self._native, self._held(token).session.handle))

    def write_data(self, token: TokenId, records: tuple[DataRecord, ...]) -> tuple[DataObject, ...]:
        """See the port."""
        return self._write(token, lambda writing: write_data(writing, records), lists=False)

    def close(self) -> None:
        """C_Finalize, unless the module is known to hang or crash there."""
        if Quirk.NO_FINALIZE.value not in self._config.quirks:
            with contextlib.suppress(CkrError):  # the process ends anyway
                self._native.finalize()

    def _write(self, token: TokenId, work: Callable[[Writing], T], *, lists: bool = True) -> T:
        """`work` with a read/write session, once only: what was begun must not be begun again unasked. `lists`: it has
        to do with keys and certificates, which are listed before and read anew after it."""
        with contextlib.ExitStack() as stack:
            writing = self._twice(token, lambda: self._open_writing(token, stack, lists=lists))
            try:
                done = self._once(token, lambda: work(writing))
            except TokenError:
                writing.listing.forget()
                raise
            if lists and not writing.is_listed:
                writing.listing.forget()
            return done

    def _open_writing(self, token: TokenId, stack: contextlib.ExitStack, *, lists: bool) -> Writing:
        held = self._held(token)
        if lists:
            self._listing(token)
        else:
            held.session.checked()
        require_writable(self._info(held.slot), held.session.about, logged_in=held.session.logged_in)
        return Writing(self._native, held, stack.enter_context(held.session.writable()), lambda: self._listing(token))

    def _set_pin(self, token: TokenId, work: Callable[[TokenSession, TokenInfo], None]) -> None:
        """Once only: a PIN that was sent may have been counted."""
        held, info = self._twice(token, lambda: self._shown(token))
        try:
            self._once(token, lambda: work(held.session, info))
        finally:
            self._folder.note()
            if not held.session.logged_in:
                held.listing.forget_private()

    def _use_key(self, request: SignRequest | DecryptRequest, work: Callable[[KeyUse, bytes], bytes]) -> bytes:
        """`work` with the key; with the login of the token once more, where that turns out to have ended unnoticed."""

        def attempt() -> bytes:
            try:
                return work(self._find_key(request), request.data)
            except LoginLost:
                if isinstance(request, DecryptRequest) and self._find_key(request).agrees:
                    raise  # such a token takes no PIN for what has no Init
            held = self._held(request.token)
            held.end_login()
            held.session.login(request.pin)
            return work(self._find_key(request), request.data)

        return self._twice(request.token, attempt)

    def _find_key(self, request: SignRequest | DecryptRequest) -> KeyUse:
        """A key with a private object; listed again when it is not known yet (it may have been hidden)."""
        token, grip = request.token, request.key.public.keygrip
        held = self._held(token)
        candidates = held.listing.candidates(grip)
        if not candidates:
            self._listing(token)
            held = self._held(token)
            candidates = held.listing.candidates(grip)
        key = held.listing.keys.get(grip)
        if key is not None and candidates:
            return KeyUse(self._native, self._config, held, self._info, key, candidates, request.pin)
        if not held.session.logged_in and self._login_helps(held):
            raise PinRequired(f"{held.session.about}: login needed")
        raise KeyNotFound(f"{held.session.about} has no private key for {grip.hex().upper()}")

    def _login_helps(self, held: HeldToken) -> bool:
        info = self._info(held.slot)
        return info is not None and info.login_required

    def _twice(self, token: TokenId, work: Callable[[], T], again: tuple[type[TokenError], ...] = _GONE) -> T:
        """`work`, once more with a new session when the first one turns out to be lost.

        A token that was pulled and put back is another session, too; one that stays away is not present.
        """
        for last in (False, True):
            try:
                return work()
            except CkrError as error:
                translated = self._translated(token, error)
                if last or not isinstance(translated, again):
                    raise translated from error
            except UnsupportedAlgorithm as error:
                self._take_note(token, error)
                raise
        raise AssertionError("unreachable")

    def _once(self, token: TokenId, work: Callable[[], T]) -> T:
        try:
            return work()
        except CkrError as error:
            raise self._translated(token, error) from error
        except TokenError as error:
            self._take_note(token, error)
            raise

    def _translated(self, token: TokenId, error: CkrError) -> TokenError:
        """The domain's error, after it was taken note of."""
        translated = to_token_error(error, f'token "{token.label}"')
        if error.is_broken_module and self._is_broken():
            translated = TokenRemoved(str(translated))
        self._take_note(token, translated)
        return translated

    def _take_note(self, token: TokenId, error: TokenError) -> None:
        """What the error says of session, login and mechanisms."""
        held = self._tokens.get(token)
        if isinstance(error, _GONE):
            self._drop(token)
        elif isinstance(error, PinRequired) and held is not None:
            held.session.logged_in = False  # another program, or the token itself, has ended it
            held.listing.forget_private()
        elif isinstance(error, UnsupportedAlgorithm) and held is not None:
            held.mechanisms = mechanisms(self._native, held.slot)  # what it told before may have been wrong

    def _drop(self, token: TokenId) -> None:
        held = self._tokens.pop(token, None)
        if held is not None:
            held.session.recycle()

    def _held(self, token: TokenId) -> HeldToken:
        held = self._tokens.get(token)
        if held is None:
            held = self._tokens[token] = self._open(token)
        return held

    def _shown(self, token: TokenId) -> tuple[HeldToken, TokenInfo]:
        """The token, and what it shows now in its slot."""
        held = self._held(token)
        info = self._info(held.slot)
        if info is None or info.id != token:
            self._drop(token)
            raise TokenNotPresent(f"{held.session.about} is not present")
        return held, info

    def _open(self, token: TokenId) -> HeldToken:
        about = f'token "{token.label}"'
        for slot, info in self._look().items():
            if info.id == token:
                session = TokenSession(self._native, slot, about)
                version = int.from_bytes(os.urandom(4), "big")  # two workers never share a version by chance
                return HeldToken(slot, session, mechanisms(self._native, slot), Listing(version))
        raise TokenNotPresent(f"{about} is not present")
