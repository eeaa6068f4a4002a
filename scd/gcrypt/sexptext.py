"""S-expressions as people read them, libgcrypt's advanced form: read only. `sexp.py` builds and parses the others."""

from __future__ import annotations

import re

from scd.gcrypt.sexp import DEPTH_MAX, Parsed

_PIECE = re.compile(
    rb"""\s*(?:
        (?P<open>\() | (?P<close>\))
      | (?P<token>[A-Za-z\-./_:*+=][A-Za-z0-9\-./_:*+=]*)
      | \#(?P<hex>[0-9A-Fa-f\s]*)\#
      | "(?P<quoted>(?:[^"\\]|\\.)*)"
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{2}|[0-7]{3}|\r\n|\n\r|.)", re.DOTALL)
_PLAIN_ESCAPES = {b"b": b"\b", b"t": b"\t", b"v": b"\v", b"n": b"\n", b"f": b"\f", b"r": b"\r"}
_LINE_ENDS = (b"\r\n", b"\n\r", b"\r", b"\n")


def parse_text(text: bytes) -> tuple[Parsed, ...]:
    """The tree, lists as tuples. Strings may be tokens, quoted or #hexadecimal#, which is all that libgcrypt writes.

    Raises ValueError for everything but one list: other forms of strings, octets behind it, lists deeper than
    `sexp.DEPTH_MAX`. Source: libgcrypt, src/sexp.c (1.10).
    """
    open_lists: list[list[Parsed]] = []
    offset = 0
    while piece := _PIECE.match(text, offset):
        offset = piece.end()
        if piece["open"]:
            if len(open_lists) == DEPTH_MAX:
                raise ValueError("the S-expression is nested too deeply")
            open_lists.append([])
            continue
        if not open_lists:
            break
        if not piece["close"]:
            open_lists[-1].append(_string(piece))
            continue
        done = tuple(open_lists.pop())
        if open_lists:
            open_lists[-1].append(done)
        elif text[offset:].strip():
            break
        else:
            return done
    raise ValueError(f"the S-expression is malformed at octet {offset}")


def _string(piece: re.Match[bytes]) -> bytes:
    if piece["token"]:
        return piece["token"]
    if piece["hex"] is not None:
        return bytes.fromhex(b"".join(piece["hex"].split()).decode("ascii"))  # a line may end within an octet
    return _ESCAPE.sub(_unescaped, piece["quoted"])


def _unescaped(escape: re.Match[bytes]) -> bytes:
    what = escape[1]
    if what in _LINE_ENDS:
        return b""  # the string goes on in the next line
    if len(what) == 1:
        return _PLAIN_ESCAPES.get(what, what)
    return bytes((int(what[1:], 16) if what[:1] == b"x" else int(what, 8) & 0xFF,))
