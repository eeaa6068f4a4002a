"""One change of a token on its way: the read/write session, what the token held before, and how to undo."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from scd.cryptoki.calls.ckr import OBJECT_HANDLE_INVALID, CkrError
from scd.cryptoki.calls.native import Native, ulong
from scd.cryptoki.calls.nativewrites import create_object
from scd.cryptoki.calls.numbers import Attribute, ObjectClass
from scd.cryptoki.finding.discover import Listing
from scd.cryptoki.held import HeldToken
from scd.token.errors import InvalidData, NotSupported, PinRequired, TokenError, TokenReadOnly
from scd.token.model import TokenInfo


@dataclass(slots=True)
class Writing:
    """What every change needs: the token as it was before, a session to write with, and how to list it again.

    `is_listed`: it was listed after the change.
    """

    native: Native
    held: HeldToken
    session: int
    relist: Callable[[], Listing]
    is_listed: bool = False

    @property
    def about(self) -> str:
        """The token, for messages."""
        return self.held.session.about

    @property
    def mechanisms(self) -> frozenset[int]:
        """The slot's, as numbers; empty when the module would not tell."""
        return self.held.mechanisms

    @property
    def listing(self) -> Listing:
        """What is known of the token's objects."""
        return self.held.listing

    def look(self) -> Listing:
        """All read again: handles may stand for other objects than before. To be called after the last change."""
        self.held.listing.forget()
        listing = self.relist()
        self.is_listed = True
        return listing

    def create(self, template: Mapping[int, bytes], what: str) -> int:
        """C_CreateObject, of a kind of object that not every token keeps: NotSupported. Raises CkrError, too."""
        try:
            return create_object(self.native, self.session, template)
        except CkrError as error:
            if not error.is_unsupported:
                raise
            raise NotSupported(f"{self.about} keeps no {what}: {error}") from error

    def find(self, kind: int, template: Mapping[int, bytes]) -> list[int]:
        """The handles of the objects of this class that match, as the token knows them now. Raises CkrError."""
        return self.native.find(self.session, {int(Attribute.CLASS): ulong(kind), **template})

    def key_halves(self, cka_id: bytes) -> dict[int, int]:
        """Private and public key objects with this CKA_ID: handle to class, private ones first. Raises CkrError."""
        return {
            handle: int(kind)
            for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
            for handle in self.find(kind, {int(Attribute.ID): cka_id})
        }

    def destroy(self, handles: Iterable[int]) -> None:
        """All of them, in order. Raises CkrError at the first that stays."""
        for handle in handles:
            self.native.destroy(self.session, handle)

    def clear_away(self, handles: Iterable[int]) -> None:
        """As many of them as can be; what is gone already is no trouble. Raises CkrError for the first that stays."""
        trouble: list[CkrError] = []
        for handle in handles:
            try:
                self.native.destroy(self.session, handle)
            except CkrError as error:
                trouble += [error] if error.rv != OBJECT_HANDLE_INVALID else []
        if trouble:
            raise trouble[0]


def require_writable(info: TokenInfo | None, about: str, *, logged_in: bool) -> None:
    """Before anything begins: raises TokenReadOnly or PinRequired."""
    if info is not None and info.write_protected:
        raise TokenReadOnly(f"{about} is write-protected")
    if info is not None and info.login_required and not logged_in:
        raise PinRequired(f"{about}: login needed")


def require_id(cka_id: bytes, about: str) -> None:
    """An empty CKA_ID names nothing, and would find what has none. Raises InvalidData."""
    if not cka_id:
        raise InvalidData(f"{about}: an empty CKA_ID is no place")


@contextlib.contextmanager
def undone_on_failure(undo: Callable[[], None], left_behind: str) -> Iterator[None]:
    """Calls `undo` after a failure within; when that fails, too, the error's message says what is `left_behind`."""
    try:
        yield
    except (CkrError, TokenError) as error:
        try:
            undo()
        except CkrError as trouble:
            remark = f"{left_behind} may be left on the token ({trouble})"
            if isinstance(error, CkrError):
                raise CkrError(error.function, error.rv, remark) from error
            raise type(error)(f"{error}; {remark}") from error
        raise
