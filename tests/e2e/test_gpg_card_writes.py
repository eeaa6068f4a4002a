"""gpg-card changes what stands on a card: PINs, the holder's data, flags."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.gpgcard import gpg_card, gpg_card_on_terminal, listing, needs_gpg_card
from tests.harness.gnupg import GnupgHome, scd_config
from tests.harness.terminal import Exchange
from tests.harness.tokens import Minted

pytestmark = needs_gpg_card

NEW_PIN = "empty-pin-new-662607"
NEW_SO_PIN = "empty-so-pin-new-602214"
SURNAME = ("Cardholder's surname: ", "Example")
GIVEN_NAME = ("Cardholder's given name: ", "Alice Berta")
URL = ("URL to retrieve public key: ", "https://example.org/alice+key.asc?a=1%202")
LOGIN = ("Login data (account name): ", "alice")
LANGUAGES = ("Language preferences: ", "deen")
SALUTATION = ("Salutation (M = Mr., F = Ms., or space): ", "F")
PRIVATE = ("Private DO data: ", "something of one's own")
CHANGES = (
    "passwd",
    "passwd OPENPGP.3",
    "passwd --reset OPENPGP.1",
    "forcesig",
    "login < note",
    "url --clear",
    "writecert 1 < note",
    "writecert --clear 1",
    "generate --force --algo=nistp256 OPENPGP.1",
)
CA = ("CA fingerprint: ", "0123456789ABCDEF0123456789ABCDEF01234567")


def pin_works(home: GnupgHome, pin: str) -> bool:
    """Whether a new daemon can log in with this PIN at the first try."""
    home.stop_agent()
    home.pinentry.always(None)
    home.pinentry.script(pin)
    return gpg_card(home, "verify", check=False).status == 0


def test_verify_logs_in_once(home: GnupgHome) -> None:
    gpg_card(home, "verify")
    gpg_card(home, "verify", "--", "list")

    assert [prompt.prompt for prompt in home.pinentry.prompts] == ["PIN"]


def test_verify_takes_the_name_of_a_key(home: GnupgHome) -> None:
    gpg_card(home, "verify", "OPENPGP.1")

    assert len(home.pinentry.prompts) == 1


def test_verify_says_that_the_pin_is_wrong(home: GnupgHome) -> None:
    home.pinentry.script("not-the-pin")
    home.pinentry.always(None)

    refused = gpg_card(home, "--status-fd", "1", "verify", check=False)

    assert refused.status != 0
    assert "SC_OP_FAILURE" in refused.out


def test_pin_is_changed(new_home: GnupgHome, blank: Minted) -> None:
    new_home.pinentry.script(blank.tokens["empty"].pin, NEW_PIN, NEW_PIN)

    changed = gpg_card(new_home, "--verbose", "passwd")

    assert "PIN changed." in changed.err
    assert pin_works(new_home, NEW_PIN)


def test_so_pin_is_changed_as_the_admin_pin(new_home: GnupgHome, blank: Minted) -> None:
    new_home.pinentry.script(blank.tokens["empty"].so_pin, NEW_SO_PIN, NEW_SO_PIN)

    changed = gpg_card(new_home, "--verbose", "passwd", "OPENPGP.3")

    assert "Admin PIN changed." in changed.err
    new_home.pinentry.script(NEW_SO_PIN, NEW_PIN, NEW_PIN)
    assert "PIN unblocked and new PIN set." in gpg_card(new_home, "--verbose", "passwd", "--reset", "OPENPGP.1").err
    assert pin_works(new_home, NEW_PIN)


def test_wrong_so_pin_is_told_apart(new_home: GnupgHome) -> None:
    new_home.pinentry.script("not-the-so-pin", NEW_PIN, NEW_PIN, "not-the-so-pin")

    refused = gpg_card(new_home, "--status-fd", "1", "--verbose", "passwd", "--reset", "OPENPGP.1", check=False)

    assert "SC_OP_FAILURE 2" in refused.out
    assert "Error unblocking the PIN." in refused.err


def test_menu_of_pins(new_home: GnupgHome, blank: Minted) -> None:
    """Of what it offers, the Reset Code is what no token has; that error is gpg-card's exit status."""
    token = blank.tokens["empty"]
    prompt, choice = "gpg/card> ", "Your selection? "
    new_home.pinentry.script(token.pin, NEW_PIN, NEW_PIN, token.so_pin, token.pin, token.pin)

    shown = gpg_card_on_terminal(
        new_home, "--no-history", check=False,
        answers=[(prompt, "passwd"), (choice, "1"), (prompt, "passwd"), (choice, "2"), (prompt, "passwd"),
                 (choice, "4"), (prompt, "quit")],
    )  # fmt: skip

    assert "PIN changed." in shown
    assert "PIN unblocked and new PIN set." in shown
    assert "Error setting the Reset Code." in shown
    assert pin_works(new_home, token.pin)


def test_cancelled_change_leaves_the_pin(new_home: GnupgHome, blank: Minted) -> None:
    new_home.pinentry.script(blank.tokens["empty"].pin, None)

    refused = gpg_card(new_home, "--status-fd", "1", "passwd", check=False)

    assert "SC_OP_FAILURE 1" in refused.out
    assert pin_works(new_home, blank.tokens["empty"].pin)


@pytest.mark.parametrize(
    ("command", "answers", "line", "shown"),
    [
        ("name", [SURNAME, GIVEN_NAME], "Name of cardholder", "Alice Berta Example"),
        ("url", [URL], "URL of public key", URL[1]),
        ("lang", [LANGUAGES], "Language prefs", LANGUAGES[1]),
        ("salutation", [SALUTATION], "Salutation", "Ms."),
        ("privatedo 2", [PRIVATE], "Private DO 2", PRIVATE[1]),
        ("cafpr 3", [CA], "CA fingerprint 3", CA[1]),
    ],
)
def test_what_is_written_is_listed_until_it_is_cleared(
    new_home: GnupgHome, command: str, answers: list[Exchange], line: str, shown: str
) -> None:
    before = listing(new_home).about.get(line)

    gpg_card_on_terminal(new_home, *command.split(), answers=answers)

    new_home.stop_agent()
    assert listing(new_home).about[line] == shown
    word, *number = command.split()
    gpg_card(new_home, word, "--clear", *number)
    assert listing(new_home).about.get(line) == before


def test_login_data_are_listed_until_they_are_cleared(new_home: GnupgHome) -> None:
    """By a blank from a file: `login --clear` of gpg-card 2.4.7 skips its option and asks for the data."""
    gpg_card_on_terminal(new_home, "login", answers=[LOGIN])
    assert listing(new_home).about["Login data"] == LOGIN[1]
    new_home.write("blank", " ")

    gpg_card(new_home, "login", "<", "blank")

    assert listing(new_home).about["Login data"] == "[not set]"


def test_data_are_read_from_files(new_home: GnupgHome) -> None:
    new_home.write("data", "two lines\n100% +1\n")

    gpg_card(new_home, "privatedo", "1", "<", "data", "--", "login", "<", "data")

    learnt = new_home.connect_agent("SCD LEARN --force").splitlines()
    assert "S PRIVATE-DO-1 two+lines%0A100%25+%2B1%0A" in learnt
    assert "S LOGIN-DATA two+lines%0A100%25+%2B1%0A" in learnt


def test_forcesig_is_switched_on_and_off(new_home: GnupgHome) -> None:
    gpg_card(new_home, "forcesig")

    assert listing(new_home).about["Signature PIN"] == "forced"
    gpg_card(new_home, "forcesig")
    assert listing(new_home).about["Signature PIN"] == "not forced"


@pytest.mark.parametrize("option", ["deny-admin", "read-only"])
def test_forbidden_changes_are_refused_without_a_prompt(gnupg_home: MakeHome, own_card: TokensOf, option: str) -> None:
    tokens = own_card("work")
    home: GnupgHome = gnupg_home(tokens, config=scd_config(tokens) + f"{option}\n")
    home.pinentry.always(tokens.tokens["work"].pin)
    home.write("note", "alice")

    for command in CHANGES:
        refused = gpg_card(home, *command.split(), check=False)
        assert f"Command '{command.split()[0]}' failed: Permission denied" in refused.err, command

    assert home.pinentry.prompts == []
