"""Who may speak now: the events legal in each state of a connection, and the answer to those that are not.

libassuan's codes: NOT_IMPLEMENTED for D, END and CANCEL outside an inquiry (seen with gpg-agent 2.2.40), and
ASS_UNEXPECTED_CMD for a command inside one.

An answer to an inquiry that goes wrong (a malformed line, a command in its midst) ends the command at once, as with
libassuan. A client of libassuan, gpg-agent first of all, sends its whole answer before it reads, so its other D lines
and its END or CAN follow; they belong to the command that is over and get no ERR of their own, which the client would
take for the reply to its next command. Another client may read the ERR and go on with a command.
"""

from __future__ import annotations

from enum import Enum

from scd.assuan.events import BadLine, Cancel, Command, Data, End, Event
from scd.assuan.gpgerror import GpgErr


class State(Enum):
    """Where a connection stands, seen from the client."""

    READY = "commands are taken"
    INQUIRING = "an INQUIRE waits for D, END or CAN"
    SKIPPING = "an answer went wrong; what is left of it may still come"
    CLOSED = "BYE was said"


Refusal = tuple[GpgErr, str]

_AFTER_BYE: Refusal = (GpgErr.ASS_UNEXPECTED_CMD, "connection is closed")

_REFUSALS: dict[tuple[State, type[Event]], Refusal] = {
    (State.READY, Data): (GpgErr.NOT_IMPLEMENTED, "data line outside an inquiry"),
    (State.READY, End): (GpgErr.NOT_IMPLEMENTED, "END outside an inquiry"),
    (State.READY, Cancel): (GpgErr.NOT_IMPLEMENTED, "CAN outside an inquiry"),
    (State.INQUIRING, Command): (GpgErr.ASS_UNEXPECTED_CMD, "command inside an inquiry"),
    (State.CLOSED, Command): _AFTER_BYE,
    (State.CLOSED, Data): _AFTER_BYE,
    (State.CLOSED, End): _AFTER_BYE,
    (State.CLOSED, Cancel): _AFTER_BYE,
}


def is_left_over(event: Event) -> bool:
    """Whether the event, in the state SKIPPING, is part of the answer that went wrong, and so passed over."""
    return isinstance(event, (Data, End, Cancel)) or (isinstance(event, BadLine) and event.in_data)


def refusal(state: State, event: Event) -> Refusal | None:
    """None if the event is legal in this state, else the code and text of the ERR that answers it."""
    if isinstance(event, BadLine):
        return event.code, event.reason
    return _REFUSALS.get((state, type(event)))
