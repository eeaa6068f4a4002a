"""gpg --card-edit: names, PINs, flags; what may not be changed is refused without a prompt."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.cards import card_status, elliptic, generate, keys_on_card, local_key, made
from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.user import lines_to_daemon, sign_and_verify
from tests.harness.dialogue import Answer, card_edit, converse
from tests.harness.gnupg import GnupgHome, scd_config
from tests.harness.tokens import Minted

NEW_PIN = "empty-pin-new-662607"
NEW_SO_PIN = "empty-so-pin-new-602214"
NAME: dict[str, Answer] = {"keygen.smartcard.surname": "Example", "keygen.smartcard.givenname": "Alice"}
DATA: dict[str, Answer] = {
    **NAME,
    "cardedit.change_url": "https://example.org/alice+key.asc?a=1%202",
    "cardedit.change_login": "alice",
    "cardedit.change_lang": "deen",
    "cardedit.change_sex": "F",
    "cardedit.change_cafpr": ("0123456789ABCDEF0123456789ABCDEF01234567",) * 2,
    "cardedit.change_private_do": "something of one's own",
}
DONE = ["SC_OP_SUCCESS"]


def outcomes(status: tuple[str, ...]) -> list[str]:
    """How each change ended, in order. gpg 2.2.40 tells of each failure twice."""
    lines = (line for line in status if line.startswith("SC_OP_"))
    found = []
    for line in lines:
        found.append(line)
        if line not in DONE:
            assert next(lines) == line
    return found


def test_what_is_written_about_the_holder_is_shown(new_home: GnupgHome) -> None:
    talk = card_edit(
        new_home, "admin", "name", "url", "login", "lang", "sex", "cafpr 1", "cafpr 2", "privatedo 1", answers=DATA
    )  # fmt: skip

    assert outcomes(talk.status) == DONE * 8
    fields = card_status(new_home).fields
    assert fields["name"][:2] == ["Alice", "Example"]
    assert ":".join(fields["url"]).startswith("https\\x3a//example.org/alice+key.asc?a=1%202")
    assert fields["login"][0] == "alice"
    assert fields["lang"][0] == "deen"
    assert fields["sex"][0] == "f"
    assert fields["cafpr"][0] == "0123456789ABCDEF0123456789ABCDEF01234567"  # 2.4.7: not without a second one
    assert fields["private_do"][1] == "something of one's own"


def test_pin_is_changed(new_home: GnupgHome, blank: Minted) -> None:
    """The token is not left logged in by the PIN of before; the menu is that of --change-pin."""
    new_home.pinentry.script(blank.tokens["empty"].pin, NEW_PIN, NEW_PIN)

    talk = converse(new_home, "--change-pin", answers={"cardutil.change_pin.menu": ("1", "Q")})

    assert outcomes(talk.status) == DONE
    new_home.pinentry.always(NEW_PIN)
    new_home.pinentry.forget_prompts()
    card_edit(new_home, "verify")
    new_home.stop_agent()
    card_edit(new_home, "verify")
    assert [prompt.answered for prompt in new_home.pinentry.prompts] == [True, True]


def test_wrong_old_pin_changes_nothing(new_home: GnupgHome, blank: Minted) -> None:
    new_home.pinentry.script("not-the-pin", NEW_PIN, NEW_PIN)
    new_home.pinentry.always(None)

    talk = card_edit(new_home, "passwd")

    assert outcomes(talk.status) in (["SC_OP_FAILURE 2"], ["SC_OP_FAILURE 1"])
    new_home.pinentry.always(blank.tokens["empty"].pin)
    assert new_home.connect_agent("SCD CHECKPIN").splitlines()[-1] == "OK"


def test_admin_pin_is_the_so_pin_and_unblocks(new_home: GnupgHome, blank: Minted) -> None:
    so_pin = blank.tokens["empty"].so_pin
    new_home.pinentry.script(so_pin, NEW_SO_PIN, NEW_SO_PIN, NEW_SO_PIN, NEW_PIN, NEW_PIN, NEW_PIN)
    new_home.pinentry.always(None)

    talk = card_edit(
        new_home, "admin", "passwd", "verify", answers={"cardutil.change_pin.menu": ("3", "2", "Q")}
    )  # fmt: skip

    assert outcomes(talk.status) == DONE * 2
    assert all(prompt.answered for prompt in new_home.pinentry.prompts)
    assert len(new_home.pinentry.prompts) == 7


def test_so_pin_sets_the_first_pin_of_a_token_without_one(gnupg_home: MakeHome, own_card: TokensOf) -> None:
    token = own_card("nopin")
    home: GnupgHome = gnupg_home(token)
    home.pinentry.script(token.tokens["nopin"].so_pin, NEW_PIN, NEW_PIN, NEW_PIN)

    talk = card_edit(home, "admin", "passwd", "verify", answers={"cardutil.change_pin.menu": ("2", "Q")})

    assert outcomes(talk.status) == DONE
    assert [prompt.answered for prompt in home.pinentry.prompts] == [True] * 4


def test_reset_code_is_said_not_to_exist(new_home: GnupgHome) -> None:
    talk = card_edit(new_home, "admin", "passwd", answers={"cardutil.change_pin.menu": ("4", "Q")})

    assert outcomes(talk.status) == ["SC_OP_FAILURE"]
    assert new_home.pinentry.prompts == []


@pytest.mark.parametrize("command", ["unblock", "uif 1 on", "kdf-setup", "factory-reset"])
def test_what_no_token_has_is_refused_without_a_prompt(new_home: GnupgHome, command: str) -> None:
    talk = card_edit(new_home, "admin", command, check=False)

    assert DONE[0] not in outcomes(talk.status)
    assert new_home.pinentry.prompts == []
    assert lines_to_daemon(new_home, "APDU") == []


def test_certificate_is_written_and_read(gnupg_home: MakeHome, own_card: TokensOf) -> None:
    tokens = own_card("work")
    home: GnupgHome = gnupg_home(tokens)
    home.pinentry.always(tokens.tokens["work"].pin)
    card_edit(home, "admin", "readcert 3 > before.der")
    home.run("openssl", "x509", "-in", "before.der", "-inform", "DER", "-noout", "-subject")

    talk = card_edit(home, "admin", "writecert 3 < before.der", "readcert 3 > after.der")

    assert outcomes(talk.status) == DONE * 2
    assert (home.path / "after.der").read_bytes() == (home.path / "before.der").read_bytes()
    assert len(home.pinentry.prompts) == 1


def test_admin_verify_checks_the_so_pin(new_home: GnupgHome, blank: Minted) -> None:
    new_home.pinentry.script(blank.tokens["empty"].so_pin)

    talk = card_edit(new_home, "admin verify", "name", answers=NAME)

    assert outcomes(talk.status) == DONE
    assert "SO PIN" in new_home.pinentry.prompts[0].description


def test_admin_verify_with_the_wrong_pin_allows_nothing(new_home: GnupgHome) -> None:
    new_home.pinentry.always(None)
    new_home.pinentry.script("not-the-so-pin")

    talk = card_edit(new_home, "admin verify", "name", answers=NAME, check=False)

    assert "keygen.smartcard.surname" not in talk.asked


def test_forcesig_asks_for_each_signature(new_home: GnupgHome) -> None:
    elliptic(new_home)
    fingerprint = made(generate(new_home, "forcesig"))
    assert card_status(new_home).fields["forcepin"][0] == "1"
    new_home.pinentry.forget_prompts()

    sign_and_verify(new_home, fingerprint)
    sign_and_verify(new_home, fingerprint)

    assert [prompt.kind for prompt in new_home.pinentry.prompts] == ["pin", "pin"]
    card_edit(new_home, "admin", "forcesig")
    assert card_status(new_home).fields["forcepin"][0] == "0"


def test_fetch_takes_the_key_from_the_url(new_home: GnupgHome) -> None:
    fingerprint = local_key(new_home, "nistp256")[0]
    new_home.gpg("-o", new_home.path / "alice.gpg", "--export", fingerprint)
    with served(new_home.path) as address, dirmngr(new_home):
        talk = card_edit(
            new_home, "admin", "url", "fetch", answers={"cardedit.change_url": f"{address}/alice.gpg"}
        )  # fmt: skip

    assert fingerprint in " ".join(talk.said("IMPORT_OK")), talk.err


def test_fetch_without_url_asks_the_key_server_for_the_fingerprint(new_home: GnupgHome) -> None:
    elliptic(new_home)
    fingerprint = made(generate(new_home))
    shelf = new_home.path / "pks"
    shelf.mkdir()
    new_home.gpg("--armor", "-o", shelf / "lookup", "--export", fingerprint)
    with served(new_home.path) as address, dirmngr(new_home):
        new_home.write("dirmngr.conf", f"keyserver {address.replace('http', 'hkp')}\n")
        talk = card_edit(new_home, "fetch")

    assert fingerprint in " ".join(talk.said("IMPORT_OK")), talk.err


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """A web server for the files of a folder; gives its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Files(http.server.SimpleHTTPRequestHandler):
    """Says nothing on stderr."""

    def log_message(self, format: str, *args: object) -> None:
        """No log."""


@contextlib.contextmanager
def dirmngr(home: GnupgHome) -> Iterator[None]:
    """Let gpg use its own dirmngr, and end that one."""
    path = home.path / "gpg.conf"
    path.write_text(path.read_text(encoding="utf-8").replace("disable-dirmngr\n", ""), encoding="utf-8")
    try:
        yield
    finally:
        home.run("gpgconf", "--kill", "dirmngr")


@pytest.mark.parametrize("option", ["deny-admin", "read-only"])
def test_forbidden_changes_are_refused_without_a_prompt(gnupg_home: MakeHome, blank: Minted, option: str) -> None:
    home: GnupgHome = gnupg_home(blank, config=scd_config(blank) + f"{option}\n")
    home.pinentry.always(blank.tokens["empty"].pin)

    answers: dict[str, Answer] = {**NAME, "cardutil.change_pin.menu": ("1", "2", "3", "Q")}
    talk = card_edit(home, "admin", "name", "forcesig", "passwd", answers=answers, check=False)

    assert outcomes(talk.status) == ["SC_OP_FAILURE"] * 5
    assert len(lines_to_daemon(home, "PASSWD")) == 3
    assert home.pinentry.prompts == []
    # gpg wants the PIN before it generates; the keys are refused all the same.
    assert "KEY_NOT_CREATED" in {line.split()[0] for line in generate(home, check=False).status}
    assert keys_on_card(home) == {}


def test_card_status_is_quiet_and_names_the_token(new_home: GnupgHome, blank: Minted) -> None:
    card = card_status(new_home)

    assert card.complaints == ""
    assert card.fields["vendor"][1]
    assert "empty" in card.fields["Reader"][0]
    assert card.fingerprints == ["", "", ""]
    assert "0" not in card.fields["pinretry"][:3]
