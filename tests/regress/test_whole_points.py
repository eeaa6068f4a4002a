"""ECDH answers are whole points 04‖X‖Y; beside a Kyber key in gpg-agent's folder with the true Y.

`sq` and `gpg-sq` take nothing else; gpg-agent 2.5 hashes all of the point for ky768_bp256 and its like.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from scd.assuan.gpgerror import GpgErr
from scd.gcrypt.curves import curve_by_name
from scd.service.kept.stubs import FOLDER
from tests.harness.assuan_client import AssuanClient
from tests.regress.tokens import ANSWERS, PlainTokens, daemon, new_key, public_of

CURVES = [
    "prime256v1", "secp384r1", "secp521r1", "secp256k1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1",
]  # fmt: skip
KYBER_KEY = b"Created: 20260101T000000\nKey: (private-key (kyber768 (p #00AA#)(s #00BB#)))\n"
RSA_KEY = b"Created: 20260101T000000\nKey: (private-key (rsa (n #00AA#)(e #010001#)))\n"


class Card:
    """One EC key on a token of its own, and the same key in openssl's hands."""

    def __init__(self, folder: Path, curve: str) -> None:
        self.folder, self.tokens = folder, PlainTokens(folder / "softhsm")
        path = new_key(curve, folder)
        self.tokens.init("card")
        self.tokens.write("card", "privkey", path, "--id", "01", "--usage-derive")
        self.tokens.write("card", "pubkey", path.with_suffix(".pub"), "--id", "01", "--usage-derive")
        loaded = load_der_private_key(path.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self.private, self.keygrip = loaded, public_of(path).keygrip.hex().upper()

    def file(self, content: bytes) -> None:
        """A file in gpg-agent's folder of private keys."""
        (self.folder / FOLDER).mkdir(exist_ok=True)
        (self.folder / FOLDER / f"{len(content):040X}.key").write_bytes(content)

    def shared(self, ephemeral: int) -> bytes:
        """The point that a peer with this private key shares with ours, computed without ECDH."""
        curve = curve_by_name(self.private.curve.name)
        assert curve is not None
        secret = self.private.private_numbers().private_value * ephemeral % int.from_bytes(curve.n, "big")
        return self.point(secret)

    def point(self, secret: int) -> bytes:
        public = ec.derive_private_key(secret, self.private.curve).public_key()
        return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def derive(self, client: AssuanClient, peer: bytes) -> bytes:
        assert client.transact(f"SETDATA {peer.hex()}").ok
        reply = client.transact(f"PKDECRYPT {self.keygrip}", ANSWERS)
        assert reply.ok, reply.text
        return reply.data

    def peers(self) -> Iterator[int]:
        """Peers whose shared point has an even, and an odd Y."""
        for parity in (0, 1):
            yield next(secret for secret in count(2) if self.shared(secret)[-1] & 1 == parity)


@pytest.mark.parametrize("curve", CURVES)
def test_the_whole_point_is_answered_and_with_a_kyber_key_the_true_one(tmp_path: Path, curve: str) -> None:
    card = Card(tmp_path, curve)
    card.file(RSA_KEY)
    size = (card.private.curve.key_size + 7) // 8
    with daemon(card.tokens, tmp_path) as client:
        for ephemeral in card.peers():
            answer = card.derive(client, card.point(ephemeral))
            assert answer[: 1 + size] == card.shared(ephemeral)[: 1 + size]
            ec.EllipticCurvePublicKey.from_encoded_point(card.private.curve, answer)  # raises ValueError off the curve
        card.file(KYBER_KEY)
        for ephemeral in card.peers():
            assert card.derive(client, card.point(ephemeral)) == card.shared(ephemeral)


def test_the_curves_own_point_and_its_negative_are_no_trouble(tmp_path: Path) -> None:
    """The second derivation is from P + G: twice G, and no point at all."""
    card = Card(tmp_path, "prime256v1")
    card.file(KYBER_KEY)
    curve = curve_by_name("nistp256")
    assert curve is not None
    with daemon(card.tokens, tmp_path) as client:
        assert card.derive(client, card.point(1)) == card.shared(1)
        assert client.transact(f"SETDATA {card.point(int.from_bytes(curve.n, 'big') - 1).hex()}").ok
        reply = client.transact(f"PKDECRYPT {card.keygrip}", ANSWERS)
        assert reply.code == GpgErr.INV_DATA
        assert card.derive(client, card.point(7)) == card.shared(7)
