"""No PIN and no data to be signed or decrypted in any log, however much is logged, nor in a core file."""

from __future__ import annotations

import base64
import os
import resource
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.harness.assuan_client import AssuanClient, pin_reply
from tests.harness.tokens import Minted
from tests.modes.stage import Stage

WRONG_PIN = "wrong-pin-998877"
INFO = bytes.fromhex("3031300D060960864801650304020105000420")

EVERYTHING = {
    "debug-all": ("--debug-all",),
    "all the rest": ("-vvv", "--debug", "0xffff", "--debug-level", "guru"),
    "level by number": ("-v", "--debug-level", "9"),
    "by the file": (),
}


@pytest.mark.parametrize("options", EVERYTHING.values(), ids=EVERYTHING)
def test_no_secret_is_logged(token_stage: Stage, work: Minted, options: tuple[str, ...]) -> None:
    if not options:
        token_stage.configure("verbose\nverbose\ndebug-all\n" + token_stage.config)
    daemon = token_stage.start("--multi-server", *options)
    client = daemon.ready()
    pin, digest, plain = work.tokens["work"].pin, os.urandom(32), os.urandom(32)
    key = work.tokens["work"].objects["rsa2048"]

    signature = _sign(client, f"{key.keygrip}", digest, pin)
    encrypted = _encrypted(key.key_pem, plain)
    assert client.transact("SETDATA " + encrypted.hex()).ok
    opened = client.transact(f"PKDECRYPT {key.keygrip}", {"NEEDPIN": pin_reply(pin)})
    assert opened.ok
    assert plain in opened.data
    assert client.transact("CHECKPIN", {"NEEDPIN": pin_reply(pin)}).code in (0, 280)
    client.send_raw(b"D " + pin.encode() + b"\nEND\n")  # out of place: refused, and nobody's business
    assert [client.read_reply().ok for _ in range(2)] == [False, False]
    daemon.hang_up()
    assert daemon.end() == 0

    told = token_stage.logged + token_stage.said
    assert "PKSIGN" in told  # it was a log worth the name
    for secret in (pin.encode(), WRONG_PIN.encode(), digest, plain, encrypted[:32], signature[:32]):
        for form in _forms(secret):
            assert form not in told


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, reason="no process has core files here")
@pytest.mark.parametrize("mode", ["--server", "--multi-server"])
def test_the_daemon_may_write_no_core_file(stage: Stage, mode: str) -> None:
    """PINs pass through it; whoever starts it may allow core files of any size."""
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    daemon = stage.start(mode, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most)))
    daemon.ready()

    assert resource.prlimit(daemon.pid, resource.RLIMIT_CORE) == (0, 0)
    daemon.hang_up()
    assert daemon.end() == 0


def _sign(client: AssuanClient, grip: str, digest: bytes, pin: str) -> bytes:
    """A signature after a wrong PIN."""
    assert client.transact("SETDATA " + (INFO + digest[:10]).hex()).ok
    assert client.transact("SETDATA --append " + digest[10:].hex()).ok
    wrong = client.transact(f"PKSIGN --hash=sha256 {grip}", {"NEEDPIN": pin_reply(WRONG_PIN)})
    assert not wrong.ok
    assert client.transact("SETDATA " + (INFO + digest).hex()).ok
    right = client.transact(f"PKSIGN --hash=sha256 {grip}", {"NEEDPIN": pin_reply(pin)})
    assert right.ok, right
    return right.data


def _encrypted(key_pem: Path | None, plain: bytes) -> bytes:
    assert key_pem is not None
    key = load_pem_private_key(key_pem.read_bytes(), None)
    encrypted: bytes = key.public_key().encrypt(plain, PKCS1v15())  # type: ignore[union-attr]  # an RSA key
    return encrypted


def _forms(secret: bytes) -> list[str]:
    """How it may be written: as text, in hexadecimal, in base64, as Python shows it."""
    text = secret.decode("latin-1")
    return [text, secret.hex(), secret.hex().upper(), base64.b64encode(secret).decode().rstrip("="), repr(secret)[2:-1]]
