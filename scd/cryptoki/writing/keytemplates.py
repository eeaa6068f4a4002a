"""The attributes of a new key pair, generated or imported."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from scd.cryptoki.calls.native import ulong
from scd.cryptoki.calls.numbers import FALSE, TRUE, Attribute, ObjectClass
from scd.gcrypt.curves import Curve, Family
from scd.token.errors import WrongKeyUsage

Template = dict[int, bytes]

_Halves = tuple[tuple[Attribute, ...], tuple[Attribute, ...]]

# What signing and what decrypting is, to the private and to the public half.
_SIGN: _Halves = (Attribute.SIGN,), (Attribute.VERIFY,)
_DECRYPT_RSA: _Halves = (Attribute.DECRYPT, Attribute.UNWRAP), (Attribute.ENCRYPT, Attribute.WRAP)
_DECRYPT_EC: _Halves = (Attribute.DERIVE,), (Attribute.DERIVE,)


class Extent(Enum):
    """How much a template says of what the key shall not do.

    Best said in full, as the defaults differ (SoftHSM 2.6.1 lets EC keys "decrypt"), but not every module takes that.
    The value is for messages.
    """

    ALL = "every use named"
    OWN = "its own uses named"
    WANTED = "nothing refused"


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is wanted of a key: `curve` is None for RSA.

    Edwards curves do not decrypt, Montgomery ones do not sign, whatever is wanted. Raises WrongKeyUsage when nothing is
    left.
    """

    curve: Curve | None
    cka_id: bytes
    label: str
    sign: bool
    decrypt: bool

    def __post_init__(self) -> None:
        family = None if self.curve is None else self.curve.family
        object.__setattr__(self, "sign", self.sign and family is not Family.MONTGOMERY)
        object.__setattr__(self, "decrypt", self.decrypt and family is not Family.EDWARDS)
        if not self.sign and not self.decrypt:
            name = "RSA" if self.curve is None else self.curve.name
            raise WrongKeyUsage(f"a key of {name} cannot do what it is wanted for")

    def private(self, *, extent: Extent) -> Template:
        """The private half's: on the token, not to be read nor taken out."""
        fixed = {
            int(Attribute.CLASS): ulong(ObjectClass.PRIVATE_KEY),
            int(Attribute.TOKEN): TRUE,
            int(Attribute.PRIVATE): TRUE,
            int(Attribute.SENSITIVE): TRUE,
            int(Attribute.EXTRACTABLE): FALSE,
        }
        return fixed | self._name() | self._usage(0, extent=extent)

    def public(self, *, extent: Extent) -> Template:
        """The public half's, which is to be seen without a login."""
        fixed = {
            int(Attribute.CLASS): ulong(ObjectClass.PUBLIC_KEY),
            int(Attribute.TOKEN): TRUE,
        }
        if extent is not Extent.WANTED:
            fixed[int(Attribute.PRIVATE)] = FALSE
        return fixed | self._name() | self._usage(1, extent=extent)

    def _name(self) -> Template:
        return {int(Attribute.ID): self.cka_id, int(Attribute.LABEL): self.label.encode()}

    def _usage(self, half: int, *, extent: Extent) -> Template:
        own, other = (_DECRYPT_RSA, _DECRYPT_EC) if self.curve is None else (_DECRYPT_EC, _DECRYPT_RSA)
        flags = {int(one): self.sign for one in _SIGN[half]} | {int(one): self.decrypt for one in own[half]}
        if extent is Extent.ALL:
            flags |= {int(one): False for one in other[half]}
        return {one: TRUE if flag else FALSE for one, flag in flags.items() if flag or extent is not Extent.WANTED}
