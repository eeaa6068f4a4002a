"""opencryptoki's soft token with its slot daemon; their folders under /var have fixed names and are ours alone here."""

from __future__ import annotations

import grp
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness import processes
from tests.modules.beds.bed import Bed, Broken, Can, Unavailable, isolated, library
from tests.modules.beds.tools import Pkcs11Tool, package_version, program, run

LABEL, PIN, SO_PIN = "ockt", "135791", "97531864"
STATE, LOCKS = Path("/var/lib/opencryptoki"), Path("/var/lock/opencryptoki")
_RUN = (Path("/run"), Path("/run/opencryptoki"))
SOCKETS, PID_FILES = (tuple(path / f"pkcsslotd.{kind}" for path in _RUN) for kind in ("socket", "pid"))
CONFIG = Path("/etc/opencryptoki/opencryptoki.conf")
_PATIENCE_S = 20
_FIRST_SO_PIN, _TRANSPORT_PIN = "87654321", "24681357"


@contextmanager
def open_bed(folder: Path) -> Iterator[Bed]:
    """A soft token with generated keys, and pkcsslotd until the end of the block."""
    isolated("pkcsslotd and its folders")
    program("pkcsslotd")
    module = library("/usr/lib/*/opencryptoki/libopencryptoki.so.0", "/usr/lib64/opencryptoki/libopencryptoki.so")
    with _folders(), _slot_daemon():
        _initialise(_soft_slot())
        tool = Pkcs11Tool(module, LABEL, PIN, {})
        elliptic = bool(re.search(rb"EC(DSA)?-KEY-PAIR-GEN", tool.call("--list-mechanisms")))  # 3.8 has no curves
        yield Bed(
            "opencryptoki", module, f"opencryptoki {package_version('opencryptoki')}", LABEL, PIN, "000000",
            tool.fill(elliptic=elliptic), SO_PIN,
            can=frozenset(Can) - (frozenset() if elliptic else {Can.CURVES}),
        )  # fmt: skip


@contextmanager
def _slot_daemon() -> Iterator[None]:
    """pkcsslotd goes to the background by itself (3.23 even with -f) and leaves its process id in a file."""
    run(["pkcsslotd"], {})
    deadline = time.monotonic() + _PATIENCE_S
    while not (_pids() and _serves()):
        if time.monotonic() > deadline:
            raise Broken(f"pkcsslotd did not serve within {_PATIENCE_S} s")
    pid = _pids()[0]
    try:
        yield
    finally:
        processes.end(pid)
        for left in (*PID_FILES, *SOCKETS):
            left.unlink(missing_ok=True)


def _pids() -> list[int]:
    return [int(text) for path in PID_FILES if path.exists() and (text := path.read_text().strip())]


def _serves() -> bool:
    return any(path.exists() for path in SOCKETS)


def _soft_slot() -> str:
    found = re.search(r"slot\s+(\d+)\s*\{[^}]*libpkcs11_sw", CONFIG.read_text(encoding="utf-8"))
    if found is None:
        raise Unavailable(f"no slot of {CONFIG} has the soft token")
    return found[1]


def _initialise(slot: str) -> None:
    """The factory's PINs are refused as new ones, and the SO's word for the user's PIN must be changed by the user."""
    run(["pkcsconf", "-I", "-c", slot, "-S", _FIRST_SO_PIN], {}, input=LABEL.encode() + b"\n")
    run(["pkcsconf", "-P", "-c", slot, "-S", _FIRST_SO_PIN, "-n", SO_PIN], {})
    run(["pkcsconf", "-u", "-c", slot, "-S", SO_PIN, "-n", _TRANSPORT_PIN], {})
    run(["pkcsconf", "-p", "-c", slot, "-U", _TRANSPORT_PIN, "-n", PIN], {})


@contextmanager
def _folders() -> Iterator[None]:
    """Empty folders of the right owner in the place of the machine's."""
    names = [path.relative_to(STATE) for path in sorted(STATE.rglob("*")) if path.is_dir()]
    run(["mount", "-t", "tmpfs", "tmpfs", STATE], {})
    try:
        for path in (STATE, LOCKS, *(STATE / name for name in names), *(LOCKS / name for name in names)):
            path.mkdir(exist_ok=True, parents=True)
            path.chmod(0o770)
            _give(path)
        yield
    finally:
        for left in Path("/dev/shm").glob("*opencryptoki*"):
            left.unlink()
        run(["umount", "--lazy", STATE], {})


def _give(path: Path) -> None:
    try:
        os.chown(path, 0, grp.getgrnam("pkcs11").gr_gid)
    except OSError as error:
        raise Unavailable(f"its folders belong to root and group pkcs11: {error.strerror}") from error
