"""What is said on the standard streams before the log is open."""

from __future__ import annotations

import os


def say(text: str) -> None:
    """One line on standard error; the log is not open yet."""
    write(2, f"scd: {text}\n")


def fail(text: str) -> int:
    """Say why, and give the exit status for it."""
    say(text)
    return 2


def write(descriptor: int, text: str) -> None:
    """All of it, as it is: sys.stderr is missing in a program that was started without one."""
    octets = text.encode("utf-8", "surrogateescape")
    while octets:
        octets = octets[os.write(descriptor, octets) :]
