"""Built lines: their exact form, and that no content can break, split or overstretch one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scd.assuan import lines
from scd.assuan.decoder import Decoder
from scd.assuan.events import Data
from scd.assuan.gpgerror import GpgErr

FEW = settings(derandomize=True, max_examples=60, deadline=None)

any_text = st.text(st.characters(exclude_categories=()), max_size=40)
long_text = st.builds(lambda text, times: text * times, any_text, st.integers(1, 80))
wire_octets = st.binary(max_size=40).map(lambda octets: octets.decode("utf-8", "surrogateescape"))


def test_ok_alone_and_with_a_remark() -> None:
    assert lines.ok() == b"OK\n"
    assert lines.ok("closing connection") == b"OK closing connection\n"


def test_error_is_worded_as_scdaemon_does() -> None:
    assert lines.error(GpgErr.NO_DATA) == b"ERR 100663354 No data <SCD>\n"
    assert lines.error(GpgErr.ENODEV) == b"ERR 100696144 No such device <SCD>\n"


def test_error_takes_a_better_text() -> None:
    assert lines.error(GpgErr.INV_ID, "no key P11.00") == b"ERR 100663414 no key P11.00 <SCD>\n"


def test_an_over_long_error_keeps_its_source() -> None:
    line = lines.error(GpgErr.GENERAL, "ä" * 800)
    assert len(line) <= 1001
    assert line.endswith("ä <SCD>\n".encode())


def test_status_joins_raw_fields() -> None:
    assert lines.status("SERIALNO", "D276", "0") == b"S SERIALNO D276 0\n"
    assert lines.status("DEVINFO_END") == b"S DEVINFO_END\n"
    assert lines.status("MANUFACTURER", "+%", "Müller") == "S MANUFACTURER +% Müller\n".encode()


def test_inquire_with_and_without_text() -> None:
    assert lines.inquire("KEYDATA") == b"INQUIRE KEYDATA\n"
    assert lines.inquire("NEEDPIN", "||PIN") == b"INQUIRE NEEDPIN ||PIN\n"


def test_comment_marks_every_line() -> None:
    assert lines.comment("NOP\n\nends\rhere") == b"# NOP\n#\n# ends here\n"


@pytest.mark.parametrize("control", ["\r", "\n", "\0"])
def test_what_would_break_a_status_or_an_inquiry_is_refused(control: str) -> None:
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        lines.status("X", "a", f"b{control}OK")
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        lines.inquire("NEEDPIN", f"a{control}OK")


def test_controls_in_a_remark_become_blanks() -> None:
    assert lines.ok("a\nOK\r\0b") == b"OK a OK  b\n"
    assert lines.error(GpgErr.CARD, "a\nOK") == b"ERR 100663404 a OK <SCD>\n"


def test_a_full_line_is_not_cut() -> None:
    assert lines.status("X", "a" * 996) == b"S X " + b"a" * 996 + b"\n"


def test_a_long_line_is_cut_at_the_limit() -> None:
    assert lines.status("X", "a" * 997) == b"S X " + b"a" * 996 + b"\n"


@pytest.mark.parametrize("character", ["ä", "€", "😀"])
@pytest.mark.parametrize("shift", range(4))
def test_a_cut_never_splits_a_character(character: str, shift: int) -> None:
    line = lines.status("X", "a" * shift + character * 600)
    assert 997 <= len(line) - 1 <= 1000
    assert line.decode().startswith("S X " + "a" * shift + character)


@pytest.mark.parametrize("shift", range(3))
def test_a_cut_never_splits_a_percent_escape(shift: int) -> None:
    body = lines.inquire("NEEDPIN", "a" * shift + "%0A" * 400).rstrip(b"\n")
    assert body.endswith(b"%0A")
    assert 998 <= len(body) <= 1000


def test_octets_kept_by_surrogateescape_go_out_as_they_came() -> None:
    assert lines.status("X", b"\xff\xe4".decode("utf-8", "surrogateescape")) == b"S X \xff\xe4\n"


def test_a_surrogate_that_is_no_octet_does_not_raise() -> None:
    assert lines.ok("\ud800") == b"OK ?\n"


BUILDERS: list[Callable[[str], bytes]] = [
    lines.ok,
    lines.comment,
    lambda text: lines.error(GpgErr.GENERAL, text),
    lambda text: lines.status("KEY", lines.escape(text), lines.escape(text)),
    lambda text: lines.inquire("NEEDPIN", lines.pinentry_text(text)),
    lambda text: lines.data(text.encode("utf-8", "surrogatepass")),
]


@FEW
@given(st.sampled_from(BUILDERS), long_text | wire_octets)
def test_no_built_line_is_over_long_or_broken(build: Callable[[str], bytes], text: str) -> None:
    built = build(text)
    assert built == b"" or built.endswith(b"\n")
    assert all(len(line) <= 1000 for line in built.split(b"\n"))
    assert b"\r" not in built
    assert len(built.splitlines()) == 1 or build in (lines.comment, BUILDERS[-1])


def test_escape_is_scdaemon_s() -> None:
    assert lines.escape('a b+c%d"e\n\x1f\x7fä') == "a+b%2Bc%25d%22e%0A%1F\x7fä"


@pytest.mark.parametrize(
    ("escaped", "value"),
    [
        ("a+b%2Bc", "a b+c"),
        ("%c3%A4+%e4", "ä \udce4"),
        ("100%", "100%"),
        ("%4", "%4"),
        ("%+1%g0", "% 1%g0"),
        ("%%41", "%A"),
        ("%00", "\0"),
        ("", ""),
    ],
)
def test_unescape_decodes_percent_and_plus_and_keeps_what_is_neither(escaped: str, value: str) -> None:
    assert lines.unescape(escaped) == value


@FEW
@given(st.text() | wire_octets)
def test_unescape_undoes_escape(value: str) -> None:
    assert lines.unescape(lines.escape(value)) == value


@FEW
@given(any_text)
def test_unescape_never_raises(value: str) -> None:
    assert isinstance(lines.unescape(value), str)


def test_pinentry_text_escapes_what_pinentry_unescapes() -> None:
    assert lines.pinentry_text("Token 100% +1\nTries: 2\r\t\x1fä") == "Token 100%25 +1%0ATries: 2%0D%09%1Fä"


def test_pinentry_text_lets_no_label_hide_the_rest() -> None:
    assert lines.pinentry_text("label\0tries") == "label\ufffdtries"


def test_data_of_nothing_is_no_line() -> None:
    assert lines.data(b"") == b""


def test_data_escapes_only_three_octets() -> None:
    payload = bytes(range(256))
    body = payload.replace(b"%", b"%25").replace(b"\n", b"%0A").replace(b"\r", b"%0D")
    assert lines.data(payload) == b"D " + body + b"\n"


@pytest.mark.parametrize("shift", range(3))
def test_data_never_splits_an_escape(shift: int) -> None:
    built = lines.data(b"x" * shift + b"%" * 1000)
    for line in built.splitlines():
        assert len(line) <= 1000
        assert line.endswith(b"%25")


def test_data_fills_its_lines() -> None:
    assert lines.data(b"x" * 998) == b"D " + b"x" * 998 + b"\n"
    assert lines.data(b"x" * 999) == b"D " + b"x" * 998 + b"\nD x\n"


@FEW
@given(st.builds(lambda octets, times: octets * times, st.binary(max_size=60), st.integers(0, 200)))
def test_data_come_back_through_the_decoder(payload: bytes) -> None:
    events = Decoder().feed(lines.data(payload))
    assert b"".join(event.octets for event in events if isinstance(event, Data)) == payload
    assert all(isinstance(event, Data) for event in events)
