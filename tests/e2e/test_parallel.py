"""Many clients of one agent at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.ssh import public_line
from tests.e2e.user import grip, key_by_grip, make_stubs, with_roles
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted

CLIENTS = 8


@pytest.mark.parametrize(("name", "kind"), [("rsa2048-bare", "RSA"), ("p256-ecdh", "ECDH")])
def test_eight_decryptions_at_once_all_succeed(home: GnupgHome, work: Minted, name: str, kind: str) -> None:
    objects = work.tokens["work"].objects
    make_stubs(home)
    fingerprint = key_by_grip(home, "RSA", grip(objects["rsa2048"]), subkey=(kind, grip(objects[name])))
    letters = [f"Letter number {number}.\n".encode() * 200 for number in range(CLIENTS)]
    secrets = [home.gpg("-e", "-r", fingerprint, input=letter).stdout for letter in letters]
    home.stop_agent()
    home.pinentry.forget_prompts()

    with ThreadPoolExecutor(CLIENTS) as pool:
        read = list(pool.map(lambda secret: home.gpg("-d", input=secret).stdout, secrets))

    assert read == letters
    assert [prompt.kind for prompt in home.pinentry.prompts] == ["pin"]


def test_decryptions_and_ssh_signatures_go_together(home: GnupgHome, work: Minted) -> None:
    objects = work.tokens["work"].objects
    with_roles(home, auth=grip(objects["ed25519"]))
    make_stubs(home)
    fingerprint = key_by_grip(home, "RSA", grip(objects["rsa2048"]), subkey=("RSA", grip(objects["rsa2048-bare"])))
    home.write("key.pub", public_line(objects["ed25519"]) + "\n")
    letters = [f"Letter number {number}.\n" for number in range(CLIENTS)]
    secrets = [home.gpg("-e", "-r", fingerprint, input=letter).stdout for letter in letters]

    def decrypt(number: int) -> str:
        return home.gpg("-d", input=secrets[number]).out

    def sign(number: int) -> str:
        letter = home.write(f"letter{number}.txt", letters[number])
        home.run("ssh-keygen", "-Y", "sign", "-n", "file", "-f", "key.pub", letter)
        return letter.with_suffix(".txt.sig").read_text()

    with ThreadPoolExecutor(CLIENTS) as pool:
        reading = [pool.submit(decrypt, number) for number in range(CLIENTS // 2)]
        signing = [pool.submit(sign, number) for number in range(CLIENTS // 2)]

    assert [done.result() for done in reading] == letters[: CLIENTS // 2]
    assert all("BEGIN SSH SIGNATURE" in done.result() for done in signing)
