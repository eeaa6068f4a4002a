"""NSS softoken, a module of another make: init arguments, buffers of exact size, ids that are hashes, two slots."""

from __future__ import annotations

import glob
import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PublicFormat,
    pkcs12,
)

from tests.fakes.keys import FOLDER, private_key, public_of
from tests.softhsm.scenarios import Values, in_own_process, nss

PIN = "nss-pin-693147"
RSA, P256 = "work-rsa2048", "work-p256"
PLACES = ("/usr/lib/*/libsoftokn3.so", "/usr/lib/*/nss/libsoftokn3.so", "/usr/lib64/libsoftokn3.so")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Values:
    """What the scenario said of a database with an RSA and a P-256 key and their certificates."""
    libraries = [path for place in PLACES for path in glob.glob(place)]
    if not libraries or not shutil.which("certutil") or not shutil.which("pk12util"):
        pytest.skip("libsoftokn3.so, certutil or pk12util (packages libnss3 and libnss3-tools) is not installed")
    folder = tmp_path_factory.mktemp("nss")
    secret = folder / "password"
    secret.write_text(PIN + "\n", encoding="ascii")
    _run("certutil", "-N", "-d", f"sql:{folder}", "-f", secret)
    for name in (RSA, P256):
        certificate = x509.load_pem_x509_certificate((FOLDER / f"{name}.crt.pem").read_bytes())
        key = private_key(name)
        assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        packed = pkcs12.serialize_key_and_certificates(
            name.encode(), key, certificate, None, BestAvailableEncryption(PIN.encode())
        )
        (folder / f"{name}.p12").write_bytes(packed)
        _run("pk12util", "-i", folder / f"{name}.p12", "-d", f"sql:{folder}", "-k", secret, "-w", secret)
    rsa_key = private_key(RSA)
    assert isinstance(rsa_key, rsa.RSAPrivateKey)
    told = {
        "module": libraries[0],
        "init_args": f"configdir='sql:{folder}' certPrefix='' keyPrefix='' secmod='secmod.db' flags=",
        "pin": PIN,
        "ciphertext": rsa_key.public_key().encrypt(b"session key", padding.PKCS1v15()).hex(),
        "point": peer().public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex(),
    }
    return in_own_process(nss, told)


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def peer() -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(0x1234567, ec.SECP256R1())


def p256() -> ec.EllipticCurvePrivateKey:
    key = private_key(P256)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def test_both_keys_are_listed_with_their_certificates(answers: Values) -> None:
    assert answers["slots"] == 2
    assert answers["skipped"] == []
    listed = {entry["keygrip"]: entry for entry in answers["after"]}
    assert listed.keys() == {public_of(private_key(name)).keygrip.hex().upper() for name in (RSA, P256)}
    assert all(entry["certificate"] and entry["private"] and entry["sign"] for entry in listed.values())


def test_before_the_login_they_are_presumed(answers: Values) -> None:
    assert {entry["keygrip"] for entry in answers["before"]} == {entry["keygrip"] for entry in answers["after"]}
    assert not any(entry["private"] for entry in answers["before"])


def test_rsa_signs_and_decrypts(answers: Values) -> None:
    key = private_key(RSA)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.public_key().public_numbers()
    opened = pow(int(answers["rsa"], 16), numbers.e, numbers.n).to_bytes(256, "big")
    assert opened.endswith(b"\xff\0" + b"x" * 36)
    assert answers["plain"] == "session key"


def test_p256_signs_and_derives(answers: Values) -> None:
    signature = bytes.fromhex(answers["ecdsa"])
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    scheme = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
    p256().public_key().verify(utils.encode_dss_signature(r, s), bytes(32), scheme)
    assert bytes.fromhex(answers["shared"]) == peer().exchange(ec.ECDH(), p256().public_key())
