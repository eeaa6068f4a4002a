"""Where a frame begins and ends: four octets of length, big endian, then the body."""

from __future__ import annotations

LENGTH_OCTETS = 4
MAX_BODY = 16 * 1024 * 1024


class FrameError(Exception):
    """A frame that is oversized, malformed or of a wrong shape. The message never holds its content."""


def frame(body: bytes) -> bytes:
    """`body` with its length in front. Raises FrameError above `MAX_BODY`."""
    if len(body) > MAX_BODY:
        raise FrameError(f"a frame of {len(body)} octets is over the limit of {MAX_BODY}")
    return len(body).to_bytes(LENGTH_OCTETS, "big") + body


class FrameSplitter:
    """Turns what arrives, in any portions, into bodies."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> bool:
        """Part of a frame is waiting for its rest."""
        return bool(self._buffer)

    def feed(self, octets: bytes) -> list[bytes]:
        """The bodies that are complete now. Raises FrameError as soon as a length is over the limit."""
        buffer = self._buffer
        buffer += octets
        bodies = []
        start = 0
        while len(buffer) - start >= LENGTH_OCTETS:
            begin = start + LENGTH_OCTETS
            length = int.from_bytes(buffer[start:begin], "big")
            if length > MAX_BODY:
                raise FrameError(f"a frame of {length} octets is over the limit of {MAX_BODY}")
            if len(buffer) - begin < length:
                break
            start = begin + length
            bodies.append(bytes(buffer[begin:start]))
        del buffer[:start]
        return bodies
