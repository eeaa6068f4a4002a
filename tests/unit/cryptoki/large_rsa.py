"""RSA keys of 8192 and 16384 bits in no time: their primes are the published ones of Diffie-Hellman groups.

RFC 3526 §5, §7 (from the digits of pi) and RFC 7919 appendices A.3, A.5 (from those of e). Known to everybody, so good
for tests alone.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import rsa

_PI_OFFSET = {4096: 240904, 8192: 4743158}
_E_OFFSET = {4096: 5736041, 8192: 10965728}
_GUARD = 64


def _arctan_of_inverse(x: int, bits: int) -> int:
    term = total = (1 << bits) // x
    divisor, sign = 3, -1
    while term:
        term //= x * x
        total += sign * (term // divisor)
        divisor, sign = divisor + 2, -sign
    return total


def _pi(bits: int) -> int:
    """floor(2^bits · pi), by Machin's formula."""
    work = bits + _GUARD
    return 4 * (4 * _arctan_of_inverse(5, work) - _arctan_of_inverse(239, work)) >> _GUARD


def _e(bits: int) -> int:
    """floor(2^bits · e)."""
    term = total = 1 << (bits + _GUARD)
    divisor = 1
    while term:
        term //= divisor
        total += term
        divisor += 1
    return total >> _GUARD


def _prime(bits: int, digits: int, offset: int) -> int:
    return (1 << bits) - (1 << (bits - 64)) - 1 + ((digits + offset) << 64)


@lru_cache
def large_rsa(bits: int, e: int = 65537) -> rsa.RSAPrivateKey:
    """The key of 8192 or 16384 bits."""
    half = bits // 2
    p = _prime(half, _pi(half - 130), _PI_OFFSET[half])
    q = _prime(half, _e(half - 130), _E_OFFSET[half])
    d = pow(e, -1, (p - 1) * (q - 1) // 2)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q))
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)
