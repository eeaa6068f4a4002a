"""SoftHSM behind a small C module that says wrong things when it is told to (`faulty_module.c`)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness.tokens import softhsm_library
from tests.regress.tokens import PlainTokens

_SOURCE = Path(__file__).with_name("faulty_module.c")


class FaultyTokens(PlainTokens):
    """Plain tokens; `module` is the faulty one, compiled here. The daemon uses it, and pkcs11-tool, too."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("cc") is None:
            pytest.skip("no C compiler: make setup installs one")
        library = folder / "faulty.so"
        super().__init__(folder, library)
        self._faults.mkdir()
        defines = (f'-DMODULE="{softhsm_library()}"', f'-DFAULTS="{self._faults}"')
        subprocess.run(["cc", "-shared", "-fPIC", *defines, "-o", library, _SOURCE, "-ldl"], check=True)

    @property
    def _faults(self) -> Path:
        return Path(self.folder / "faults")

    def fault(self, name: str, times: int) -> None:
        """The next `times` calls that this fault concerns go wrong; 0 ends it."""
        (self._faults / name).write_text(str(times))
