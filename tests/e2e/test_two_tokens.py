"""Several tokens of one module, and tokens of two modules, in one daemon."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.ssh import offered, public_line, ssh_sign_and_verify
from tests.e2e.user import (
    encrypt_and_decrypt,
    grip,
    is_gnupg_22,
    is_gnupg_25,
    key_by_grip,
    lines_to_daemon,
    make_stubs,
    sign_and_verify,
    stubs,
)
from tests.harness import processes
from tests.harness.drawer import Drawer
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted

CLIENT_MODULES = ("/usr/lib/*/pkcs11/p11-kit-client.so", "/usr/lib64/pkcs11/p11-kit-client.so")


def knows_pins(home: GnupgHome, tokens: Minted) -> None:
    """The person types each token's own PIN, by the token's name in the window; any other text is cancelled."""
    for token in tokens.tokens.values():
        home.pinentry.for_text(f'"{token.label}"', token.pin)


@pytest.fixture
def both(tokens_of: TokensOf) -> Minted:
    """Two tokens of one module."""
    return tokens_of("work", "backup")


@pytest.fixture
def home_of_both(gnupg_home: MakeHome, both: Minted) -> GnupgHome:
    """A home with the two tokens."""
    home: GnupgHome = gnupg_home(both)
    knows_pins(home, both)
    return home


def serials(home: GnupgHome) -> list[str]:
    """The serial numbers of `GETINFO card_list`, in its order."""
    listing = home.connect_agent("SCD GETINFO card_list").splitlines()
    return [line.removeprefix("S SERIALNO ") for line in listing if line.startswith("S SERIALNO ")]


def test_every_token_has_its_own_serial_number(home_of_both: GnupgHome) -> None:
    listed = serials(home_of_both)

    assert len(set(listed)) == len(listed) == 2
    for serial in listed:
        assert home_of_both.connect_agent(f"SCD SERIALNO --demand={serial}").split()[:3] == [
            "S", "SERIALNO", serial
        ]  # fmt: skip


def test_plain_serialno_stays_with_one_token(home_of_both: GnupgHome) -> None:
    answers = {home_of_both.connect_agent("SCD SERIALNO") for _ in range(4)}
    home_of_both.stop_agent()
    answers |= {home_of_both.connect_agent("SCD SERIALNO")}

    assert len(answers) == 1


def test_keys_of_both_tokens_sign_and_decrypt(home_of_both: GnupgHome, both: Minted) -> None:
    home = home_of_both
    work, backup = both.tokens["work"].objects, both.tokens["backup"].objects
    make_stubs(home)
    on_work = key_by_grip(home, "RSA", grip(work["rsa2048"]), subkey=("RSA", grip(work["rsa2048-bare"])))
    on_backup = key_by_grip(
        home, "RSA", grip(backup["rsa2048"]), subkey=("ECDH", grip(backup["p521"])), uid="Bob <bob@example.org>"
    )

    for fingerprint in (on_work, on_backup, on_work):
        sign_and_verify(home, fingerprint)
        encrypt_and_decrypt(home, fingerprint)

    assert len(home.pinentry.prompts) == 2


def test_subkey_may_live_on_the_other_token(home_of_both: GnupgHome, both: Minted) -> None:
    home = home_of_both
    make_stubs(home)
    fingerprint = key_by_grip(
        home,
        "ECDSA",
        grip(both.tokens["work"].objects["p256"]),
        subkey=("RSA", grip(both.tokens["backup"].objects["rsa3072"])),
    )

    sign_and_verify(home, fingerprint)
    encrypt_and_decrypt(home, fingerprint)


def test_the_second_token_alone_serves_stubs_that_name_the_first(
    gnupg_home: MakeHome, tokens_of: TokensOf, tmp_path: Path
) -> None:
    """One LEARN lists the keys of both, and GnuPG 2.2 writes the first one's number into every stub."""
    drawer = Drawer(tokens_of("work", "backup").copy(tmp_path / "softhsm"))
    home = gnupg_home(drawer.tokens)
    knows_pins(home, drawer.tokens)
    home.gpg("--card-status")
    first, second = ("work", "backup") if '"work"' in prompted_at_checkpin(home) else ("backup", "work")
    objects = drawer.tokens.tokens[second].objects
    subkey = objects["rsa2048-bare"] if second == "work" else objects["rsa3072"]
    fingerprint = key_by_grip(home, "RSA", grip(objects["rsa2048"]), subkey=("RSA", grip(subkey)))
    numbers = {serial for serial in serials(home) for stub in stubs(home).values() if serial.encode() in stub}
    drawer.take_away(first)
    home.pinentry.forget_prompts()

    sign_and_verify(home, fingerprint)
    encrypt_and_decrypt(home, fingerprint)

    assert len(numbers) == 1 or not is_gnupg_22()
    assert {prompt.kind for prompt in home.pinentry.prompts} <= {"pin"}


def prompted_at_checkpin(home: GnupgHome) -> str:
    """The window's text for the default token's PIN."""
    home.pinentry.forget_prompts()
    home.connect_agent("SCD CHECKPIN")
    return home.pinentry.prompts[-1].description


def test_ssh_is_offered_keys_of_both_tokens(home_of_both: GnupgHome, both: Minted) -> None:
    listed = set(offered(home_of_both))

    on_work = {public_line(both.tokens["work"].objects[name]) for name in ("rsa2048", "p256", "p384", "ed25519")}
    on_backup = {public_line(both.tokens["backup"].objects[name]) for name in ("rsa2048", "p521", "rsa4096")}
    if is_gnupg_22():
        assert len(listed) == 2
    else:
        assert on_work | on_backup <= listed


@contextlib.contextmanager
def p11_kit_server(tokens: Minted, socket: Path) -> Iterator[None]:
    """SoftHSM with these tokens behind a socket, in a process of its own."""
    process = subprocess.Popen(
        ["p11-kit", "server", "-f", "--name", str(socket), "--provider", str(tokens.module), "pkcs11:"],
        env=os.environ | tokens.env,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        process.stdout.readline()  # it prints the address once it listens
        yield
    finally:
        handles = processes.open_handles([process.pid, *processes.descendants(process.pid)])
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
        process.stdout.close()
        assert not processes.wait_for_end(handles, 10)


def client_module() -> Path:
    """p11-kit's module that talks to the server."""
    for pattern in CLIENT_MODULES:
        for found in Path("/").glob(pattern.lstrip("/")):
            return found
    pytest.skip("p11-kit-client.so is not installed (package p11-kit-modules)")


@pytest.fixture
def home_of_two_modules(gnupg_home: MakeHome, tokens_of: TokensOf) -> Iterator[GnupgHome]:
    """Token `work` in SoftHSM, token `backup` in another SoftHSM behind p11-kit's client."""
    if shutil.which("p11-kit") is None:
        pytest.skip("p11-kit is not installed")
    work, backup = tokens_of("work"), tokens_of("backup")
    home: GnupgHome = gnupg_home(work)
    home.write(
        "scd.conf",
        f"log-file {home.daemon_log}\nverbose\nproviders softhsm,remote\n"
        f"provider-softhsm-library {work.module}\nprovider-remote-library {client_module()}\n",
    )
    knows_pins(home, work)
    knows_pins(home, backup)
    socket = home.path / "p11-kit.socket"
    home.env["P11_KIT_SERVER_ADDRESS"] = f"unix:path={socket}"
    with p11_kit_server(backup, socket):
        yield home
        home.stop_agent()


def test_keys_of_two_modules_are_used_at_once(home_of_two_modules: GnupgHome, tokens_of: TokensOf) -> None:
    home = home_of_two_modules
    work = tokens_of("work").tokens["work"].objects
    backup = tokens_of("backup").tokens["backup"].objects
    make_stubs(home)
    on_work = key_by_grip(home, "EDDSA", grip(work["ed25519"]), subkey=("RSA", grip(work["rsa2048"])))
    on_backup = key_by_grip(
        home, "ECDSA", grip(backup["p521"]), subkey=("RSA", grip(backup["rsa2048"])), uid="Bob <bob@example.org>"
    )

    for fingerprint in (on_work, on_backup):
        sign_and_verify(home, fingerprint)
        encrypt_and_decrypt(home, fingerprint)


def test_a_missing_module_does_not_stop_the_other(gnupg_home: MakeHome, work: Minted) -> None:
    home = gnupg_home(work)
    home.write(
        "scd.conf",
        f"log-file {home.daemon_log}\nproviders gone,softhsm\nprovider-gone-library {home.path}/no-such-module.so\n"
        f"provider-softhsm-library {work.module}\nopenpgp-auth {work.tokens['work'].objects['p256'].keygrip}\n",
    )
    knows_pins(home, work)

    ssh_sign_and_verify(home, work.tokens["work"].objects["p256"])

    log = home.daemon_log.read_text()
    assert "no-such-module.so" in log


def test_gpgsm_learns_from_the_card_that_is_named(home_of_both: GnupgHome) -> None:
    """LEARN --demand: of the other card than the one that is current."""
    if not is_gnupg_25():
        pytest.skip("gpgsm --learn-card takes a serial number since GnuPG 2.5")
    home = home_of_both
    current, other = serials(home)
    there = home.connect_agent(f"SCD SERIALNO --demand={other}", "SCD LEARN --keypairinfo")
    assert f"S SERIALNO {current}" in home.connect_agent("SCD SERIALNO")

    home.gpgsm("--learn-card", other)

    listing = home.gpgsm("-K", "--with-colons").out.splitlines()
    keygrips = [line.split(":")[9] for line in listing if line.startswith("grp:")]
    assert keygrips
    assert all(f"KEYPAIRINFO {keygrip} " in there for keygrip in keygrips)
    assert lines_to_daemon(home, "LEARN")[-1] == f"LEARN --demand={other} --force"
    assert home.gpgsm("--learn-card", f"{other[:-8]}99991111", check=False).status


def test_awkward_tokens_spoil_nothing(gnupg_home: MakeHome, minted: Minted) -> None:
    """Every standard token at once, with all their odd objects."""
    home = gnupg_home(minted)
    knows_pins(home, minted)
    awkward = minted.tokens["awkward"].objects
    make_stubs(home)

    home.gpgsm("--learn-card")
    offered(home)

    for name, kind in (("good", "ECDSA"), ("latin1-label", "ECDSA"), ("long-label", "ECDSA"), ("raw-point", "EDDSA")):
        sign_and_verify(home, key_by_grip(home, kind, grip(awkward[name])))
    sign_and_verify(home, key_by_grip(home, "RSA", grip(minted.tokens["work"].objects["rsa2048"])))
    known = {path.stem for path in home.path.glob("private-keys-v1.d/*")}
    assert known.isdisjoint({entry.keygrip for entry in awkward.values() if not entry.usable})
