"""ssh's side of the end-to-end tests: public keys as ssh spells them, signatures through the agent."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.e2e.user import MESSAGE
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import MintedObject

SIGNER = "alice@example.org"


def public_line(entry: MintedObject) -> str:
    """The type and base64 that ssh shows for this key, computed without the daemon."""
    assert entry.key_pem is not None
    public = load_pem_private_key(entry.key_pem.read_bytes(), password=None).public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def offered(home: GnupgHome) -> dict[str, str]:
    """What `ssh-add -L` lists: comment by "type base64"."""
    home.start_agent()
    listing = home.run("ssh-add", "-L").out.splitlines()
    return {" ".join(line.split(" ")[:2]): line.split(" ", 2)[2] for line in listing}


def ssh_sign_and_verify(home: GnupgHome, entry: MintedObject) -> None:
    """Sign a letter with this key through the agent and have ssh-keygen verify it."""
    home.start_agent()
    home.write("key.pub", public_line(entry) + "\n")
    home.write("allowed", f"{SIGNER} {public_line(entry)}\n")
    home.write("letter.txt", MESSAGE.decode())
    (home.path / "letter.txt.sig").unlink(missing_ok=True)
    home.run("ssh-keygen", "-Y", "sign", "-n", "file", "-f", "key.pub", "letter.txt")
    home.run(
        "ssh-keygen", "-Y", "verify", "-n", "file", "-f", "allowed", "-I", SIGNER, "-s", "letter.txt.sig",
        input=MESSAGE,
    )  # fmt: skip
