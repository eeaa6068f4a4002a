"""A program that talks to its terminal and to nothing else (gpg-card), on a pseudo-terminal of its own.

Nothing here hangs: a question nobody foresaw, an answer that was not asked for, and silence all end the program and
fail.
"""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence

from tests.harness.gnupg import GnupgHome

PATIENCE_S = 60.0
Exchange = tuple[str, str | Callable[[], str]]
"""The end of a question as it stands on the terminal, and the line to be typed then, or what is done to get it."""


class TerminalFailed(AssertionError):
    """The program asked for something else, fell silent, or ended with another status than 0."""


def on_terminal(
    home: GnupgHome, *command: str, answers: Sequence[Exchange], check: bool = True, timeout_s: float = PATIENCE_S
) -> str:
    """Run a program in this home on a terminal, answer its questions in turn, give all that stood on the terminal.

    With `check` it must end with status 0 and have asked every question. Raises TerminalFailed.
    """
    dialogue = _Terminal(home, command, answers)
    try:
        dialogue.run(time.monotonic() + timeout_s)
    finally:
        dialogue.end()
    if check and (dialogue.exit_status or dialogue.left):
        raise dialogue.failure(f"exit status {dialogue.exit_status}")
    return dialogue.text


class _Terminal:
    """One program and the other end of its terminal. `left` are the exchanges still to come."""

    def __init__(self, home: GnupgHome, command: tuple[str, ...], answers: Sequence[Exchange]) -> None:
        self.left = deque(answers)
        self.exit_status = -1
        self._command = command
        self._octets = b""
        self._looked_at = 0
        self._ours, theirs = pty.openpty()
        # setsid of util-linux: the terminal must be the controlling one, gpg-card opens /dev/tty.
        self._program = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=home.path,
            env=home.env | {"TERM": "dumb"},
        )
        os.close(theirs)

    @property
    def text(self) -> str:
        """All that stood on the terminal, with plain line ends."""
        return self._octets.decode(errors="replace").replace("\r", "")

    def run(self, deadline: float) -> None:
        """Answer until the program leaves its terminal."""
        poll = select.poll()
        poll.register(self._ours, select.POLLIN)
        while True:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise self.failure("nothing more was said")
            try:
                octets = os.read(self._ours, 65536)
            except OSError:  # EIO: the last one has closed the terminal
                break
            self._octets += octets
            self._answer()
        self.exit_status = self._program.wait(max(1.0, deadline - time.monotonic()))

    def _answer(self) -> None:
        """Type the next line once its question stands at the end of the terminal."""
        if not self.left:
            return
        question, line = self.left[0]
        if self.text[self._looked_at :].rstrip().endswith(question.rstrip()):
            self.left.popleft()
            self._looked_at = len(self.text)
            typed = line if isinstance(line, str) else line()
            os.write(self._ours, typed.encode() + b"\n")

    def end(self) -> None:
        """Close the terminal, end a program that still runs."""
        if self._program.poll() is None:
            self._program.kill()
            self._program.wait()
        os.close(self._ours)

    def failure(self, what: str) -> TerminalFailed:
        """The error with all that was said until now, and what was still to be asked."""
        questions = [question for question, _ in self.left]
        return TerminalFailed("\n".join([what, " ".join(self._command), self.text, f"not asked: {questions}"]))
