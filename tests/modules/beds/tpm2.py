"""tpm2-pkcs11 on a TPM made of software: swtpm, the resource manager on a bus of its own, tpm2_ptool's store."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.modules.beds.bed import Bed, Broken, Can, isolated, library, without_ecdh
from tests.modules.beds.tools import Pkcs11Tool, background, listens, package_version, run

LABEL, PIN, SO_PIN = "tpm", "135791", "97531864"
PORT = 2321
"""And the next one for swtpm's control channel; nobody else is in the namespace."""


@contextmanager
def open_bed(folder: Path) -> Iterator[Bed]:
    """A token with generated keys in a fresh TPM; the environment leads the module to bus and store."""
    isolated("swtpm and tpm2-abrmd")
    module = library("/usr/lib/*/pkcs11/libtpm2_pkcs11.so", "/usr/lib/*/libtpm2_pkcs11.so.1")
    store, bus = folder / "store", folder / "bus"
    store.mkdir()
    env = {
        "TPM2_PKCS11_STORE": str(store),
        "TPM2_PKCS11_TCTI": "tabrmd:bus_type=session",
        "TPM2TOOLS_TCTI": "tabrmd:bus_type=session",
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}",
    }
    with ExitStack() as stack:
        _tpm(stack, folder)
        dbus = ("dbus-daemon", "--session", "--nofork", f"--address=unix:path={bus}")
        stack.enter_context(background(dbus, {}, folder / "dbus.log", bus.exists))
        abrmd = (
            "tpm2-abrmd", "--session", "--allow-root", "--flush-all", f"--tcti=swtpm:host=127.0.0.1,port={PORT}",
        )  # fmt: skip
        stack.enter_context(background(abrmd, env, folder / "abrmd.log", lambda: _answers(env)))
        # Three wrong PINs lock a new TPM for a long time, whatever right ones come between; sold ones allow 32.
        run(["tpm2_dictionarylockout", "--setup-parameters", "--max-tries=32"], env)
        run(["tpm2_ptool", "init", "--path", str(store)], env)
        words = [
            "addtoken",
            "--pid=1",
            f"--sopin={SO_PIN}",
            f"--userpin={PIN}",
            f"--label={LABEL}",
            "--path",
            str(store),
        ]
        run(["tpm2_ptool", *words], env)
        keys = without_ecdh(Pkcs11Tool(module, LABEL, PIN, env).fill())  # 1.9 has no CKM_ECDH1_DERIVE
        yield Bed(
            "tpm2-pkcs11", module, f"tpm2-pkcs11 {package_version('libtpm2-pkcs11-1')}", LABEL, PIN, "000000", keys,
            SO_PIN, env,
            can=frozenset(Can) - {Can.COUNT_TRIES, Can.IMPORT, Can.KEEP_DATA},
        )  # fmt: skip


def _tpm(stack: ExitStack, folder: Path) -> None:
    state = folder / "tpm"
    state.mkdir()
    command = (
        "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--flags", "startup-clear",
        "--server", f"type=tcp,port={PORT},bindaddr=127.0.0.1",
        "--ctrl", f"type=tcp,port={PORT + 1},bindaddr=127.0.0.1",
    )  # fmt: skip
    stack.enter_context(background(command, {}, folder / "swtpm.log", lambda: listens(PORT) and listens(PORT + 1)))


def _answers(env: Mapping[str, str]) -> bool:
    """Whether the resource manager has its name on the bus and a TPM behind it."""
    with suppress(Broken, subprocess.TimeoutExpired):
        run(["tpm2_getcap", "properties-fixed"], env)
        return True
    return False
