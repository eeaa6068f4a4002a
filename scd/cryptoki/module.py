"""A PKCS#11 module loaded into this process: the synchronous implementation of the port. One thread."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from pkcs11 import TokenFlag

from scd.cryptoki.ckr import CkrError, to_token_error
from scd.cryptoki.discover import Listing, refresh, text
from scd.cryptoki.keytypes import ec, eddsa, rsa
from scd.cryptoki.keytypes.operation import Operation
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.native import Native, RawTokenInfo
from scd.cryptoki.profile import Quirk
from scd.cryptoki.session import LoginLost, TokenSession
from scd.gcrypt.curves import Family
from scd.gcrypt.pubkey import RsaPublicKey
from scd.token.errors import (
    KeyNotFound,
    ModuleUnavailable,
    PinRequired,
    SessionLost,
    TokenError,
    TokenNotPresent,
    TokenRemoved,
    WrongKeyUsage,
)
from scd.token.model import KeyPair, PinTries, TokenId, TokenInfo, TokenObjects
from scd.token.port import DecryptRequest, KeyAddress, SignRequest
from scd.token.secrets import Pin

T = TypeVar("T")
_GONE = (SessionLost, TokenRemoved, TokenNotPresent)


@dataclass(slots=True)
class _Token:
    """What is kept for one token while it is present."""

    slot: int
    session: TokenSession
    mechanisms: frozenset[int]
    listing: Listing
    chosen: dict[bytes, dict[str, str]] = field(default_factory=dict)

    def end_login(self) -> None:
        """Here, whatever the token thinks of it."""
        self.session.logout()
        self.listing.forget_private()


class InProcessModule:
    """See `scd.token.port.SyncTokenModule`. Loading happens here; failures raise ModuleUnavailable."""

    def __init__(self, config: ModuleConfig, load: Callable[[str], Native] = Native) -> None:
        self._config = config
        self._tokens: dict[TokenId, _Token] = {}
        self._seen: set[TokenId] = set()
        if Quirk.INIT_ARGS_REQUIRED.value in config.quirks and not config.init_args:
            raise ModuleUnavailable(
                f"module {config.name}: {config.library} cannot start without init arguments; "
                f"set provider-{config.name}-init-args"
            )
        try:
            self._native = load(config.library)
            self._initialize()
        except (OSError, AttributeError) as error:
            raise ModuleUnavailable(f"module {config.name}: cannot load {config.library}: {error}") from error
        except CkrError as error:
            raise ModuleUnavailable(f"module {config.name}: {config.library} does not start: {error!r}") from error

    def tokens(self) -> tuple[TokenInfo, ...]:
        """Every token of the module, in slot order; a slot that fails is left out."""
        present = self._look()
        for token, held in list(self._tokens.items()):
            if held.slot not in present or present[held.slot].id != token:
                self._drop(token)
        if self._misses_a_token(present):
            with contextlib.suppress(CkrError):  # the next look says it
                self._restart()
            present = self._look()
        infos = tuple(present.values())
        self._seen |= {info.id for info in infos if info.initialized}
        return infos

    def _look(self) -> dict[int, TokenInfo]:
        return {slot: info for slot in self._slots() if (info := self._info(slot)) is not None}

    def _slots(self) -> list[int]:
        try:
            return self._native.slots()
        except CkrError as error:
            if not error.is_broken_module:
                raise to_token_error(error, f"module {self._config.name}") from error
        try:
            self._restart()
            return self._native.slots()
        except CkrError as error:
            raise to_token_error(error, f"module {self._config.name}") from error

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
        return (
            Quirk.RESCAN_NEEDS_RESTART.value in self._config.quirks
            and not (shown and self._seen <= shown)
            and not any(info.logged_in for info in present.values())
        )

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
        try:
            raw = self._native.token_info(slot)
        except CkrError:
            return None
        token = _token_id(raw)
        flags = TokenFlag(raw.flags)
        held = self._tokens.get(token)
        return TokenInfo(
            id=token,
            initialized=TokenFlag.TOKEN_INITIALIZED in flags,
            login_required=TokenFlag.LOGIN_REQUIRED in flags,
            pin_initialized=TokenFlag.USER_PIN_INITIALIZED in flags,
            pinpad=self._config.allow_protected_auth and TokenFlag.PROTECTED_AUTHENTICATION_PATH in flags,
            write_protected=TokenFlag.WRITE_PROTECTED in flags,
            pin_tries=next((tries for flag, tries in _TRIES if flag in flags), PinTries.FULL),
            pin_min=raw.pin_min,
            pin_max=raw.pin_max,
            logged_in=held is not None and held.slot == slot and held.session.logged_in,
        )

    def objects(self, token: TokenId, known: int = 0) -> TokenObjects | None:
        """See the port."""

        def look() -> TokenObjects | None:
            listing = self._listing(token)
            return listing.objects if listing.version != known else None

        return self._twice(token, look)

    def _listing(self, token: TokenId) -> Listing:
        held = self._held(token)
        info = self._info(held.slot)
        presume = bool(info and info.login_required and not held.session.logged_in)
        refresh(held.listing, self._native, held.session, presume=presume, mechanisms=held.mechanisms)
        return held.listing

    def login(self, token: TokenId, pin: Pin | None) -> None:
        """See the port; on a token that is logged in nothing is sent."""

        def log_in() -> None:
            session = self._held(token).session
            if not session.logged_in:
                session.login(pin)

        self._twice(token, log_in, again=(SessionLost,))  # after anything else the PIN may have been counted

    def logout(self, token: TokenId) -> None:
        """See the port."""
        if token in self._tokens:
            self._tokens[token].end_login()

    def sign(self, request: SignRequest) -> bytes:
        """See the port."""
        public = request.key.public

        def work(operation: Operation) -> bytes:
            if isinstance(public, RsaPublicKey):
                return rsa.sign(operation, public, request.data)
            curve = public.curve_info
            if curve.family is Family.MONTGOMERY:
                raise WrongKeyUsage(f"{operation.about}: a {curve.name} key cannot sign")
            if curve.family is Family.EDWARDS:
                return eddsa.sign(operation, curve, request.data)
            return ec.sign(operation, curve, request.data)

        return self._use_key(request.key, request.pin, work)

    def decrypt(self, request: DecryptRequest) -> bytes:
        """See the port."""
        public = request.key.public

        def work(operation: Operation) -> bytes:
            if isinstance(public, RsaPublicKey):
                return rsa.decrypt(operation, public, request.data)
            curve = public.curve_info
            if curve.family is Family.EDWARDS:
                raise WrongKeyUsage(f"{operation.about}: an {curve.name} key cannot decrypt")
            return ec.derive(operation, curve, request.data)

        agrees = not isinstance(public, RsaPublicKey)
        return self._use_key(request.key, request.pin, work, context_only_when_asked=agrees)

    def close(self) -> None:
        """C_Finalize, unless the module is known to hang or crash there."""
        if Quirk.NO_FINALIZE.value not in self._config.quirks:
            with contextlib.suppress(CkrError):  # the process ends anyway
                self._native.finalize()

    def _use_key(
        self, address: KeyAddress, pin: Pin | None, work: Callable[[Operation], bytes],
        *, context_only_when_asked: bool = False,
    ) -> bytes:  # fmt: skip
        """`work` with the key. A missing PIN is noticed before anything begins, but for operations without an Init:

        there is no place for a context-specific login in them, and most tokens do without it.
        """

        def attempt() -> bytes:
            held = self._held(address.token)
            key, handle = self._find_key(held, address)
            lacking = self._lacking_pin(held, key, pin) if key.always_authenticate else None
            if lacking is not None and not context_only_when_asked:
                raise lacking
            between = partial(_context_login, held.session, pin, lacking) if key.always_authenticate else None
            operation = Operation(
                self._native, held.session.handle, handle, held.mechanisms, self._config.private_mask, between,
                about=f'{held.session.about}, key "{key.label}"', chosen=held.chosen.setdefault(key.keygrip, {}),
            )  # fmt: skip
            return work(operation)

        def attempt_logged_in() -> bytes:
            try:
                return attempt()
            except LoginLost:
                if context_only_when_asked:  # such a token takes no PIN for what has no Init
                    raise
                held = self._held(address.token)
                held.end_login()
                held.session.login(pin)
                return attempt()

        return self._twice(address.token, attempt_logged_in)

    def _find_key(self, held: _Token, address: KeyAddress) -> tuple[KeyPair, int]:
        """The key and its private handle; listed again when it is not known yet (it may have been hidden)."""
        grip = address.public.keygrip
        handle = held.listing.handles.get(grip)
        if handle is None:
            self._listing(address.token)
            handle = held.listing.handles.get(grip)
        key = held.listing.key(grip)
        if handle is not None and key is not None:
            return key, handle
        if not held.session.logged_in and self._login_helps(held):
            raise PinRequired(f"{held.session.about}: login needed")
        raise KeyNotFound(f"{held.session.about} has no private key for {address.public.keygrip.hex().upper()}")

    def _login_helps(self, held: _Token) -> bool:
        info = self._info(held.slot)
        return info is not None and info.login_required

    def _lacking_pin(self, held: _Token, key: KeyPair, pin: Pin | None) -> PinRequired | None:
        """What an always-authenticate key still needs; found out before Init, because nothing may come after it."""
        info = self._info(held.slot)
        if not held.session.logged_in and info is not None and info.login_required:
            return PinRequired(f"{held.session.about}: login needed")
        if pin is None and not (info is not None and info.pinpad):
            return PinRequired(f'{held.session.about}: key "{key.label}" wants the PIN for each use', context=True)
        return None

    def _twice(self, token: TokenId, work: Callable[[], T], again: tuple[type[TokenError], ...] = _GONE) -> T:
        """`work`, once more with a new session when the first one turns out to be lost.

        A token that was pulled and put back is another session, too; one that stays away is not present.
        """
        about = f'token "{token.label}"'
        for last in (False, True):
            try:
                return work()
            except CkrError as error:
                translated = to_token_error(error, about)
                if error.is_broken_module and self._is_broken():
                    translated = TokenRemoved(str(translated))
                self._take_note(token, translated)
                if last or not isinstance(translated, again):
                    raise translated from error
        raise AssertionError("unreachable")

    def _take_note(self, token: TokenId, error: TokenError) -> None:
        """What the error says of session and login."""
        held = self._tokens.get(token)
        if isinstance(error, _GONE):
            self._drop(token)
        elif isinstance(error, PinRequired) and held is not None:
            held.session.logged_in = False  # another program, or the token itself, has ended it
            held.listing.forget_private()

    def _drop(self, token: TokenId) -> None:
        held = self._tokens.pop(token, None)
        if held is not None:
            held.session.recycle()

    def _held(self, token: TokenId) -> _Token:
        held = self._tokens.get(token)
        if held is None:
            held = self._tokens[token] = self._open(token)
        return held

    def _open(self, token: TokenId) -> _Token:
        about = f'token "{token.label}"'
        for slot in self._slots():
            info = self._info(slot)
            if info is not None and info.id == token:
                session = TokenSession(self._native, slot, about)
                version = int.from_bytes(os.urandom(4), "big")  # two workers never share a version by chance
                return _Token(slot, session, self._mechanisms(slot), Listing(version))
        raise TokenNotPresent(f"{about} is not present")

    def _mechanisms(self, slot: int) -> frozenset[int]:
        try:
            return self._native.mechanisms(slot)
        except CkrError:
            return frozenset()


def _context_login(session: TokenSession, pin: Pin | None, lacking: PinRequired | None) -> None:
    if lacking is not None:
        raise lacking
    session.context_login(pin)


_TRIES = (
    (TokenFlag.USER_PIN_LOCKED, PinTries.LOCKED),
    (TokenFlag.USER_PIN_FINAL_TRY, PinTries.FINAL),
    (TokenFlag.USER_PIN_COUNT_LOW, PinTries.LOW),
)


def _token_id(raw: RawTokenInfo) -> TokenId:
    return TokenId(text(raw.manufacturer), text(raw.model), text(raw.serial), text(raw.label))
