"""OpenPGP keys that gpg 2.2.40 made, as gpg itself shows them: openpgp-keys.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from scd.gcrypt.curves import curve_by_name
from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey


@dataclass(frozen=True, slots=True)
class OpenpgpKey:
    """One key packet. `kdf`: hash and cipher of an ECDH key with length and version in front; None for others."""

    public: PublicKey
    algorithm: int
    created: int
    fingerprint: bytes
    keygrip: bytes
    kdf: bytes | None

    @property
    def name(self) -> str:
        """For a test's id: rsa2048-1, nistp256-18, …"""
        return f"{self.public.algorithm}-{self.algorithm}"


def _key(record: dict[str, str | int]) -> OpenpgpKey:
    def octets(name: str) -> bytes:
        return bytes.fromhex(str(record[name]))

    public: PublicKey
    if "n" in record:
        public = RsaPublicKey(octets("n"), octets("e"))
    else:
        curve = curve_by_name(str(record["curve"]))
        assert curve is not None
        public = EccPublicKey(curve.name, octets("q").removeprefix(b"\x40"))
    kdf = octets("kdf") if "kdf" in record else None
    return OpenpgpKey(
        public, int(record["algorithm"]), int(record["created"]), octets("fingerprint"), octets("keygrip"), kdf
    )


KEYS = [_key(one) for one in json.loads(Path(__file__).with_name("openpgp-keys.json").read_text("utf-8"))["keys"]]
