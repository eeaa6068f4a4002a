"""S-expressions in libgcrypt's forms: canonical, built and parsed, and advanced, built only.

A tree is an octet string or a tuple (or list) of trees; what is written and read is always a list. Source:
Rivest's draft "S-expressions"; libgcrypt, src/sexp.c, for what it refuses and how it prints.
"""

from __future__ import annotations

import re

Sexp = bytes | tuple["Sexp", ...] | list["Sexp"]
Parsed = bytes | tuple["Parsed", ...]

DEPTH_MAX = 32
"""Lists within lists; a public key needs three, a protected private key six."""

# No leading zero, so no empty string either: libgcrypt answers both with "zero prefix".
_LENGTH = re.compile(rb"([1-9][0-9]{0,8}):")
_TOKEN = re.compile(rb"[A-Za-z\-./_:*+=][A-Za-z0-9\-./_:*+=]*")
_TEXT = re.compile(rb"[\x08-\x0d\x20-\x7e\xa1-\xff]+")
_QUOTED = {
    0x08: b"\\b",
    0x09: b"\\t",
    0x0A: b"\\n",
    0x0B: b"\\v",
    0x0C: b"\\f",
    0x0D: b"\\r",
    0x22: b'\\"',
    0x27: b"\\'",
    0x5C: b"\\\\",
}


def build(tree: Sexp) -> bytes:
    """The canonical form: every string with its length in front, no blanks.

    Raises ValueError for an empty string, which libgcrypt cannot read back, for a tree that is no list and
    for one nested deeper than `DEPTH_MAX`.
    """
    return _canonical(_checked(tree), DEPTH_MAX)


def _checked(tree: Sexp) -> tuple[Sexp, ...] | list[Sexp]:
    if isinstance(tree, bytes):
        raise ValueError("an S-expression is a list")
    return tree


def _canonical(tree: Sexp, depth: int) -> bytes:
    if isinstance(tree, bytes):
        if not tree:
            raise ValueError("an empty string in an S-expression")
        return b"%d:%s" % (len(tree), tree)
    if depth == 0:
        raise ValueError("the S-expression is nested too deeply")
    return b"(%s)" % b"".join(_canonical(child, depth - 1) for child in tree)


def parse(data: bytes) -> tuple[Parsed, ...]:
    """The tree of a canonical S-expression, lists as tuples.

    Raises ValueError for everything but one canonical list: blanks, other forms of strings, empty strings,
    lengths with leading zeros or past the end, octets behind the list, lists deeper than `DEPTH_MAX`.
    """
    if data[:1] != b"(":
        raise ValueError("a canonical S-expression begins with a parenthesis")
    open_lists: list[list[Parsed]] = [[]]
    offset = 1
    while True:
        octet = data[offset : offset + 1]
        if octet == b")":
            done = tuple(open_lists.pop())
            offset += 1
            if not open_lists:
                break
            open_lists[-1].append(done)
        elif octet == b"(":
            if len(open_lists) == DEPTH_MAX:
                raise ValueError("the S-expression is nested too deeply")
            open_lists.append([])
            offset += 1
        else:
            string, offset = _string(data, offset)
            open_lists[-1].append(string)
    if offset != len(data):
        raise ValueError(f"{len(data) - offset} octets behind the S-expression")
    return done


def _string(data: bytes, offset: int) -> tuple[bytes, int]:
    """The string at `offset`, and the offset behind it."""
    length = _LENGTH.match(data, offset)
    if not length:
        raise ValueError(f"the S-expression is malformed at octet {offset}")
    end = length.end() + int(length[1])
    if end > len(data):
        raise ValueError("a string of the S-expression is cut off")
    return data[length.end() : end], end


def advanced(tree: Sexp) -> bytes:
    """The text for people, laid out as libgcrypt's GCRYSEXP_FMT_ADVANCED does (seen with 1.10.1); ends in LF.

    Strings come as tokens, quoted, or as #hexadecimal#. Octets from A1 up stay as they are within quotes, so
    the result need not be UTF-8. One thing differs: a NUL within a token, which libgcrypt prints raw, makes
    it hexadecimal here. Raises ValueError as `build` does.
    """
    _checked(tree)
    build(tree)
    return _laid_out(tree, 0) + b"\n"


def _laid_out(tree: Sexp, depth: int) -> bytes:
    if isinstance(tree, bytes):
        return _atom(tree)
    indent = b"\n" + b" " * (depth + 1)
    text = b"("
    for index, child in enumerate(tree):
        after_list = index > 0 and not isinstance(tree[index - 1], bytes)
        if index > 0 and not after_list:
            text += b" "
        if after_list or not isinstance(child, bytes):
            text += indent
        text += _laid_out(child, depth + 1)
    return text + (indent if tree and not isinstance(tree[-1], bytes) else b"") + b")"


def _atom(string: bytes) -> bytes:
    # A set top bit in front means a negative number to libgcrypt, hence binary.
    if string[0] >= 0x80 or not _TEXT.fullmatch(string):
        return b"#%s#" % string.hex().upper().encode()
    if _TOKEN.fullmatch(string):
        return string
    return b'"%s"' % b"".join(_QUOTED.get(octet, bytes((octet,))) for octet in string)
