"""The pinentry that gpg-agent starts in a test: answers by its script, writes down what it was asked.

Run as `pinentry_program.py FOLDER`. FOLDER/plan.json holds what to answer (pinentry.Pinentry writes it),
FOLDER/prompts.jsonl gets one line per question. Imports little: it is started for every prompt.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

CANCELED = "ERR 83886179 Operation cancelled <Pinentry>"


def unescape(text: str) -> str:
    """Undo the percent escapes of an Assuan line."""
    parts = text.split("%")
    octets = parts[0].encode()
    for part in parts[1:]:
        octets += bytes.fromhex(part[:2]) + part[2:].encode()
    return octets.decode("utf-8", "replace")


def say(line: str) -> None:
    """Send one line to gpg-agent."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Plan:
    """The answers still to be given, kept in a file because each prompt is a new process."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "plan.json")
        self._prompts = os.path.join(folder, "prompts.jsonl")
        with open(self._path, encoding="utf-8") as file:
            self._plan: dict[str, Any] = json.load(file)

    def pin(self, description: str) -> str | None:
        """The PIN to type; None is the Cancel button."""
        answer: str | None
        if self._plan["script"]:
            answer = self._plan["script"].pop(0)
            self._save()
            return answer
        for text, answer in self._plan["by_text"].items():
            if text in description:
                return answer
        answer = self._plan["always"]
        return answer

    def confirms(self) -> bool:
        """Whether the OK button of a question without a PIN is pressed."""
        return bool(self._plan["confirm"])

    def note(self, kind: str, description: str, prompt: str, answered: bool) -> None:
        """Write the question down; never the answer."""
        line = {"kind": kind, "description": description, "prompt": prompt, "answered": answered}
        with open(self._prompts, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _save(self) -> None:
        with open(self._path + ".new", "w", encoding="utf-8") as file:
            json.dump(self._plan, file)
        os.replace(self._path + ".new", self._path)


def serve(folder: str) -> None:
    """Speak pinentry's side of the dialogue until BYE or end of file."""
    description = prompt = ""
    say("OK Pleased to meet you")
    for line in sys.stdin:
        command, _, rest = line.rstrip("\n").partition(" ")
        match command.upper():
            case "SETDESC":
                description = unescape(rest)
            case "SETPROMPT":
                prompt = unescape(rest)
            case "GETINFO" if rest == "pid":
                say(f"D {os.getpid()}")
            case "GETPIN":
                plan = Plan(folder)
                pin = plan.pin(description)
                plan.note("pin", description, prompt, pin is not None)
                if pin is None:
                    say(CANCELED)
                    continue
                say("D " + pin.replace("%", "%25"))
            case "CONFIRM" | "MESSAGE":
                plan = Plan(folder)
                agreed = command.upper() == "MESSAGE" or "--one-button" in rest or plan.confirms()
                plan.note(command.lower(), description, prompt, agreed)
                if not agreed:
                    say(CANCELED)
                    continue
            case "BYE":
                say("OK")
                return
        say("OK")


if __name__ == "__main__":
    serve(sys.argv[1])
