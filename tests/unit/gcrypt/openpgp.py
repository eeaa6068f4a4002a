"""OpenPGP keys that gpg 2.2.40 made, as gpg itself shows them: openpgp-keys.json; and two of version 5 by gpg 2.4.7."""

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

VERSION_5 = [
    OpenpgpKey(
        EccPublicKey(
            "Ed448",
            bytes.fromhex(
                "C9EAED04F9BCC273726050DB7E467EA87782D0D3182DD5DE8BAF19741DB86B37"
                "96A2A23E18382EAC0E89A16F36BD59BA482C42E5ED5B069200"
            ),
        ),
        22,
        1795882220,
        bytes.fromhex("BE64A3E2C4D478FAD7E7139EB459FCC4C9E6B91A6A13347C74BE7D2EDA29777A"),
        bytes.fromhex("CC7F7C911572B822674A109D53C7BF1B9F1A53E3"),
        None,
    ),
    OpenpgpKey(
        EccPublicKey(
            "X448",
            bytes.fromhex(
                "BFAFF6DF86D55D1F44C567F3C9C01E053C0B04E6191599F123266E9785573FFF"
                "B11BE09393E2EC276E9988BDA58A4843AF52AA3F30754ED1"
            ),
        ),
        18,
        1795882220,
        bytes.fromhex("DA65EF1818A2A83CDF098C2779A0305C459332CA08B22C1C1B67D6317C6285CF"),
        bytes.fromhex("575FBD3C556AEC41B1F52589FCA02D8FD0054275"),
        bytes.fromhex("03010A09"),
    ),
]
