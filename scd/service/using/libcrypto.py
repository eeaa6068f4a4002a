"""The sum of two points, by OpenSSL's libcrypto: `cryptography` has no function for it (ADR 17)."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache

from scd.gcrypt.curve import Curve

_UNCOMPRESSED = 4  # POINT_CONVERSION_UNCOMPRESSED
_LIBRARIES = ("libcrypto.so.3", "libcrypto.so.4", "libcrypto.so.1.1")
_POINTER, _INT, _SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t

_FUNCTIONS = {
    "BN_bin2bn": (_POINTER, (ctypes.c_char_p, _INT, _POINTER)),
    "BN_free": (None, (_POINTER,)),
    "EC_GROUP_new_curve_GFp": (_POINTER, (_POINTER, _POINTER, _POINTER, _POINTER)),
    "EC_GROUP_free": (None, (_POINTER,)),
    "EC_POINT_new": (_POINTER, (_POINTER,)),
    "EC_POINT_clear_free": (None, (_POINTER,)),
    "EC_POINT_oct2point": (_INT, (_POINTER, _POINTER, ctypes.c_char_p, _SIZE, _POINTER)),
    "EC_POINT_add": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
    "EC_POINT_point2oct": (_SIZE, (_POINTER, _POINTER, _INT, ctypes.c_char_p, _SIZE, _POINTER)),
}


def add(curve: Curve, first: bytes, second: bytes) -> bytes:
    """The sum of two points of a Weierstrass curve, all as 04‖X‖Y; one octet 0 for the point at infinity.

    Raises ValueError for what is no point of the curve, OSError where no libcrypto does this on this curve.
    """
    library = _library()
    with ExitStack() as stack:
        group = stack.enter_context(_group(library, curve))
        left, right, total = (stack.enter_context(_point(library, group)) for _ in range(3))
        for point, octets in ((left, first), (right, second)):
            if not library.EC_POINT_oct2point(group, point, octets, len(octets), None):
                raise ValueError(f"not a point of {curve.name}")
        if not library.EC_POINT_add(group, total, left, right, None):
            raise OSError(f"libcrypto cannot add points of {curve.name}")
        encoded = ctypes.create_string_buffer(curve.q_bytes)
        length = library.EC_POINT_point2oct(group, total, _UNCOMPRESSED, encoded, curve.q_bytes, None)
        return encoded.raw[:length]


@contextmanager
def _group(library: ctypes.CDLL, curve: Curve) -> Iterator[int]:
    with ExitStack() as stack:
        p, a, b = (library.BN_bin2bn(value, len(value), None) for value in (curve.p, curve.a, curve.b))
        for number in (p, a, b):
            stack.callback(library.BN_free, number)
        group = library.EC_GROUP_new_curve_GFp(p, a, b, None)
    if not group:
        raise OSError(f"libcrypto does not take the curve {curve.name}")
    try:
        yield group
    finally:
        library.EC_GROUP_free(group)


@contextmanager
def _point(library: ctypes.CDLL, group: int) -> Iterator[int]:
    point = library.EC_POINT_new(group)
    if not point:
        raise MemoryError
    try:
        yield point
    finally:
        library.EC_POINT_clear_free(point)


@cache
def _library() -> ctypes.CDLL:
    library = _load()
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _load() -> ctypes.CDLL:
    for name in _LIBRARIES[:-1]:
        with suppress(OSError):
            return ctypes.CDLL(name)
    return ctypes.CDLL(_LIBRARIES[-1])
