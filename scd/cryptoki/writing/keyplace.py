"""The place of a key on a token, which is its CKA_ID: whether it is free, how it is cleared, how a key changes it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from scd.cryptoki.calls.ckr import CkrError
from scd.cryptoki.calls.nativewrites import set_attributes
from scd.cryptoki.calls.numbers import Attribute, ObjectClass
from scd.cryptoki.finding.discover import Listing
from scd.cryptoki.writing.keyproof import belongs
from scd.cryptoki.writing.writing import Writing, require_id, undone_on_failure
from scd.gcrypt.pubkey import PublicKey
from scd.token.errors import KeyExists, KeyNotFound, NotSupported, TokenFailure, UnsupportedAlgorithm
from scd.token.model import Skipped
from scd.token.pairing import PrivateObject, PublicObject
from scd.token.port import KeyAddress

_PAIR = {int(ObjectClass.PRIVATE_KEY), int(ObjectClass.PUBLIC_KEY)}


@contextlib.contextmanager
def new_key(writing: Writing, cka_id: bytes) -> Iterator[list[int]]:
    """A free place in which a key is made; the list takes the handles of what was made.

    Raises KeyExists and InvalidData before. After a failure within, whatever has come into the place is destroyed.
    """
    require_id(cka_id, writing.about)
    if writing.key_halves(cka_id):
        raise KeyExists(f"{writing.about} has a key with the CKA_ID {cka_id.hex().upper()}")
    made: list[int] = []

    def undo() -> None:
        found = writing.key_halves(cka_id)
        # A whole pair that nobody told us of is another program's, made in this very moment.
        writing.clear_away(made if set(found.values()) == _PAIR else dict.fromkeys([*made, *found]))

    with undone_on_failure(undo, f"half of a key with the CKA_ID {cka_id.hex().upper()}"):
        yield made


def require_listed(writing: Writing, public_handle: int) -> PublicKey:
    """The public key of the object, which must be listed, and its private half with it.

    Raises TokenFailure, and UnsupportedAlgorithm for a key that cannot be read: tpm2-pkcs11 1.9 makes keys of P-521,
    writes their point as it must not be, and cannot use them itself.
    """
    listing = writing.look()
    found = listing.read.get((int(ObjectClass.PUBLIC_KEY), public_handle))
    if isinstance(found, Skipped):
        raise UnsupportedAlgorithm(f"{writing.about}: the new key cannot be used: {found.reason}")
    if not isinstance(found, PublicObject):
        raise TokenFailure(f"{writing.about}: the new key cannot be used: it is not listed")
    if not listing.candidates(found.public.keygrip):
        raise TokenFailure(f"{writing.about}: the new key cannot be used: its private half is not listed")
    return found.public


def destroy_key(writing: Writing, key: KeyAddress) -> None:
    """See the port. The private half goes first: what is left of a pair after a failure cannot sign any more."""
    writing.destroy(_halves(writing, key))


def move_key(writing: Writing, key: KeyAddress, cka_id: bytes) -> None:
    """See the port. The public half goes first: it can be made again from the private one, should it be lost."""
    require_id(cka_id, writing.about)
    halves, moved = _halves(writing, key)[::-1], list[int]()

    def set_id(handle: int, octets: bytes) -> None:
        set_attributes(writing.native, writing.session, handle, {int(Attribute.ID): octets})

    def undo() -> None:
        for handle in moved:
            set_id(handle, key.cka_id)

    with undone_on_failure(undo, f"half of the key under the CKA_ID {cka_id.hex().upper()}"):
        try:
            for handle in halves:
                set_id(handle, cka_id)
                moved.append(handle)
        except CkrError as error:
            if not error.is_next_rung:
                raise
            raise NotSupported(f"{writing.about} changes no CKA_ID: {error}") from error
        read = writing.look().read.items()
        there = {place: one.cka_id for (_, place), one in read if isinstance(one, PrivateObject | PublicObject)}
        if any(there.get(handle) != cka_id for handle in halves):
            raise TokenFailure(f"{writing.about} has not kept the CKA_ID {cka_id.hex().upper()}; it may be full")


def _halves(writing: Writing, key: KeyAddress) -> list[int]:
    """The handles of the key's objects, private ones first.

    A private object that only its CKA_ID brings together with the key is tried before: it may be another key's.
    """
    require_id(key.cka_id, writing.about)
    grip = key.public.keygrip
    private = [one for one in writing.listing.candidates(grip) if belongs(writing, one, key.public)]
    found = [one.handle for one in private if one.cka_id == key.cka_id]
    kept = len(found) < len(private)
    found += _public_halves(writing.listing, grip, key.cka_id if kept else None)
    if not found:
        raise KeyNotFound(f"{writing.about} has no key {grip.hex().upper()} with the CKA_ID {key.cka_id.hex().upper()}")
    return found


def _public_halves(listing: Listing, grip: bytes, cka_id: bytes | None) -> list[int]:
    """The handles of the public objects of a key, those with the CKA_ID if one is given."""
    return [
        handle
        for (_, handle), one in listing.read.items()
        if isinstance(one, PublicObject) and one.public.keygrip == grip and cka_id in (None, one.cka_id)
    ]
