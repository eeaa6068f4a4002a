"""ssh with a token's keys, through gpg-agent."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import SSHCertificate, load_ssh_public_identity

from tests.e2e.ssh import offered, public_line, ssh_sign_and_verify
from tests.e2e.user import grip, is_gnupg_22, is_gnupg_25, lines_to_daemon, make_stubs, with_roles
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted

FOR_SSH = ("rsa2048", "p256", "p384", "ed25519", "rsa2048-bare", "ed25519-bare")


def test_card_key_is_offered_without_any_set_up(home: GnupgHome, work: Minted) -> None:
    possible = {public_line(work.tokens["work"].objects[name]) for name in FOR_SSH}

    listing = offered(home)

    if is_gnupg_22():
        assert len(listing) == 1
        assert set(listing) < possible
    else:
        assert set(listing) == possible
    assert all(comment.startswith("cardno:") for comment in listing.values())
    assert home.pinentry.prompts == []


@pytest.mark.parametrize("name", FOR_SSH)
def test_key_configured_for_authentication_signs(home: GnupgHome, work: Minted, name: str) -> None:
    entry = work.tokens["work"].objects[name]
    with_roles(home, auth=grip(entry))

    assert public_line(entry) in offered(home)
    ssh_sign_and_verify(home, entry)


def test_keys_in_sshcontrol_are_offered_and_sign(home: GnupgHome, work: Minted) -> None:
    entries = [work.tokens["work"].objects[name] for name in FOR_SSH]
    make_stubs(home)
    home.write("sshcontrol", "".join(f"{entry.keygrip} 0\n" for entry in entries))

    assert {public_line(entry) for entry in entries} <= set(offered(home))
    for entry in entries:
        ssh_sign_and_verify(home, entry)


def test_key_for_decryption_is_not_offered(home: GnupgHome, work: Minted) -> None:
    assert public_line(work.tokens["work"].objects["p256-ecdh"]) not in offered(home)


def test_rsa_signs_with_both_of_sshs_digests(home: GnupgHome, work: Minted) -> None:
    entry = work.tokens["work"].objects["rsa2048"]
    with_roles(home, auth=grip(entry))
    home.start_agent()
    home.write("key.pub", public_line(entry) + "\n")
    home.write("certified.pub", public_line(work.tokens["work"].objects["p256"]) + "\n")

    for algorithm in ("rsa-sha2-256", "rsa-sha2-512"):
        home.run(
            "ssh-keygen", "-q", "-U", "-s", "key.pub", "-t", algorithm, "-I", "x", "-n", "alice", "certified.pub"
        )  # fmt: skip
        shown = home.run("ssh-keygen", "-L", "-f", "certified-cert.pub").out
        assert f"using {algorithm}" in shown


@pytest.mark.parametrize("name", ["ed25519", "p384", "rsa2048"])
def test_certificate_longer_than_a_line_is_signed(home: GnupgHome, work: Minted, name: str) -> None:
    """An Ed25519 key is sent the whole of it; a digest of it otherwise."""
    if not is_gnupg_25():
        pytest.skip("gpg-agent before 2.5 refuses to sign more than a line holds")
    home.start_agent()
    home.write("key.pub", public_line(work.tokens["work"].objects[name]) + "\n")
    home.write("certified.pub", public_line(work.tokens["work"].objects["p256"]) + "\n")
    principals = ",".join(f"somebody{number:03}" for number in range(100))

    home.run("ssh-keygen", "-q", "-U", "-s", "key.pub", "-I", "x", "-n", principals, "certified.pub")

    certificate = load_ssh_public_identity((home.path / "certified-cert.pub").read_bytes())
    assert isinstance(certificate, SSHCertificate)
    assert len(certificate.valid_principals) == 100
    certificate.verify_cert_signature()
    assert bool(lines_to_daemon(home, "SETDATA --append")) is (name == "ed25519")
