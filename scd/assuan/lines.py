"""The lines the daemon says: the one place that builds or escapes an Assuan line.

Every builder returns bytes that end in LF, with at most 1000 octets before each LF; what does not fit is cut,
data are split. Text is UTF-8; octets kept in a str by `surrogateescape` go out as they came in.
"""

from __future__ import annotations

from scd.assuan.gpgerror import GpgErr, wire_code

LINE_LIMIT = 1000
"""Octets before the LF (libassuan's ASSUAN_LINELENGTH of 1002 less CR LF)."""

_OK = b"OK\n"
_SOURCE = b" <SCD>"
_DATA_LIMIT = LINE_LIMIT - len(b"D ")
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")

_CONTROLS_TO_BLANKS: dict[int, str] = dict.fromkeys(range(0x20), " ")
_CONTROLS_TO_ESCAPES = {code: f"%{code:02X}" for code in range(0x20)}
_STATUS_ESCAPES = _CONTROLS_TO_ESCAPES | {ord("%"): "%25", ord("+"): "%2B", ord('"'): "%22", ord(" "): "+"}
# pinentry unescapes into a C string: a NUL would hide all that follows it, the number of tries included.
_PINENTRY_ESCAPES = _CONTROLS_TO_ESCAPES | {ord("%"): "%25", 0: "\N{REPLACEMENT CHARACTER}"}


def ok(text: str = "") -> bytes:
    """`OK`, with a remark for humans if there is one."""
    return _line(_remark(f"OK {text}").rstrip()) if text else _OK


def error(code: GpgErr, text: str = "") -> bytes:
    """`ERR <code with source> <text> <SCD>`, by default in libgpg-error's words. Only the number counts."""
    head = _remark(f"ERR {wire_code(code)} {text or code.text}")
    return _cut(head, LINE_LIMIT - len(_SOURCE)) + _SOURCE + b"\n"


def status(keyword: str, *fields: str) -> bytes:
    """`S KEYWORD field …`: the fields as they are, joined by one blank; free text needs `escape` first.

    Raises ValueError for a CR, LF or NUL in a field: they would make a second line, or a short one for C.
    """
    return _line(_strict(" ".join(("S", keyword, *fields))))


def inquire(keyword: str, text: str = "") -> bytes:
    """`INQUIRE KEYWORD text`. Raises ValueError for a CR, LF or NUL; see `pinentry_text`."""
    return _line(_strict(f"INQUIRE {keyword} {text}").rstrip(b" "))


def comment(text: str) -> bytes:
    """A `# …` line for each line of the text; this is how HELP answers."""
    return b"".join(_line(_remark(f"# {line}").rstrip()) for line in text.split("\n"))


def data(payload: bytes) -> bytes:
    """The D lines that carry the payload; none for an empty one. Only %, CR and LF are escaped."""
    escaped = payload.replace(b"%", b"%25").replace(b"\r", b"%0D").replace(b"\n", b"%0A")
    pieces: list[bytes] = []
    begin = 0
    while begin < len(escaped):
        end = begin + _DATA_LIMIT
        if end < len(escaped):
            end = _before_split_escape(escaped, end)
        pieces += (b"D ", escaped[begin:end], b"\n")
        begin = end
    return b"".join(pieces)


def escape(value: str) -> str:
    """A value as scdaemon's `send_status_info` has it: `+`, `"`, `%`, controls as %XX, blank as `+`."""
    return value.translate(_STATUS_ESCAPES)


def unescape(value: str) -> str:
    """Undo percent-plus escaping, %XX and `+`.

    A `%` that begins no escape stands for itself; what is not UTF-8 is kept by `surrogateescape`.
    """
    literal, *escapes = _octets(value.replace("+", " ")).split(b"%")
    pieces = [literal]
    for piece in escapes:
        code = piece[:2]
        if len(code) == 2 and _HEX_DIGITS.issuperset(code):
            pieces += (bytes((int(code, 16),)), piece[2:])
        else:
            pieces += (b"%", piece)
    return b"".join(pieces).decode("utf-8", "surrogateescape")


def pinentry_text(text: str) -> str:
    """A text for pinentry's SETDESC, which gets it unchanged: LF as %0A, `%` as %25, controls likewise.

    `+` and blank are literal there (seen with gpg-agent 2.2 and 2.4). A NUL becomes U+FFFD.
    """
    return text.translate(_PINENTRY_ESCAPES)


def _octets(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate that stands for no octet
        return text.encode("utf-8", "replace")


def _remark(text: str) -> bytes:
    """Free text for humans: it must never fail nor break the line, whatever an error message holds."""
    return _octets(text.translate(_CONTROLS_TO_BLANKS))


def _strict(text: str) -> bytes:
    if "\n" in text or "\r" in text or "\0" in text:
        raise ValueError("CR, LF or NUL in an Assuan line")
    return _octets(text)


def _line(octets: bytes) -> bytes:
    return _cut(octets, LINE_LIMIT) + b"\n"


def _cut(octets: bytes, limit: int) -> bytes:
    """At most `limit` octets, cut before a UTF-8 sequence or percent escape that would be split."""
    if len(octets) <= limit:
        return octets
    end = limit
    while end > limit - 3 and octets[end] & 0xC0 == 0x80:
        end -= 1
    return octets[: _before_split_escape(octets, end)]


def _before_split_escape(octets: bytes, end: int) -> int:
    """`end`, or the place of a `%` whose two digits would not both lie before `end`."""
    percent = octets.rfind(b"%", end - 2, end)
    return end if percent < 0 else percent
