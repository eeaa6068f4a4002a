"""The authorized_keys form against scdaemon, ssh-keygen and cryptography."""

from __future__ import annotations

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey
from scd.gcrypt.sshkey import ssh_line
from tests.unit.gcrypt.recorded import PIV_9A, PIV_9A_SSH

# ssh-keygen -t ed25519, OpenSSH 9.2
SSH_KEYGEN_ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIKcz2JVQqNsjv7ESpwrCExpUWT8isiNLggVwDhjsFSN7"


def openssh(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> str:
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + " (none)"


def test_line_is_the_one_scdaemon_sends() -> None:
    assert ssh_line(PIV_9A) == PIV_9A_SSH


def test_line_is_the_one_ssh_keygen_writes() -> None:
    q = b64decode(SSH_KEYGEN_ED25519)[-32:]

    assert ssh_line(EccPublicKey("Ed25519", q)) == f"ssh-ed25519 {SSH_KEYGEN_ED25519} (none)"


@pytest.mark.parametrize(
    ("name", "curve"),
    [("NIST P-256", ec.SECP256R1()), ("NIST P-384", ec.SECP384R1()), ("NIST P-521", ec.SECP521R1())],
)
def test_nist_line_is_the_one_cryptography_writes(name: str, curve: ec.EllipticCurve) -> None:
    public = ec.generate_private_key(curve).public_key()
    q = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    assert ssh_line(EccPublicKey(name, q)) == openssh(public)


def test_ed25519_line_is_the_one_cryptography_writes() -> None:
    public = ed25519.Ed25519PrivateKey.generate().public_key()

    assert ssh_line(EccPublicKey("Ed25519", public.public_bytes_raw())) == openssh(public)


@pytest.mark.parametrize("exponent", [3, 65537, 0xC0000001])
def test_rsa_line_is_the_one_cryptography_writes(exponent: int) -> None:
    """An exponent with the top bit set gets a 00 in front, as the modulus does."""
    modulus = int.from_bytes(PIV_9A.n, "big")
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    key = RsaPublicKey(PIV_9A.n, exponent.to_bytes(8, "big"))

    assert ssh_line(key) == openssh(public)


def test_ed448_line_is_as_rfc_8709_has_it() -> None:
    kind, blob, comment = ssh_line(EccPublicKey("Ed448", bytes(range(57)))).split(" ")

    assert (kind, comment) == ("ssh-ed448", "(none)")
    assert b64decode(blob) == b"\0\0\0\x09ssh-ed448\0\0\0\x39" + bytes(range(57))


@pytest.mark.parametrize(
    "key",
    [
        EccPublicKey("Curve25519", bytes(32)),
        EccPublicKey("X448", bytes(56)),
        EccPublicKey("secp256k1", b"\x04" + bytes(64)),
        EccPublicKey("brainpoolP256r1", b"\x04" + bytes(64)),
    ],
    ids=lambda key: key.curve,
)
def test_curve_unknown_to_ssh_is_refused_by_name(key: PublicKey) -> None:
    assert isinstance(key, EccPublicKey)

    with pytest.raises(ValueError, match=f"no key type for {key.curve}"):
        ssh_line(key)
