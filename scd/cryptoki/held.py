"""What is kept for one token while it is present."""

from __future__ import annotations

from dataclasses import dataclass, field

from scd.cryptoki.calls.native import Native
from scd.cryptoki.calls.numbers import ObjectClass
from scd.cryptoki.finding.discover import Listing, refresh
from scd.cryptoki.session import TokenSession


@dataclass(slots=True)
class HeldToken:
    """`mechanisms` are the slot's, as numbers; `chosen` is, by keygrip, what worked for a key before."""

    slot: int
    session: TokenSession
    mechanisms: frozenset[int]
    listing: Listing
    chosen: dict[bytes, dict[str, str]] = field(default_factory=dict)

    def end_login(self) -> None:
        """Here, whatever the token thinks of it."""
        self.session.logout()
        self.listing.forget_private()

    def list_anew(self, native: Native, *, login_required: bool) -> None:
        """Bring the listing up to date. Raises CkrError.

        Where a private key is missing that was known, or there is none, the token is asked whether the login has ended
        without a word: what it hides would be taken for what it has not.
        """
        before, known = self.listing.objects, self._private()
        self._refresh(native, login_required)
        missing = known - self._private() or not self._private()
        if missing and self.session.logged_in and self.session.has_no_login():
            self.session.logged_in = False
            self.listing.forget_private()
            self._refresh(native, login_required)
        if self.session.logged_in and self.listing.objects is not before:
            self.listing.disprove()

    def _private(self) -> frozenset[int]:
        return frozenset(handle for kind, handle in self.listing.read if kind == ObjectClass.PRIVATE_KEY)

    def _refresh(self, native: Native, login_required: bool) -> None:
        presume = login_required and not self.session.logged_in
        refresh(self.listing, native, self.session, presume=presume, mechanisms=self.mechanisms)
