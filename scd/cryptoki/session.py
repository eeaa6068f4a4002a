"""The one PKCS#11 session kept on each token, and the token's login."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from scd.cryptoki.calls.ckr import (
    OPERATION_NOT_INITIALIZED,
    PIN_EXPIRED,
    USER_ALREADY_LOGGED_IN,
    USER_NOT_LOGGED_IN,
    CkrError,
    to_token_error,
)
from scd.cryptoki.calls.native import Native
from scd.cryptoki.calls.nativewrites import init_pin, set_pin
from scd.cryptoki.calls.numbers import USER, USER_SO
from scd.token.errors import PinRequired, TokenFailure
from scd.token.secrets import Pin

_USER_STATES = (1, 3)  # CKS_RO_USER_FUNCTIONS, CKS_RW_USER_FUNCTIONS
CONTEXT_SPECIFIC = 2  # CKU_CONTEXT_SPECIFIC; PKCS#11 v3.1 §5.6.8


class LoginLost(TokenFailure):
    """The user's login, without which there is none for one operation, has ended unnoticed.

    Seen with OpenSC 0.23: a wrong PIN for one operation ends it, and the next C_Login for one says
    CKR_OPERATION_NOT_INITIALIZED.
    """


class TokenSession:
    """Login belongs to the token and the process, not to a session: hence one session, owned here.

    `about` names the token in messages. The session opens at first use and again after `recycle()`.
    """

    def __init__(self, native: Native, slot: int, about: str) -> None:
        self._native = native
        self._slot = slot
        self._session: int | None = None  # 0 is a handle like any other
        self.about = about
        self.logged_in = False

    @property
    def handle(self) -> int:
        """The session's handle; opens the session when there is none. Raises CkrError."""
        if self._session is None:
            self._session = self._native.open_session(self._slot)
        return self._session

    def login(self, pin: Pin | None) -> None:
        """C_Login as USER; None asks at the pin pad. Somebody else's login in this process is as good.

        Raises CkrError, and PinRequired where the module says that somebody is logged in and the token that nobody is:
        the session begins anew then, and the PIN was not looked at.
        """
        try:
            self._login(USER, pin)
        except CkrError as error:
            if error.rv != USER_ALREADY_LOGGED_IN:
                raise
            if self.has_no_login():
                self.logout()
                self.recycle()
                raise PinRequired(f"{self.about}: {error}, but nobody is; a new login is needed") from error
        self.logged_in = True

    def checked(self) -> TokenSession:
        """This, alive: no PIN is sent in a session that is lost. Raises CkrError if it is."""
        try:
            self._native.session_state(self.handle)
        except CkrError as error:
            if error.is_stale_object:
                raise
        return self

    def has_no_login(self) -> bool:
        """Whether the token says that nobody is logged in; false where it does not tell."""
        try:
            return self._native.session_state(self.handle) not in _USER_STATES
        except CkrError:
            return False

    def context_login(self, pin: Pin | None) -> None:
        """C_Login for one operation on an always-authenticate key; between Init and the operation only.

        Raises TokenError: whatever is wrong here, another mechanism will not make it right.
        """
        try:
            self._login(CONTEXT_SPECIFIC, pin)
        except CkrError as error:
            if error.rv == OPERATION_NOT_INITIALIZED:
                raise LoginLost(f"{self.about}: {error}") from error
            raise to_token_error(error, self.about) from error

    def _login(self, user_type: int, pin: Pin | None) -> None:
        self._native.login(self.handle, int(user_type), _octets(pin))

    def logout(self) -> None:
        """C_Logout; private handles die with it. No login is no error."""
        self.logged_in = False
        if self._session is None:
            return
        try:
            self._native.logout(self.handle)
        except CkrError as error:
            if error.rv != USER_NOT_LOGGED_IN:
                self.recycle()

    def recycle(self) -> None:
        """Close the session, whatever state it is in; the login ends with the token's last session."""
        session, self._session = self._session, None
        self.logged_in = False
        if session is not None:
            with contextlib.suppress(CkrError):  # a lost session is closed already
                self._native.close_session(session)

    @contextlib.contextmanager
    def writable(self) -> Iterator[int]:
        """The handle of a read/write session beside the lasting one, closed at the end. Raises CkrError.

        Only for as long as it is used: modules refuse the security officer as long as a read-only session is open, and
        write-protected tokens every read/write one. It shares the login, and the handles of the token's objects.
        """
        handle = self._native.open_session(self._slot, writable=True)
        try:
            yield handle
        finally:
            with contextlib.suppress(CkrError):  # lost, and so closed
                self._native.close_session(handle)

    def change_pin(self, old: Pin | None, new: Pin | None) -> None:
        """C_SetPIN; None for both asks at the pin pad. Raises CkrError.

        With the user logged in, if only for as long as it takes: NSS 3.87 wants it so, and C_Login tells what is wrong
        with a PIN where C_SetPIN does not (tpm2-pkcs11 1.9: CKR_GENERAL_ERROR, and CKR_OK for a locked one).
        """
        with self.writable() as handle, self._user(handle, old):
            set_pin(self._native, handle, _octets(old), _octets(new))

    @contextlib.contextmanager
    def _user(self, handle: int, pin: Pin | None) -> Iterator[None]:
        """The user logged in by a session, and out again if nobody was before. Raises CkrError."""
        if self.logged_in or pin is None:
            yield
            return
        try:
            self._native.login(handle, USER, _octets(pin))
        except CkrError as error:
            if error.rv not in (USER_ALREADY_LOGGED_IN, PIN_EXPIRED):  # the latter is to be changed right now
                raise
        try:
            yield
        finally:
            with contextlib.suppress(CkrError):  # nobody was, or the session is lost
                self._native.logout(handle)

    @contextlib.contextmanager
    def officer(self, so_pin: Pin | None) -> Iterator[int]:
        """The handle of a read/write session with the security officer logged in; None asks at the pin pad.

        Ends the user's login, for there is but one at a time. Raises CkrError.
        """
        self.recycle()
        with self.writable() as handle:
            self._native.login(handle, USER_SO, _octets(so_pin))
            try:
                yield handle
            finally:
                with contextlib.suppress(CkrError):  # the login ends with the session, too
                    self._native.logout(handle)

    def reset_pin(self, so_pin: Pin | None, new: Pin | None) -> None:
        """C_Login as SO, and C_InitPIN. Raises CkrError."""
        with self.officer(so_pin) as handle:
            init_pin(self._native, handle, _octets(new))

    def change_so_pin(self, old: Pin | None, new: Pin | None) -> None:
        """C_Login as SO, and C_SetPIN. Raises CkrError."""
        with self.officer(old) as handle:
            set_pin(self._native, handle, _octets(old), _octets(new))


def _octets(pin: Pin | None) -> bytes | None:
    return None if pin is None else pin.reveal()
