"""The words for two kinds of numbers of real smart cards, which clients ask of any card daemon.

The manufacturers are those registered for OpenPGP cards (protocol reference, 2.15), the status words those of ISO
7816-4 that scdaemon 2.5.13 has words for.
"""

from __future__ import annotations

PKCS11 = 0x3131
"""What gnupg-pkcs11-scd and scd put into their serial numbers; nobody has registered it."""

_MANUFACTURERS = {
    0x0000: "test card", 0x0001: "PPC Card Systems", 0x0002: "Prism", 0x0003: "OpenFortress", 0x0004: "Wewid",
    0x0005: "ZeitControl", 0x0006: "Yubico", 0x0007: "OpenKMS", 0x0008: "LogoEmail", 0x0009: "Fidesmo",
    0x000A: "VivoKey", 0x000B: "Feitian Technologies", 0x000D: "Dangerous Things", 0x000E: "Excelsecu",
    0x000F: "Nitrokey", 0x0010: "NeoPGP", 0x0011: "Token2", 0x002A: "Magrathea", 0x0042: "GnuPG e.V.",
    0x1337: "Warsaw Hackerspace", 0x2342: "warpzone", PKCS11: "PKCS#11", 0x4354: "Confidential Technologies",
    0x5343: "SSE Carte à puce", 0x5443: "TIF-IT e.V.", 0x63AF: "Trustica", 0xBA53: "c-base e.V.",
    0xBD0E: "Paranoidlabs", 0xCA05: "Atos CardOS", 0xF1D0: "CanoKeys", 0xF517: "FSIJ", 0xF5EC: "F-Secure",
    0xFFFF: "test card",
}  # fmt: skip

_STATUS_WORDS = {
    0x6282: "end of file reached", 0x6285: "file is terminated", 0x6581: "memory failure",
    0x6600: "no confirmation in time", 0x6700: "wrong length", 0x6882: "secure messaging not supported",
    0x6884: "command chaining not supported", 0x6981: "command does not fit the file's structure",
    0x6982: "PIN not verified", 0x6983: "PIN blocked", 0x6984: "reference data not usable",
    0x6985: "conditions of use not satisfied", 0x6986: "no current file", 0x6A80: "wrong parameter in the data",
    0x6A81: "function not supported", 0x6A82: "file not found", 0x6A83: "record not found",
    0x6A84: "not enough memory in the file", 0x6A85: "length does not fit the data's structure",
    0x6A86: "wrong parameters P1-P2", 0x6A87: "length does not fit P1-P2", 0x6A88: "reference not found",
    0x6B00: "wrong parameters P1-P2", 0x6D00: "instruction not supported", 0x6E00: "class not supported",
    0x9000: "success",
}  # fmt: skip
# Of these the lower octet is a number of octets.
_STATUS_CLASSES = {0x6100: "more data available", 0x6C00: "exact length needed"}


def manufacturer(number: int) -> str:
    """The name registered for the number; cards with serial numbers of their own making have the last 255."""
    known = _MANUFACTURERS.get(number)
    return known or ("unmanaged S/N range" if number & 0xFF00 == 0xFF00 else "unknown")


def status_word(number: int) -> str:
    """What a card's status word says."""
    return _STATUS_WORDS.get(number) or _STATUS_CLASSES.get(number & ~0xFF) or "unknown status word"
