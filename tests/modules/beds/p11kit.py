"""p11-kit's client module and `p11-kit server` in front of a SoftHSM token; the server is the cable to pull."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.harness import processes
from tests.modules.beds import softhsm
from tests.modules.beds.bed import Bed, Presence, library, without_ecdh
from tests.modules.beds.tools import Pkcs11Tool, background, package_version


@contextmanager
def open_bed(folder: Path) -> Iterator[Bed]:
    """The client over a socket in `folder`; taking the token away kills the server in mid-session."""
    module = library("/usr/lib/*/pkcs11/p11-kit-client.so", "/usr/lib64/pkcs11/p11-kit-client.so")
    tool, keys = softhsm.make_token(folder / "behind")
    version = package_version("p11-kit")
    if version.startswith("0.24."):  # its protocol has no parameters for CKM_ECDH1_DERIVE
        keys = without_ecdh(keys)
    server = _Server(folder, tool)
    with server.stack:
        server.start()
        yield Bed(
            "p11-kit-client", module, f"p11-kit {version}", softhsm.LABEL, softhsm.PIN, "000000",
            keys, softhsm.SO_PIN,
            {"P11_KIT_SERVER_ADDRESS": f"unix:path={server.socket}"},
            can=softhsm.CAN, presence=Presence(server.kill, server.start),
        )  # fmt: skip


class _Server:
    """`p11-kit server` for one token, started and killed at will."""

    def __init__(self, folder: Path, tool: Pkcs11Tool) -> None:
        self.socket = folder / "p11-kit.sock"
        self.stack = ExitStack()
        self._log = folder / "p11-kit-server.log"
        self._tool = tool
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it listens."""
        self.socket.unlink(missing_ok=True)
        command = (
            "p11-kit", "server", "--foreground", "--provider", self._tool.module, "--name", self.socket,
            f"pkcs11:token={self._tool.label}",
        )  # fmt: skip
        self._process = self.stack.enter_context(background(command, self._tool.env, self._log, self._listens))

    def _listens(self) -> bool:
        """It tells its address when the socket is there."""
        return b"P11_KIT_SERVER_ADDRESS" in self._log.read_bytes()

    def kill(self) -> None:
        """Every connection breaks."""
        assert self._process is not None
        for pid in [self._process.pid, *processes.descendants(self._process.pid)]:  # one for each connection
            os.kill(pid, signal.SIGKILL)
        self._process.wait()
