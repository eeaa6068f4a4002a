"""Which events are legal in which state, the whole table."""

from __future__ import annotations

from typing import get_args

import pytest

from scd.assuan.events import BadLine, Cancel, Command, Data, End, Event
from scd.assuan.gpgerror import GpgErr
from scd.assuan.protocol import State, is_left_over, refusal

COMMAND, DATA, END, CANCEL = Command("NOP", b""), Data(b"x"), End(), Cancel()
BAD = BadLine(GpgErr.ASS_LINE_TOO_LONG, "line too long")

TABLE: dict[State, dict[Event, GpgErr | None]] = {
    State.READY: {
        COMMAND: None,
        DATA: GpgErr.NOT_IMPLEMENTED,
        END: GpgErr.NOT_IMPLEMENTED,
        CANCEL: GpgErr.NOT_IMPLEMENTED,
        BAD: GpgErr.ASS_LINE_TOO_LONG,
    },
    State.INQUIRING: {
        COMMAND: GpgErr.ASS_UNEXPECTED_CMD,
        DATA: None,
        END: None,
        CANCEL: None,
        BAD: GpgErr.ASS_LINE_TOO_LONG,
    },
    State.SKIPPING: {
        COMMAND: None,
        DATA: None,
        END: None,
        CANCEL: None,
        BAD: GpgErr.ASS_LINE_TOO_LONG,
    },
    State.CLOSED: {
        COMMAND: GpgErr.ASS_UNEXPECTED_CMD,
        DATA: GpgErr.ASS_UNEXPECTED_CMD,
        END: GpgErr.ASS_UNEXPECTED_CMD,
        CANCEL: GpgErr.ASS_UNEXPECTED_CMD,
        BAD: GpgErr.ASS_LINE_TOO_LONG,
    },
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", [COMMAND, DATA, END, CANCEL, BAD], ids=lambda event: type(event).__name__)
def test_event_is_taken_or_refused_with_its_code(state: State, event: Event) -> None:
    answer = refusal(state, event)
    assert (answer and answer[0]) == TABLE[state][event]


def test_the_table_above_knows_every_kind_of_event() -> None:
    for row in TABLE.values():
        assert {type(event) for event in row} == set(get_args(Event))


def test_a_bad_line_is_answered_with_its_own_reason() -> None:
    assert refusal(State.READY, BAD) == (GpgErr.ASS_LINE_TOO_LONG, "line too long")


def test_a_refusal_says_what_was_wrong() -> None:
    assert refusal(State.READY, END) == (GpgErr.NOT_IMPLEMENTED, "END outside an inquiry")


def test_what_is_left_of_an_answer_is_its_data_and_its_end() -> None:
    bad_data = BadLine(GpgErr.ASS_SYNTAX, "bad percent escape in a data line", in_data=True)
    assert all(is_left_over(event) for event in (DATA, END, CANCEL, bad_data))
    assert not any(is_left_over(event) for event in (COMMAND, BAD))
