"""Big numbers as octets: unsigned as PKCS#11 has them, signed as libgcrypt and ssh write them."""

from __future__ import annotations


def unsigned(number: bytes) -> bytes:
    """Big endian without leading zero octets; zero is empty."""
    return number.lstrip(b"\0")


def signed(number: bytes) -> bytes:
    """An unsigned big endian number as a signed one, shortest form: 00 in front when the top bit is set."""
    number = unsigned(number)
    return b"\0" + number if number[:1] >= b"\x80" else number
