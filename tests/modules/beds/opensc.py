"""OpenSC with a PIV card made of software: pcscd, vsmartcard's virtual reader, and tests/modules/virtual_piv in it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.modules.beds.bed import Bed, BedKey, Can, Presence, isolated, library
from tests.modules.beds.tools import background, certify, listens, package_version, private_key, program
from tests.modules.virtual_piv.applet import Applet, PivKey
from tests.modules.virtual_piv.reader import PORT, VirtualCard

PIN, PUK, LABEL = "135791", "97531864", "Alice Card"
SOCKET = Path("/run/pcscd/pcscd.comm")


@dataclass(frozen=True)
class _Place:
    """One of PIV's keys as OpenSC shows it."""

    reference: int
    stem: str
    name: str
    cka_id: bytes
    signs: bool = True
    decrypts: bool = True
    asks: str = "once"


PLACES = (
    _Place(0x9A, "work-rsa2048", LABEL, b"\x01"),
    _Place(0x9C, "work-p256", "Alice Signature", b"\x02", decrypts=False, asks="each"),
    _Place(0x9D, "work-rsa2048-bare", "Alice Letters", b"\x03", signs=False),
    _Place(0x9E, "work-p256-ecdh", "Alice Door", b"\x04", decrypts=False, asks="never"),
)


@contextmanager
def open_bed(folder: Path) -> Iterator[Bed]:
    """A pcscd of its own with the card inserted. Only in namespaces: its socket and vpcd's port have fixed names."""
    isolated("pcscd and its virtual reader")
    module = library("/usr/lib/*/opensc-pkcs11.so", "/usr/lib64/pkcs11/opensc-pkcs11.so")
    keys = {place.reference: _piv_key(place) for place in PLACES}
    card = VirtualCard(Applet(keys, PIN, PUK, guid=bytes(range(1, 17))))
    config = folder / "opensc.conf"
    config.write_text("app default { debug = 0; framework pkcs15 { use_file_caching = false; } }\n", encoding="utf-8")
    with _pcscd(folder):
        try:
            card.insert()
            yield Bed(
                "opensc", module, f"OpenSC {package_version('opensc-pkcs11')}, PIV", LABEL, PIN, "000000",
                {f"{place.reference:X}": _bed_key(place, keys[place.reference]) for place in PLACES}, PUK,
                {"OPENSC_CONF": str(config)},
                can=frozenset({Can.ASK_PIN, Can.COUNT_TRIES, Can.CHANGE_PIN}),
                presence=Presence(card.remove, card.insert), tries_left=lambda: card.applet.pin.left,
            )  # fmt: skip
        finally:
            card.remove()


def _piv_key(place: _Place) -> PivKey:
    private = private_key(place.stem)
    return PivKey(private, certify(private.public_key(), place.name))


def _bed_key(place: _Place, key: PivKey) -> BedKey:
    return BedKey(
        place.name, key.private.public_key(), key.certificate, place.cka_id, place.signs, place.decrypts, place.asks
    )


@contextmanager
def _pcscd(folder: Path) -> Iterator[None]:
    """pcscd with the virtual reader alone, until the end of the block."""
    driver = library("/usr/lib/pcsc/drivers/serial/libifdvpcd.so", "/usr/lib64/pcsc/drivers/serial/libifdvpcd.so")
    readers = folder / "reader.conf"
    readers.write_text(
        f'FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:0x{PORT:X}\nLIBPATH {driver}\nCHANNELID 0x{PORT:X}\n',
        encoding="utf-8",
    )
    command = ["pcscd", "--foreground", "--config", str(readers)]
    usage = subprocess.run([program("pcscd"), "--help"], capture_output=True, text=True, check=False)
    if "--disable-polkit" in usage.stdout + usage.stderr:
        command.append("--disable-polkit")
    with background(command, {}, folder / "pcscd.log", lambda: SOCKET.exists() and listens(PORT)):
        yield
