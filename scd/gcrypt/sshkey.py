"""Public keys in OpenSSH's form, one line of an authorized_keys file.

Source: RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709.
"""

from __future__ import annotations

from binascii import b2a_base64

from scd.gcrypt.mpi import signed
from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey

COMMENT = "(none)"
"""What scdaemon (2.4, 2.5) puts behind the key in READKEY --format=ssh."""

_NIST = {"NIST P-256": b"nistp256", "NIST P-384": b"nistp384", "NIST P-521": b"nistp521"}
# RFC 8709 names ssh-ed448 and scdaemon 2.4 prints it; OpenSSH 9 has no such key type.
_EDWARDS = {"Ed25519": b"ssh-ed25519", "Ed448": b"ssh-ed448"}


def ssh_line(key: PublicKey) -> str:
    """Key type, base64 and the comment `(none)`, without LF at the end (scdaemon 2.4 sends none).

    Raises ValueError for a curve ssh has no key type for.
    """
    fields = _rsa(key) if isinstance(key, RsaPublicKey) else _ecc(key)
    blob = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return f"{fields[0].decode()} {b2a_base64(blob, newline=False).decode()} {COMMENT}"


def _rsa(key: RsaPublicKey) -> tuple[bytes, ...]:
    return b"ssh-rsa", signed(key.e), signed(key.n)


def _ecc(key: EccPublicKey) -> tuple[bytes, ...]:
    if nist := _NIST.get(key.curve):
        return b"ecdsa-sha2-" + nist, nist, key.q
    if edwards := _EDWARDS.get(key.curve):
        return edwards, key.q
    raise ValueError(f"ssh has no key type for {key.curve}")
