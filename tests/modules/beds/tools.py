"""Programs the beds are built with: pkcs11-tool, Debian's package versions, certificates, background processes."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.harness.tokens import REPOSITORY
from tests.modules.beds.bed import BedKey, Broken, PublicKey, Unavailable

KEYS = REPOSITORY / "softhsm-fixtures" / "keys"
CA = KEYS / "ca.crt.pem"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PATIENCE_S = 60
_STARTING_S = 20


def program(name: str) -> str:
    """The path of a program. Raises Unavailable."""
    found = shutil.which(name, path=PATH)
    if found is None:
        raise Unavailable(f"the program {name} is not installed")
    return found


def package_version(package: str) -> str:
    """The version of a Debian package without epoch and revision; a question mark elsewhere."""
    query = ["dpkg-query", "-f", "${Version}\n", "-W", package]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "?"
    first = (done.stdout.splitlines() or ["?"])[0]
    return first.rpartition(":")[2].partition("-")[0].partition("+")[0] or "?"


def run(command: Sequence[str | Path], env: Mapping[str, str], *, input: bytes = b"") -> bytes:
    """Run to the end and give stdout. Raises Broken with what went wrong."""
    bare = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    program(str(command[0]))
    done = subprocess.run(
        list(map(str, command)),
        env=bare | dict(env),
        input=input,
        capture_output=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if done.returncode:
        shown = " ".join(map(str, command))
        raise Broken(f"{shown}: exit status {done.returncode}: {(done.stderr or done.stdout).decode().strip()}")
    return done.stdout


@contextlib.contextmanager
def background(
    command: Sequence[str | Path], env: Mapping[str, str], log: Path, ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server as long as the block lasts; begins when `ready`. What it says goes to `log`. Raises Broken."""
    bare = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    words = [program(str(command[0])), *map(str, command[1:])]
    with log.open("wb") as said:
        process = subprocess.Popen(
            words, env=bare | dict(env), stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
    try:
        if not _comes_up(process, ready):
            raise Broken(f"{words[0]} did not start: {log.read_text(errors='replace')[-500:].strip()}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _comes_up(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> bool:
    """Look again and again until it is ready, or has ended, or time is up."""
    deadline = time.monotonic() + _STARTING_S
    while time.monotonic() < deadline:
        if ready():
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            return False
    return False


def listens(port: int) -> bool:
    """Whether somebody listens on a TCP port; a connection to try it would be a card."""
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path("/proc/net", table).read_text().splitlines()]
    return any(line[1].endswith(f":{port:04X}") and line[3] == "0A" for line in lines)


def private_key(stem: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    """A checked-in test key of softhsm-fixtures/keys."""
    key = serialization.load_pem_private_key((KEYS / f"{stem}.key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


def certify(public: PublicKey, name: str) -> bytes:
    """A certificate (DER) of the test CA for a key of which only the public half is known."""
    issuer = x509.load_pem_x509_certificate(CA.read_bytes())
    signer = private_key("ca")
    assert isinstance(signer, rsa.RSAPrivateKey)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2044, 1, 1, tzinfo=datetime.UTC))
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


@dataclass(frozen=True)
class Pkcs11Tool:
    """OpenSC's pkcs11-tool on one token."""

    module: Path
    label: str
    pin: str
    env: Mapping[str, str]

    def call(self, *arguments: str | Path) -> bytes:
        """Log in and do one thing."""
        head = ("pkcs11-tool", "--module", self.module, "--token-label", self.label, "--login", "--pin", self.pin)
        return run([*head, *arguments], self.env)

    def generate(self, name: str, cka_id: str, kind: str, *, certified: bool = True) -> BedKey:
        """A key pair made by the token, and unless told otherwise a certificate under the same CKA_ID."""
        self.call("--keypairgen", "--key-type", kind, "--id", cka_id, "--label", name)
        der = self.call("--read-object", "--type", "pubkey", "--id", cka_id)
        public = serialization.load_der_public_key(der)
        assert isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        certificate = certify(public, f"{self.label} {name}") if certified else None
        if certificate is not None:
            self.write_certificate(name, cka_id, certificate)
        return BedKey(name, public, certificate, bytes.fromhex(cka_id))

    def write_certificate(self, name: str, cka_id: str, certificate: bytes) -> None:
        """Store a certificate (DER)."""
        with _file_with(certificate) as path:
            self.call("--write-object", path, "--type", "cert", "--id", cka_id, "--label", name)

    def fill(self, *, elliptic: bool = True) -> dict[str, BedKey]:
        """What every bed holds: id 01 RSA, id 02 P-256, id 03 without certificate."""
        keys = [self.generate("rsa", "01", "rsa:2048")]
        if elliptic:
            keys.append(self.generate("ec", "02", "EC:prime256v1"))
        keys.append(self.generate("bare", "03", "EC:prime256v1" if elliptic else "rsa:2048", certified=False))
        return {key.name: key for key in keys}


@contextlib.contextmanager
def _file_with(octets: bytes) -> Iterator[Path]:
    descriptor = os.memfd_create("certificate")
    try:
        os.write(descriptor, octets)
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)
