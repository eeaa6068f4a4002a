"""A worker on the real module that is killed, or can write no more, when its moment comes: no power, a full disk.

`python -I -c … WHERE DESCRIPTOR MOMENT`; moments: `before C_GenerateKeyPair`, `after C_CreateObject`, `after
C_CreateObject 2` (the second one), `hang C_CreateObject`; `killed at 300` (by the write that would make a file longer
than 300 octets) and `full at 300` (that write fails), from the first call on that changes the token.
"""

from __future__ import annotations

import os
import resource
import signal
from collections import Counter
from typing import NoReturn

from scd.cryptoki.calls.native import Native
from scd.cryptoki.module import InProcessModule
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.worker import child
from scd.cryptoki.worker.spawn import child_argv

_CHANGES = ("C_GenerateKeyPair", "C_CreateObject", "C_DestroyObject", "C_SetAttributeValue")
_BOOT = (
    "import sys\n"
    "sys.path.insert(0, sys.argv[1])\n"
    "from tests.softhsm.dying import main\n"
    "main(int(sys.argv[2]), {moment!r})"
)


def argv(moment: str) -> tuple[str, ...]:
    """The command line of such a worker."""
    return child_argv("dying", _BOOT.format(moment=moment))


def main(descriptor: int, moment: str) -> NoReturn:
    """Serve the module until the moment has come."""
    child.harden(descriptor)

    def load(config: ModuleConfig) -> InProcessModule:
        return InProcessModule(config, lambda library: _Dying(library, moment))

    child.serve(load, descriptor)


class _Dying(Native):
    """The module's calls, with an end in sight."""

    def __init__(self, library: str, moment: str) -> None:
        super().__init__(library)
        self._when, self._name, self._number = _parse(moment)
        self._calls_made: Counter[str] = Counter()

    def call(self, name: str, *arguments: object) -> None:
        self._calls_made[name] += 1
        if name in _CHANGES and self._when in ("killed", "full"):
            _limit(self._number, kill=self._when == "killed")
        self._end_if(name, "before")
        super().call(name, *arguments)
        self._end_if(name, "after")

    def _end_if(self, name: str, when: str) -> None:
        if (name, self._calls_made[name]) != (self._name, self._number):
            return
        if when == self._when:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._when == "hang":
            signal.pause()


def _parse(moment: str) -> tuple[str, str, int]:
    when, name, *number = moment.split()
    return when, name, int(number[0]) if number else 1


def _limit(octets: int, *, kill: bool) -> None:
    """Python ignores SIGXFSZ, and the write fails; without that the kernel ends the process in the middle of it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if kill else signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, octets))
