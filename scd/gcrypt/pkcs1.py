"""PKCS#1 v1.5 padding by hand, for tokens that offer nothing but raw RSA (CKM_RSA_X_509).

Source: RFC 8017 §7.2, §9.2.
"""

from __future__ import annotations

_PADDING_MIN = 8
_OVERHEAD = 3 + _PADDING_MIN
_BAD_PADDING = "the decrypted block is not padded as PKCS#1 v1.5 demands"


def pad_signature(block: bytes, length: int) -> bytes:
    """00 01 FF…FF 00 and `block`, in all `length` octets, the modulus length.

    `block` is normally a DigestInfo. Raises ValueError when fewer than eight octets of padding would fit.
    """
    fill = length - len(block) - 3
    if fill < _PADDING_MIN:
        raise ValueError(f"{len(block)} octets do not fit an RSA key of {length} octets")
    return b"\x00\x01" + b"\xff" * fill + b"\x00" + block


def unpad_decrypted(block: bytes) -> bytes:
    """The message in a decrypted block, 00 02, eight or more non-zero octets, 00, message.

    The first 00 may be missing (seen with tokens that return a number). Raises ValueError with one and the
    same text whatever is wrong, after having looked at every octet: which octet was wrong is what an attacker
    wants to know (Bleichenbacher). Python promises no constant time; the work done here does at least not
    stop at the first error.
    """
    whole = block if block[:1] == b"\0" else b"\0" + block
    separator, searching = 0, 1
    for index in range(2, len(whole)):
        found = searching & (whole[index] == 0)
        separator |= index * found
        searching ^= found
    wrong_type = whole[1:2] != b"\x02"
    if searching | wrong_type | (separator < _OVERHEAD - 1):
        raise ValueError(_BAD_PADDING)
    return whole[separator + 1 :]
