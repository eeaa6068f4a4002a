"""Where a frame begins and ends: its length, its number, its body.

Length (of the body) and number are four octets each, big endian. A reply bears the number of its request, so that an
answer too many is not taken for the answer to the next question; Configure has number 0.
"""

from __future__ import annotations

PREFIX_OCTETS = 8
MAX_BODY = 16 * 1024 * 1024
_NUMBERS = 1 << 32


class FrameError(Exception):
    """A frame that is oversized, malformed or of a wrong shape. The message never holds its content."""


def frame(body: bytes, number: int) -> bytes:
    """The octets of a frame; `number` counts modulo 2^32. Raises FrameError above `MAX_BODY`."""
    if len(body) > MAX_BODY:
        raise FrameError(f"a frame of {len(body)} octets is over the limit of {MAX_BODY}")
    return (len(body) * _NUMBERS + number % _NUMBERS).to_bytes(PREFIX_OCTETS, "big") + body


class FrameSplitter:
    """Turns what arrives, in any portions, into numbers and bodies."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, octets: bytes) -> list[tuple[int, bytes]]:
        """The frames that are complete now. Raises FrameError as soon as a length is over the limit."""
        buffer = self._buffer
        buffer += octets
        frames = []
        start = 0
        while len(buffer) - start >= PREFIX_OCTETS:
            begin = start + PREFIX_OCTETS
            length, number = divmod(int.from_bytes(buffer[start:begin], "big"), _NUMBERS)
            if length > MAX_BODY:
                raise FrameError(f"a frame of {length} octets is over the limit of {MAX_BODY}")
            if len(buffer) - begin < length:
                break
            start = begin + length
            frames.append((number, bytes(buffer[begin:start])))
        del buffer[:start]
        return frames
