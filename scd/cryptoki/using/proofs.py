"""What is known of a token's private objects from having used them: whose half each is, and that it signs rightly."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field, replace

from scd.gcrypt.pubkey import PublicKey
from scd.token.pairing import PrivateObject


@dataclass(slots=True)
class Proofs:
    """All by the object's handle, and only good as long as that stands for the same object.

    `owner`: the public key that a private one was seen to have. `not_of`: keygrips that it has not. `signed`: those of
    which a signature was verified. `doubted`: those that gave something that fits no key.
    """

    owner: dict[int, PublicKey] = field(default_factory=dict)
    not_of: dict[int, frozenset[bytes]] = field(default_factory=dict)
    signed: set[int] = field(default_factory=set)
    doubted: set[int] = field(default_factory=set)

    def applied(self, one: PrivateObject) -> PrivateObject:
        """The object with what is known of it, as if its attributes had said so."""
        if one.public is not None:
            return one
        return replace(one, public=self.owner.get(one.handle), not_of=self.not_of.get(one.handle, frozenset()))

    def keep(self, present: Set[int]) -> None:
        """Objects with other handles are gone, and their numbers may come back for others."""
        self.owner = {handle: key for handle, key in self.owner.items() if handle in present}
        self.not_of = {handle: grips for handle, grips in self.not_of.items() if handle in present}
        self.signed &= present
        self.doubted &= present
