"""CKO_DATA objects in which scd keeps what GnuPG sets on a card: names, times, fingerprints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scd.cryptoki.calls.ckr import OBJECT_HANDLE_INVALID, CkrError
from scd.cryptoki.calls.native import Native, ulong
from scd.cryptoki.calls.nativewrites import set_attributes
from scd.cryptoki.calls.numbers import FALSE, TRUE, Attribute, ObjectClass
from scd.cryptoki.finding.discover import text
from scd.cryptoki.writing.writing import Writing, undone_on_failure
from scd.token.errors import TokenFailure
from scd.token.model import DataObject, DataRecord

APPLICATION = "scd"
_WANTED = (Attribute.LABEL, Attribute.VALUE)


_Ours = dict[int, tuple[str, bytes]]
"""Label and value by handle, in the module's order."""


def read_data(native: Native, session: int) -> tuple[DataObject, ...]:
    """See the port. Where a label comes twice, after a change that was cut off, one of them is shown."""
    return _shown(_ours(native, session))


def write_data(writing: Writing, records: Iterable[DataRecord]) -> tuple[DataObject, ...]:
    """See the port. One that is there is changed in its place, or else replaced by a new one before it goes.

    All that is new is there, and was read again, before anything old goes: SoftHSM 2.6.1 says CKR_OK on a full disk.
    """
    before = _ours(writing.native, writing.session)
    after, old = dict(before), list[int]()
    wanted = [one for one in records if one.value not in _values(before, one.label)]
    with undone_on_failure(lambda: _restore(writing, before, after), "data of scd"):
        for one in wanted:
            there = [handle for handle, (label, _) in before.items() if label == one.label]
            if one.value is not None:
                handle = _put(writing, there, one.label, one.value)
                after[handle] = one.label, one.value
                there = [other for other in there if other != handle]
            old += there
        for handle in [handle for handle, ours in after.items() if before.get(handle) != ours]:
            _require_kept(writing, handle, *after[handle])
    writing.destroy(old)
    return _shown({handle: ours for handle, ours in after.items() if handle not in old})


def _shown(ours: _Ours) -> tuple[DataObject, ...]:
    found = dict(ours.values())
    return tuple(DataObject(label, found[label]) for label in sorted(found))


def _values(ours: _Ours, label: str) -> tuple[bytes | None, ...]:
    """The one value that the token has for the label, None for none; nothing where it has several."""
    values = tuple(value for name, value in ours.values() if name == label)
    return values[:1] if len(values) == 1 else () if values else (None,)


def _put(writing: Writing, there: Sequence[int], label: str, value: bytes) -> int:
    """The handle of the object that has the value now."""
    if there and _change(writing, there[-1], value):
        return there[-1]
    return writing.create(_template(label, value), "data")


def _require_kept(writing: Writing, handle: int, label: str, value: bytes) -> None:
    """Raises TokenFailure, and CkrError."""
    try:
        kept = writing.native.attributes(writing.session, handle, _WANTED)
    except CkrError as error:
        if error.rv != OBJECT_HANDLE_INVALID:
            raise
        kept = {}
    if (text(kept.get(Attribute.LABEL, b"")), kept.get(Attribute.VALUE)) != (label, value):
        raise TokenFailure(f'{writing.about} has not kept the data "{label}"; it may be full')


def _restore(writing: Writing, before: _Ours, after: _Ours) -> None:
    """Nothing that is new, and the old values. Raises CkrError."""
    writing.clear_away(handle for handle in after if handle not in before)
    for handle, ours in before.items():
        if after[handle] != ours:
            _change(writing, handle, ours[1])


def _ours(native: Native, session: int) -> _Ours:
    """All there is of scd. The application is compared here: modules pad it, or do not search by it.

    Nothing but the application is read of other programs' objects: a PIV card behind OpenSC has thirty of them, and
    takes a second for their values.
    """
    handles = native.find(session, {int(Attribute.CLASS): ulong(ObjectClass.DATA)})
    ours = [handle for handle in handles if _application(native, session, handle) == APPLICATION]
    read = {handle: native.attributes(session, handle, _WANTED) for handle in ours}
    return {
        handle: (text(values.get(Attribute.LABEL, b"")), values.get(Attribute.VALUE, b""))
        for handle, values in read.items()
    }


def _application(native: Native, session: int, handle: int) -> str:
    """What cannot be read is taken for another program's, which may not cost ours."""
    found, _failed = native.readable(session, handle, (Attribute.APPLICATION,))
    return text(found.get(Attribute.APPLICATION, b""))


def _change(writing: Writing, handle: int, value: bytes) -> bool:
    try:
        set_attributes(writing.native, writing.session, handle, {int(Attribute.VALUE): value})
    except CkrError as error:
        if not error.is_next_rung:
            raise
        return False
    return True


def _template(label: str, value: bytes) -> dict[int, bytes]:
    return {
        int(Attribute.CLASS): ulong(ObjectClass.DATA),
        int(Attribute.TOKEN): TRUE,
        int(Attribute.PRIVATE): FALSE,
        int(Attribute.MODIFIABLE): TRUE,
        int(Attribute.APPLICATION): APPLICATION.encode(),
        int(Attribute.LABEL): label.encode(),
        int(Attribute.VALUE): value,
    }
