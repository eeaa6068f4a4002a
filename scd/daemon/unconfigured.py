"""What is answered while the configuration is wrong.

gpg-agent says of a daemon that does not start "No SmartCard daemon", and nothing of why. So the one that it starts
stays, with no modules, and answers what has to do with cards by saying what is wrong.
"""

from __future__ import annotations

from scd.assuan.arguments import Arguments

# What gpg-agent needs to begin and end a conversation; everything else is answered by the mistake.
_ANSWERED = frozenset({"NOP", "BYE", "KILLSCD", "RESET", "RESTART", "OPTION", "HELP"})
_TOLD = frozenset({"version", "pid", "socket_name", "connections", "cmd_has_option"})


def needs_configuration(name: str, args: Arguments) -> bool:
    """Whether a command has to do with cards."""
    if name == "GETINFO":
        return not args.words or args.words[0].lower() not in _TOLD
    return name not in _ANSWERED
