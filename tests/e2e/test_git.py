"""git signs commits with a token's keys, in its three formats."""

from __future__ import annotations

from tests.e2e.ssh import SIGNER, public_line
from tests.e2e.test_gpgsm import ca_of
from tests.e2e.user import grip, is_gnupg_25, key_by_grip, learn, make_stubs, with_roles
from tests.harness.gnupg import GnupgHome, Result
from tests.harness.tokens import Minted


def signed_commit(home: GnupgHome, **settings: str) -> Result:
    """Make a signed commit in a new repository, and give what `git verify-commit` says of it."""
    git = ["git", "-C", "repository"]
    for name, value in {"user.name": "Alice Example", "user.email": SIGNER, **settings}.items():
        git += ["-c", f"{name.replace('_', '.')}={value}"]
    home.run("git", "init", "-q", "repository")
    home.run(*git, "commit", "-q", "--allow-empty", "-S", "-m", "A signed commit")
    return home.run(*git, "verify-commit", "--raw", "HEAD")


def test_openpgp_commit(home: GnupgHome, work: Minted) -> None:
    make_stubs(home)
    fingerprint = key_by_grip(home, "ECDSA", grip(work.tokens["work"].objects["p256"]))

    verified = signed_commit(home, gpg_program="gpg", user_signingkey=fingerprint)

    assert f"VALIDSIG {fingerprint}" in verified.err


def standard_input_by_name(home: GnupgHome) -> None:
    """`gpgsm --verify FILE -`, as git calls it, opens a file with that name: seen with 2.5.12."""
    (home.path / "repository").mkdir()
    (home.path / "repository" / "-").symlink_to("/dev/stdin")


def test_x509_commit(home: GnupgHome, work: Minted) -> None:
    learn(home, ca_of(work))
    keygrip = work.tokens["work"].objects["rsa2048"].keygrip
    if is_gnupg_25():
        standard_input_by_name(home)

    verified = signed_commit(home, gpg_format="x509", gpg_x509_program="gpgsm", user_signingkey=f"&{keygrip}")

    assert "GOODSIG" in verified.err


def test_ssh_commit(home: GnupgHome, work: Minted) -> None:
    entry = work.tokens["work"].objects["ed25519"]
    with_roles(home, auth=grip(entry))
    home.start_agent()
    allowed = home.write("allowed", f"{SIGNER} {public_line(entry)}\n")

    verified = signed_commit(
        home,
        gpg_format="ssh",
        gpg_ssh_allowedSignersFile=str(allowed),
        user_signingkey=f"key::{public_line(entry)}",
    )

    assert f'Good "git" signature for {SIGNER}' in verified.out + verified.err
