"""The test's hand on the pinentry stand-in: what it answers, what it was asked."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question. `kind` is pin, confirm or message; `description` is the window's text, unescaped.

    `answered` is false where the stand-in pressed Cancel.
    """

    kind: str
    description: str
    prompt: str
    answered: bool


class Pinentry:
    """A pinentry program under `folder`. Cancels everything until it is told otherwise.

    An answer is a PIN, or None for the Cancel button. Order: `script` first, then `for_text`, then `always`.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self._folder = folder
        self._by_text: dict[str, str | None] = {}
        self._always: str | None = None
        self._confirm = False
        self.program = folder / "pinentry"
        words = [
            sys.executable,
            "-I",
            "-S",
            str(Path(__file__).with_name("pinentry_program.py")),
            str(folder),
        ]
        self.program.write_text(f"#!/bin/sh\nexec {shlex.join(words)}\n", encoding="utf-8")
        self.program.chmod(0o700)
        self._save(())

    def always(self, answer: str | None) -> None:
        """Answer every PIN prompt so."""
        self._always = answer
        self._save()

    def for_text(self, text: str, answer: str | None) -> None:
        """Answer so where the window's text contains `text`, for example the token's label."""
        self._by_text[text] = answer
        self._save()

    def script(self, *answers: str | None) -> None:
        """Answer the next PIN prompts so, one after the other; replaces what is left of an earlier script."""
        self._save(answers)

    def confirm(self, agree: bool) -> None:
        """Press OK (or Cancel, the default) where a question needs no PIN, such as "insert the card"."""
        self._confirm = agree
        self._save()

    @property
    def prompts(self) -> list[Prompt]:
        """Everything asked so far, in order."""
        path = self._folder / "prompts.jsonl"
        if not path.exists():
            return []
        return [Prompt(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]

    def forget_prompts(self) -> None:
        """Begin a new list of prompts."""
        (self._folder / "prompts.jsonl").unlink(missing_ok=True)

    def _save(self, script: tuple[str | None, ...] | None = None) -> None:
        """None leaves the script as it is; the program has taken from it what was answered."""
        if script is None:
            script = json.loads((self._folder / "plan.json").read_text(encoding="utf-8"))["script"]
        plan = {
            "script": script,
            "by_text": self._by_text,
            "always": self._always,
            "confirm": self._confirm,
        }
        new = self._folder / "plan.json.new"
        new.write_text(json.dumps(plan), encoding="utf-8")
        new.replace(self._folder / "plan.json")
