"""gpg's interactive dialogues (--card-edit, --edit-key, --full-generate-key), answered by keyword from a table.

With --status-fd and --command-fd gpg names each question (`GET_LINE cardedit.prompt`) and waits for a line. Nothing
here hangs: a question nobody foresaw, one asked once more than there are answers, and silence all end gpg and fail.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.harness.gnupg import GnupgHome

Answer = str | tuple[str, ...]
"""One answer, or those to be given in turn when the question comes again."""

PATIENCE_S = 60.0
_ASKING = frozenset({"GET_LINE", "GET_BOOL", "GET_HIDDEN"})


class DialogueFailed(AssertionError):
    """gpg asked what the test has no answer for, fell silent, or ended with another status than 0."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a dialogue gave: `asked` are the questions' keywords, `status` the lines of the status-fd without prefix."""

    exit_status: int
    asked: tuple[str, ...]
    status: tuple[str, ...]
    out: str
    err: str

    def said(self, keyword: str) -> list[str]:
        """The arguments of every status line with this keyword, in order."""
        lines = (line.partition(" ") for line in self.status)
        return [rest for word, _, rest in lines if word == keyword]


def card_edit(
    home: GnupgHome, *commands: str, answers: Mapping[str, Answer] | None = None, check: bool = True
) -> Conversation:
    """`gpg --expert --card-edit` with these commands and then `quit`; see `converse` for `answers`.

    Not with the home's `trust-model always`: gpg 2.2.40 then ends at the new key when there is no trustdb yet.
    """
    table = {"cardedit.prompt": (*commands, "quit"), **(answers or {})}
    options = ("--expert", "--trust-model", "pgp", "--with-colons")
    return converse(home, *options, "--card-edit", answers=table, check=check)


def edit_key(
    home: GnupgHome, fingerprint: str, *commands: str, answers: Mapping[str, Answer] | None = None, check: bool = True
) -> Conversation:
    """`gpg --expert --edit-key` with these commands and then `save`; see `converse` for `answers`."""
    table = {"keyedit.prompt": (*commands, "save"), **(answers or {})}
    return converse(home, "--expert", "--edit-key", fingerprint, answers=table, check=check)


def converse(
    home: GnupgHome, *arguments: str, answers: Mapping[str, Answer], check: bool = True, timeout_s: float = PATIENCE_S
) -> Conversation:
    """Run gpg and answer its questions by keyword; each answer is given once. Raises DialogueFailed.

    With `check` gpg must end with status 0.
    """
    dialogue = _Dialogue(home, arguments, answers)
    try:
        dialogue.run(time.monotonic() + timeout_s)
    finally:
        dialogue.end()
    if check and dialogue.exit_status:
        raise dialogue.failure(f"exit status {dialogue.exit_status}")
    return dialogue.conversation()


class _Dialogue:
    """One gpg with its two private pipes; stdout and stderr go to files, so that neither can block it."""

    def __init__(self, home: GnupgHome, arguments: tuple[str, ...], answers: Mapping[str, Answer]) -> None:
        self._left = {word: deque((text,) if isinstance(text, str) else text) for word, text in answers.items()}
        self._asked: list[str] = []
        self._lines: list[str] = []
        self._buffer = b""
        self._files = (home.path / "dialogue.out", home.path / "dialogue.err")
        self._status, status_end = os.pipe()
        command_end, self._command = os.pipe()
        words = ["gpg", "--status-fd", str(status_end), "--command-fd", str(command_end), *arguments]
        with self._files[0].open("wb") as out, self._files[1].open("wb") as err:
            self._gpg = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=home.path,
                env=home.env,
                pass_fds=(status_end, command_end),
            )
        os.close(status_end)
        os.close(command_end)
        self._words = words
        self.exit_status = -1

    def run(self, deadline: float) -> None:
        """Answer until gpg closes its status pipe."""
        poll = select.poll()
        poll.register(self._status, select.POLLIN)
        while True:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise self.failure("gpg has said nothing more")
            octets = os.read(self._status, 65536)
            if not octets:
                break
            *lines, self._buffer = (self._buffer + octets).split(b"\n")
            for line in lines:
                self._take(line.decode(errors="replace").removeprefix("[GNUPG:] "))
        self.exit_status = self._gpg.wait(max(1.0, deadline - time.monotonic()))

    def _take(self, line: str) -> None:
        self._lines.append(line)
        word, _, question = line.partition(" ")
        if word not in _ASKING:
            return
        self._asked.append(question)
        answers = self._left.get(question)
        if answers is None:
            raise self.failure(f"no answer for {line}")
        if not answers:
            raise self.failure(f"{line} once more than there are answers")
        os.write(self._command, answers.popleft().encode() + b"\n")

    def end(self) -> None:
        """Close the pipes, end a gpg that still runs."""
        os.close(self._command)
        if self._gpg.poll() is None:
            self._gpg.kill()
            self._gpg.wait()
        os.close(self._status)

    def failure(self, what: str) -> DialogueFailed:
        """The error with all that was said until now."""
        shown = "\n".join([what, " ".join(self._words), *self._lines, self._text(1)])
        return DialogueFailed(shown)

    def conversation(self) -> Conversation:
        """What was said, once gpg has ended."""
        return Conversation(self.exit_status, tuple(self._asked), tuple(self._lines), self._text(0), self._text(1))

    def _text(self, which: int) -> str:
        path: Path = self._files[which]
        return path.read_text(encoding="utf-8", errors="replace")
