"""CKO_DATA objects in which scd keeps what GnuPG sets on a card: names, times, fingerprints."""

from __future__ import annotations

from scd.cryptoki.calls.ckr import CkrError
from scd.cryptoki.calls.native import Native, ulong
from scd.cryptoki.calls.nativewrites import set_attributes
from scd.cryptoki.calls.numbers import FALSE, TRUE, Attribute, ObjectClass
from scd.cryptoki.finding.discover import text
from scd.cryptoki.writing.writing import Writing
from scd.token.errors import TokenFailure
from scd.token.model import DataObject

APPLICATION = "scd"
_WANTED = (Attribute.LABEL, Attribute.VALUE)


def read_data(native: Native, session: int) -> tuple[DataObject, ...]:
    """See the port. Where a label comes twice, after a change that was cut off, one of them is shown."""
    found = dict(_ours(native, session).values())
    return tuple(DataObject(label, found[label]) for label in sorted(found))


def write_data(writing: Writing, label: str, value: bytes | None) -> None:
    """See the port. One that is there is changed in its place, or else replaced by a new one before it goes.

    What was written is read again: SoftHSM 2.6.1 says CKR_OK on a full disk.
    """
    there = [handle for handle, (name, _) in _ours(writing.native, writing.session).items() if name == label]
    if value is not None and there and _change(writing, there[-1], value):
        there.pop()
    elif value is not None:
        writing.create(_template(label, value), "data")
    if value is not None and (label, value) not in _ours(writing.native, writing.session).values():
        raise TokenFailure(f'{writing.about} has not kept the data "{label}"; it may be full')
    writing.destroy(there)


def _ours(native: Native, session: int) -> dict[int, tuple[str, bytes]]:
    """Label and value by handle. The application is compared here: modules pad it, or do not search by it.

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
