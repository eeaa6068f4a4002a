"""Keeps one bed open at a time: most have sockets, ports or folders with fixed names."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.modules.beds.bed import Bed, OpenBed, Unavailable


class Beds:
    """`openers` by the bed's name; beds are made under `folder`."""

    def __init__(self, openers: Mapping[str, OpenBed], folder: Path) -> None:
        self._openers = openers
        self._folder = folder
        self._reasons: dict[str, Unavailable] = {}
        self._name = ""
        self._bed: Bed | None = None
        self._stack = ExitStack()

    def shared(self, name: str) -> Bed:
        """The bed of this name, kept until another one is wanted; not to be changed. Raises Unavailable."""
        if self._bed is None or self._name != name:
            self.close()
            self._bed, self._name = self._open(name, self._stack), name
        return self._bed

    @contextmanager
    def own(self, name: str) -> Iterator[Bed]:
        """A fresh bed for one test, which may change the token. Raises Unavailable."""
        self.close()
        with ExitStack() as stack:
            yield self._open(name, stack)

    def _open(self, name: str, stack: ExitStack) -> Bed:
        if name in self._reasons:
            raise self._reasons[name]
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._folder))
        try:
            return stack.enter_context(self._openers[name](folder))
        except Unavailable as reason:
            self._reasons[name] = reason
            raise

    def close(self) -> None:
        """End what runs."""
        self._bed = None
        self._stack.close()
