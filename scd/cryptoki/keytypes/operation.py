"""One private-key operation on its way: which key, in which session, by which of several means."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from scd.cryptoki.calls.ckr import ATTRIBUTE_SENSITIVE, CkrError, to_token_error
from scd.cryptoki.calls.native import Mechanism, Native, ulong
from scd.cryptoki.calls.numbers import FALSE, TRUE, Attribute, KeyType, ObjectClass
from scd.token.errors import TokenError, UnsupportedAlgorithm, WrongKeyUsage


class Rung(NamedTuple):
    """One means to the end: its name for messages, the function's kind and the mechanism, and what is special in it."""

    name: str
    kind: str
    mechanism: int
    parameter: Any = None


@dataclass(slots=True)
class Operation:
    """What every key type needs to work with one private key.

    `mechanisms`: the slot's, as numbers; empty when the module would not tell. `between`: the context-specific login
    of an always-authenticate key. `chosen` remembers, over operations, which rung worked for this key.
    """

    native: Native
    session: int
    key: int
    mechanisms: frozenset[int]
    private_mask: int
    between: Callable[[], None] | None
    about: str
    chosen: dict[str, str] = field(default_factory=dict)

    def operate(self, rung: Rung, data: bytes, room: int) -> bytes:
        """C_<kind>Init and C_<kind> with the key; the rung's parameter is the mechanism's."""
        mechanism = self.mechanism(rung.mechanism, rung.parameter)
        return self.native.operate(rung.kind, self.session, self.key, mechanism, data, room, self.between)

    @staticmethod
    def mechanism(number: int, parameter: ctypes.Structure | None = None) -> Mechanism:
        """CK_MECHANISM; keeps its parameter alive."""
        if parameter is None:
            return Mechanism(number, None, 0)
        made = Mechanism(number, ctypes.cast(ctypes.byref(parameter), ctypes.c_void_p), ctypes.sizeof(parameter))
        made.kept = parameter  # ctypes keeps no reference for a cast pointer
        return made

    def offers(self, mechanism: int) -> bool:
        """Whether the token lists the mechanism; yes when it lists nothing."""
        return not self.mechanisms or mechanism in self.mechanisms

    def secret_value(self, handle: int) -> bytes:
        """CKA_VALUE of a secret session object, which is destroyed afterwards.

        Raises CkrError CKR_ATTRIBUTE_SENSITIVE when the token made the object but does not show it.
        """
        try:
            found, _failed = self.native.readable(self.session, handle, (Attribute.VALUE,))
        finally:
            with contextlib.suppress(CkrError):  # a session object; it ends with the session at the latest
                self.native.destroy(self.session, handle)
        if not found.get(Attribute.VALUE):
            raise CkrError("C_GetAttributeValue", ATTRIBUTE_SENSITIVE)
        return found[Attribute.VALUE]

    def first_that_works(self, purpose: str, rungs: Sequence[Rung], climb: Callable[[Rung], bytes]) -> bytes:
        """What comes of the first rung that bears: in order, the one that worked last time first.

        A rung is left for the next one only when the module refused mechanism or function; bad data, a wrong PIN or
        a lost session end the climb. Raises UnsupportedAlgorithm naming all that was tried.
        """
        favourite = self.chosen.get(purpose)
        refusals: list[CkrError] = []
        for rung in sorted(rungs, key=lambda r: r.name != favourite):
            try:
                result = climb(rung)
            except CkrError as error:
                if not error.is_next_rung:
                    raise
                refusals.append(error)
                continue
            self.chosen[purpose] = rung.name
            return result
        raise self._refused(purpose, rungs, refusals)

    def _refused(self, purpose: str, rungs: Sequence[Rung], refusals: Sequence[CkrError]) -> TokenError:
        """The most telling refusal decides: that the key may not, rather than that the module cannot."""
        tried = ", ".join(rung.name for rung in rungs) or "nothing it offers"
        answers = f" ({'; '.join(dict.fromkeys(map(str, refusals)))})" if refusals else ""
        text = f"{self.about}: cannot {purpose} with {tried}{answers}"
        if any(isinstance(to_token_error(refusal, ""), WrongKeyUsage) for refusal in refusals):
            return WrongKeyUsage(text)
        return UnsupportedAlgorithm(text)


def secret_template(length: int | None = None) -> Mapping[int, bytes]:
    """A readable secret session object, `length` octets long if given."""
    template = {
        int(Attribute.CLASS): ulong(ObjectClass.SECRET_KEY),
        int(Attribute.KEY_TYPE): ulong(KeyType.GENERIC_SECRET),
        int(Attribute.TOKEN): FALSE,
        int(Attribute.SENSITIVE): FALSE,
        int(Attribute.EXTRACTABLE): TRUE,
    }
    if length is not None:
        template[int(Attribute.VALUE_LEN)] = ulong(length)
    return template
