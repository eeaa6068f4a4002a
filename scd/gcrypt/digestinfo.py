"""PKCS#1 DigestInfo: the DER prefixes that say which hash follows.

gpg-agent sends prefix and hash together in SETDATA (agent/divert-scd.c, 2.2 to 2.5). Source of the prefixes:
RFC 8017 §9.2 note 1; for rmd160 the object identifier is TeleTrusT's, as libgcrypt has it. Names are GnuPG's.
"""

from __future__ import annotations

PREFIXES: dict[str, bytes] = {
    "md5": bytes.fromhex("3020300C06082A864886F70D020505000410"),
    "sha1": bytes.fromhex("3021300906052B0E03021A05000414"),
    "rmd160": bytes.fromhex("3021300906052B2403020105000414"),
    "sha224": bytes.fromhex("302D300D06096086480165030402040500041C"),
    "sha256": bytes.fromhex("3031300D060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300D060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300D060960864801650304020305000440"),
}
"""DER in front of the hash, by hash name. The last octet is the length of the hash."""

HASH_LENGTHS: dict[str, int] = {name: prefix[-1] for name, prefix in PREFIXES.items()}
"""Octets of a hash, by name."""


def recognise(data: bytes) -> tuple[str, bytes] | None:
    """Name and value of the hash in a DigestInfo; None when `data` is not exactly one of a known hash."""
    for name, prefix in PREFIXES.items():
        if data.startswith(prefix) and len(data) == len(prefix) + HASH_LENGTHS[name]:
            return name, data[len(prefix) :]
    return None


def add(hash_name: str, digest: bytes) -> bytes:
    """The DigestInfo of a bare hash. Raises ValueError for an unknown name and for a wrong length."""
    length = HASH_LENGTHS.get(hash_name)
    if length is None:
        raise ValueError(f"unknown hash '{hash_name}', known are {', '.join(PREFIXES)}")
    if len(digest) != length:
        raise ValueError(f"a {hash_name} hash has {length} octets, not {len(digest)}")
    return PREFIXES[hash_name] + digest


def strip_sha1_prefix(data: bytes) -> bytes | None:
    """What follows a SHA-1 prefix, whatever its length; None when `data` does not begin with one.

    The agent's ssh side puts this prefix in front of the whole unhashed message for Ed25519 and Ed448 keys
    (2.2 to 2.5).
    """
    prefix = PREFIXES["sha1"]
    return data[len(prefix) :] if data.startswith(prefix) else None
