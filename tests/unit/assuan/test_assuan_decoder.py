"""Lines become events: each kind of line, then the same events however the octets are cut."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scd.assuan.decoder import Decoder
from scd.assuan.events import BadLine, Cancel, Command, Data, End, Event
from scd.assuan.gpgerror import GpgErr

FEW = settings(derandomize=True, max_examples=60, deadline=None)

TOO_LONG = BadLine(GpgErr.ASS_LINE_TOO_LONG, "line too long")
DATA_TOO_LONG = BadLine(GpgErr.ASS_LINE_TOO_LONG, "line too long", in_data=True)

LINES: dict[bytes, list[Event]] = {
    b"NOP": [Command("NOP", b"")],
    b"pkSign --hash=sha256  P11.0a": [Command("PKSIGN", b"--hash=sha256  P11.0a")],
    b"KEYINFO  x ": [Command("KEYINFO", b" x ")],
    b"NOP\r": [Command("NOP", b"")],
    b"NOP \r": [Command("NOP", b"")],
    b"NOP\tone two": [Command("NOP", b"one two")],
    b"NOP one\ttwo": [Command("NOP", b"one\ttwo")],
    b"SETATTR LOGIN-DATA \x7f\xc3\xa4\xff": [Command("SETATTR", b"LOGIN-DATA \x7f\xc3\xa4\xff")],
    b"SETDATA %41": [Command("SETDATA", b"%41")],
    b"na\xefve\xff": [Command("NA\\xefVE\\xff", b"")],
    b"D": [Data(b"")],
    b"D ": [Data(b"")],
    b"d abc": [Data(b"abc")],
    b"D  two blanks": [Data(b" two blanks")],
    b"D 123456\0\0\x01\xff": [Data(b"123456\0\0\x01\xff")],
    b"D %25%0d%0A%41%00": [Data(b"%\r\nA\0")],
    b"Dabc": [Command("DABC", b"")],
    b"D\tabc": [Command("D", b"abc")],
    b"END": [End()],
    b"end ": [End()],
    b"END of it": [End()],
    b"ENDE": [Command("ENDE", b"")],
    b"CAN": [Cancel()],
    b"Cancel": [Cancel()],
    b"CANNOT": [Command("CANNOT", b"")],
    b"": [],
    b"\r": [],
    b"#": [],
    b"# comment\0": [],
    b" NOP": [BadLine(GpgErr.ASS_SYNTAX, "leading white-space")],
    b"\tNOP": [BadLine(GpgErr.ASS_SYNTAX, "leading white-space")],
    b"   ": [BadLine(GpgErr.ASS_SYNTAX, "leading white-space")],
    b"NO\0P": [BadLine(GpgErr.ASS_SYNTAX, "control character in a command line")],
    b"NOP \x1b[0m": [BadLine(GpgErr.ASS_SYNTAX, "control character in a command line")],
    b"NOP\rNOP": [BadLine(GpgErr.ASS_SYNTAX, "control character in a command line")],
    b"D %": [BadLine(GpgErr.ASS_SYNTAX, "bad percent escape in a data line", in_data=True)],
    b"D %4": [BadLine(GpgErr.ASS_SYNTAX, "bad percent escape in a data line", in_data=True)],
    b"D 1%+1": [BadLine(GpgErr.ASS_SYNTAX, "bad percent escape in a data line", in_data=True)],
    b"D % 1": [BadLine(GpgErr.ASS_SYNTAX, "bad percent escape in a data line", in_data=True)],
    b"D %%25": [BadLine(GpgErr.ASS_SYNTAX, "bad percent escape in a data line", in_data=True)],
    b"x" * 1000: [Command("X" * 1000, b"")],
    b"x" * 1000 + b"\r": [Command("X" * 1000, b"")],
    b"x" * 1001: [TOO_LONG],
    b"x" * 1000 + b"\r\r": [TOO_LONG],
    b"x" * 1000 + b"\ry": [TOO_LONG],
    b"D " + b"x" * 998: [Data(b"x" * 998)],
    b"D " + b"x" * 999: [DATA_TOO_LONG],
    b"#" + b"x" * 5000: [TOO_LONG],
}


@pytest.mark.parametrize("line", LINES, ids=lambda line: repr(line[:30]))
def test_line_gives_its_event(line: bytes) -> None:
    assert Decoder().feed(line + b"\n") == LINES[line]


@pytest.mark.parametrize("line", LINES, ids=lambda line: repr(line[:30]))
def test_line_fed_octet_by_octet_gives_the_same_event(line: bytes) -> None:
    assert in_pieces(line + b"\n", 1) == LINES[line]


@pytest.mark.parametrize("line", LINES, ids=lambda line: repr(line[:30]))
def test_line_with_the_next_one_attached_gives_both_events(line: bytes) -> None:
    assert Decoder().feed(line + b"\nNOP x\n") == [*LINES[line], Command("NOP", b"x")]


def test_a_line_waits_for_its_line_feed() -> None:
    decoder = Decoder()
    assert decoder.feed(b"NOP") == []
    assert decoder.feed(b"\nBYE") == [Command("NOP", b"")]
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\n") == [Command("BYE", b"")]


def test_the_limit_can_be_set() -> None:
    assert Decoder(limit=3).feed(b"NOP\nNOPE\nNOP\r\n") == [
        Command("NOP", b""),
        TOO_LONG,
        Command("NOP", b""),
    ]


@pytest.mark.parametrize("octets", [b"NOP", b"\r", b"# half a comment", b"D 12"])
def test_end_of_input_in_a_line_is_reported_once(octets: bytes) -> None:
    decoder = Decoder()
    assert decoder.feed(octets) == []
    assert decoder.finish() == [BadLine(GpgErr.ASS_INCOMPLETE_LINE, "last line without line feed")]
    assert decoder.finish() == []


@pytest.mark.parametrize("octets", [b"", b"NOP\n", b"NOP\r\n"])
def test_end_of_input_between_lines_is_silent(octets: bytes) -> None:
    decoder = Decoder()
    decoder.feed(octets)
    assert decoder.finish() == []


def test_end_of_input_in_an_over_long_line_is_not_reported_again() -> None:
    decoder = Decoder()
    assert decoder.feed(b"x" * 1200) == [TOO_LONG]
    assert decoder.finish() == []
    assert decoder.feed(b"NOP\n") == [Command("NOP", b"")]


def test_an_over_long_line_is_told_before_its_end_and_only_once() -> None:
    decoder = Decoder()
    assert decoder.feed(b"x" * 1001) == [TOO_LONG]
    assert decoder.feed(b"x" * 1001) == []
    assert decoder.feed(b"xx\nNOP\n") == [Command("NOP", b"")]


def test_an_endless_line_is_not_kept() -> None:
    decoder = Decoder()
    for _ in range(300):
        decoder.feed(b"x" * 997)
        assert kept(decoder) <= 1001


def test_contents_are_not_in_a_repr() -> None:
    assert "123456" not in repr(Decoder().feed(b"D 123456\nSETDATA 123456\nD 123456%\n"))


def kept(decoder: Decoder) -> int:
    return len(decoder._pending)


def in_pieces(octets: bytes, length: int) -> list[Event]:
    decoder = Decoder()
    return [
        event for at in range(0, len(octets), length) for event in decoder.feed(octets[at : at + length])
    ] + decoder.finish()


pieces_of_lines = st.lists(
    st.sampled_from([*LINES, b"\n", b"\n", b"\n", b"\r\n", b"%", b"x" * 400, b"\0\xff"]) | st.binary(max_size=12),
    max_size=12,
).map(b"".join)


@FEW
@given(pieces_of_lines, st.integers(1, 1100))
@example(b"x" * 1000 + b"\r\nNOP\n", 1001)
@example(b"x" * 2500 + b"\nNOP\n", 1001)
def test_events_do_not_depend_on_where_the_octets_are_cut(octets: bytes, length: int) -> None:
    whole = in_pieces(octets, len(octets) or 1)
    assert in_pieces(octets, length) == whole
    assert in_pieces(octets, 1) == whole


@FEW
@given(st.lists(st.binary(max_size=1500) | pieces_of_lines, max_size=6))
def test_garbage_never_raises_nor_piles_up_nor_spoils_the_next_line(chunks: list[bytes]) -> None:
    decoder = Decoder()
    for chunk in chunks:
        decoder.feed(chunk)
        assert kept(decoder) <= 1001
    assert decoder.feed(b"\nNOP\n")[-1] == Command("NOP", b"")
