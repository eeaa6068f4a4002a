"""gpg-card looks at tokens: its listings, checkkeys, several cards, what it is told does not exist."""

from __future__ import annotations

import pytest

from tests.e2e.cards import elliptic, generate, is_stub, secret_fingerprints
from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.gpgcard import PLACES, gpg_card, gpg_card_on_terminal, listing, needs_gpg_card, parsed
from tests.e2e.user import UID, created, grip, is_gnupg_25, with_roles
from tests.harness.drawer import Drawer
from tests.harness.gnupg import GnupgHome
from tests.harness.tokens import Minted

pytestmark = needs_gpg_card


@pytest.fixture
def two_cards(gnupg_home: MakeHome, tokens_of: TokensOf) -> GnupgHome:
    """A home with the tokens `work` and `backup`."""
    return gnupg_home(tokens_of("work", "backup"))


def serial_of(home: GnupgHome) -> str:
    """The serial number of the current card."""
    return home.connect_agent("SCD SERIALNO").split()[2]


def test_places_come_first_and_every_key_once(home: GnupgHome, work: Minted) -> None:
    card = listing(home)

    assert tuple(card.keys)[:3] == PLACES
    assert all(keyref.startswith("P11.") for keyref in tuple(card.keys)[3:])
    assert sorted(str(key.keygrip) for key in card.keys.values()) == sorted(
        grip(entry) for entry in work.tokens["work"].keys.values()
    )


def test_keys_are_shown_as_they_are(home: GnupgHome, work: Minted) -> None:
    shown = {key.keygrip: key for key in listing(home).keys.values()}

    for name in ("rsa2048", "p256", "p384", "ed25519"):
        key = shown[grip(work.tokens["work"].objects[name])]
        assert key.algorithm == {"p256": "nistp256", "p384": "nistp384"}.get(name, name)
        assert key.details["label"] == name
        assert "sign" in key.usage
    assert shown[grip(work.tokens["work"].objects["p256-ecdh"])].usage == {"encr"}


def test_configured_keys_stand_in_their_places(home: GnupgHome, work: Minted) -> None:
    objects = work.tokens["work"].objects
    chosen = {"sign": grip(objects["p384"]), "encr": grip(objects["rsa2048-bare"]), "auth": grip(objects["p256"])}
    with_roles(home, **chosen)

    keys = listing(home).keys

    assert [keys[place].keygrip for place in PLACES] == list(chosen.values())
    assert [bool(keys[place].usage & {use}) for place, use in zip(PLACES, ("sign", "encr", "auth"), strict=True)] == [
        True
    ] * 3


def test_the_card_itself_looks_sane(home: GnupgHome) -> None:
    about = listing(home).about

    assert "work" in about["Reader"]
    assert about["Application type"] == "OpenPGP"
    assert about["Manufacturer"].startswith("SoftHSM project")
    assert about["PIN retry counter"].split()[0] in ("-", "3")
    assert "0" not in about["PIN retry counter"].split()
    assert about["Signature PIN"] == "not forced"
    assert {"key-import", "algo-change"} <= set(about["Capabilities"].split())


def test_empty_token_shows_what_would_be_made(new_home: GnupgHome) -> None:
    elliptic(new_home)

    keys = listing(new_home).keys

    assert tuple(keys) == PLACES
    assert {key.keygrip for key in keys.values()} == {None}
    assert {key.algorithm for key in keys.values()} == {"nistp256"}


def test_openpgp_key_is_shown_with_its_keys(new_home: GnupgHome) -> None:
    elliptic(new_home)
    generate(new_home)
    primary, authentication, encryption = secret_fingerprints(new_home)

    keys = listing(new_home).keys

    for place, fingerprint in zip(PLACES, (primary, encryption, authentication), strict=True):
        details = keys[place].details
        assert details["used for"] == "OpenPGP"
        assert details["stored fpr"] == details["fpr"] == fingerprint
        assert details["user id"] == UID
        assert details["created"]
    assert keys["OPENPGP.1"].details["main key"] == "<this>"
    assert keys["OPENPGP.2"].details["main key"] == "<Signature key>"


def test_certificates_are_shown_with_their_keys(home: GnupgHome, work: Minted) -> None:
    home.gpgsm("--learn-card")

    shown = {key.keygrip: key for key in listing(home).keys.values()}

    assert shown[grip(work.tokens["work"].objects["p256"])].details["used for"] == "X.509"


def test_shadow_makes_stubs(home: GnupgHome, work: Minted) -> None:
    gpg_card(home, "list", "--shadow")

    assert all(is_stub(home, grip(entry)) for entry in work.tokens["work"].keys.values())


def test_checkkeys_finds_every_key_of_every_card(two_cards: GnupgHome, tokens_of: TokensOf) -> None:
    tokens = tokens_of("work", "backup").tokens

    checked = [line.split() for line in gpg_card(two_cards, "checkkeys").out.splitlines()]

    found: dict[str, set[str]] = {}
    for serial, application, keygrip, _, state in checked:
        assert (application, state) == ("OpenPGP", "shadowed")
        found.setdefault(serial, set()).add(keygrip)
    usable = [{grip(entry) for entry in token.keys.values() if entry.usable} for token in tokens.values()]
    assert sorted(map(sorted, found.values())) == sorted(map(sorted, usable))
    assert len({(line[0], line[3]) for line in checked}) == len(checked)


def test_stubs_of_checkkeys_name_the_right_card(two_cards: GnupgHome) -> None:
    """Each card has its own OPENPGP.1: the place means that of the card that was switched to."""
    checked = [line.split() for line in gpg_card(two_cards, "checkkeys").out.splitlines()]

    for serial, _, keygrip, keyref, _ in checked:
        stub = (two_cards.path / "private-keys-v1.d" / f"{keygrip}.key").read_text(errors="replace")
        assert f"Token: {serial} {keyref} " in stub


def test_cards_are_listed_and_chosen(two_cards: GnupgHome, tokens_of: TokensOf) -> None:
    cards = [line.split() for line in gpg_card(two_cards, "list", "--cards").out.splitlines()]

    assert len(cards) == 2
    assert sum(number.endswith("*") for number, _ in cards) == 1
    tokens = tokens_of("work", "backup").tokens
    everything = [{grip(e) for e in token.keys.values() if e.usable} for token in tokens.values()]
    for number, serial in cards:
        for choice in (number.rstrip("*"), serial):
            card = listing(two_cards, choice)
            assert card.about["Serial number"] == serial
            assert {key.keygrip for key in card.keys.values() if key.keygrip} in everything


def test_cards_stay_chosen_in_one_session(two_cards: GnupgHome) -> None:
    other = next(line.split()[1] for line in gpg_card(two_cards, "list", "--cards").out.splitlines() if "*" not in line)

    shown = gpg_card(two_cards, "list", "--no-key-lookup", other, "--", "list", "--info", "--", "list").out

    infos = [line.split()[1] for line in shown.splitlines() if line[:1].isdigit()]
    assert infos == [other]
    assert shown.count(f"Serial number ....: {other}") == 2


def test_short_list_of_cards(two_cards: GnupgHome) -> None:
    if not is_gnupg_25():
        pytest.skip("gpg-card has the command ll since GnuPG 2.5")

    cards = [line.split() for line in gpg_card(two_cards, "ll").out.splitlines()]

    assert [application for _, _, application in cards] == ["openpgp"] * 2
    assert [serial for number, serial, _ in cards if "*" in number] == [serial_of(two_cards)]


def test_applications_are_listed(two_cards: GnupgHome) -> None:
    serial = serial_of(two_cards)

    current = gpg_card(two_cards, "list", "--apps").out.splitlines()
    everything = gpg_card(two_cards, "list", "--cards", "--apps").out.splitlines()

    assert [line.split()[1:] for line in current] == [[serial, "openpgp"]]
    assert len(everything) == 2


def test_application_is_chosen(two_cards: GnupgHome) -> None:
    serial = serial_of(two_cards)

    chosen = parsed(gpg_card(two_cards, "list", serial, "openpgp").out)

    assert chosen.about["Serial number"] == serial
    assert gpg_card(two_cards, "list", serial, "piv", check=False).status != 0


def test_reset_keeps_the_session_going(home: GnupgHome) -> None:
    shown = gpg_card(home, "reset", "--", "list").out

    assert "Signature key" in shown


def test_interactive_session(home: GnupgHome) -> None:
    """Without a command gpg-card lists and asks for commands."""
    shown = gpg_card_on_terminal(
        home, "--no-history", answers=[("gpg/card> ", "verify"), ("gpg/card> ", "list --cards"), ("gpg/card> ", "quit")]
    )

    assert shown.count("Signature key ....:") == 2
    assert [prompt.kind for prompt in home.pinentry.prompts] == ["pin"]


def test_card_is_removed_and_inserted_in_an_interactive_session(gnupg_home: MakeHome, own_card: TokensOf) -> None:
    drawer = Drawer(own_card("work"))
    home: GnupgHome = gnupg_home(drawer.tokens)
    prompt = "gpg/card> "

    def remove() -> str:
        drawer.take_away("work")
        return "list"

    def insert() -> str:
        drawer.put_back("work")
        return "list"

    shown = gpg_card_on_terminal(
        home, "--no-history", check=False,
        answers=[(prompt, remove), (prompt, "verify"), (prompt, insert), (prompt, "quit")],
    )  # fmt: skip

    before, after_removal, tried, inserted, _ = shown.split(prompt)
    assert "Signature key" in before
    assert "failed: Card not present" in after_removal
    assert "failed: Card not present" in tried
    assert inserted.split("\n", 1)[1].strip() == before.strip()
    assert home.pinentry.prompts == []


@pytest.mark.parametrize(
    "command", ["apdu 00A40400", "factory-reset", "unblock", "uif 1 on", "kdf-setup", "writecert --openpgp 1 < note"]
)
def test_what_a_token_cannot_do_is_said(home: GnupgHome, command: str) -> None:
    home.write("note", "no key")

    refused = gpg_card(home, *command.split(), check=False)

    assert f"Command '{command.split()[0]}' failed" in refused.err
    assert home.pinentry.prompts == []
    assert "Signature key" in gpg_card(home, "list").out


def test_key_from_the_card_is_found_without_stubs(home: GnupgHome) -> None:
    """gpg 2.4 asks the card for the key's time and needs no --card-status before."""
    fingerprint = created(home.gpg("--status-fd", "1", "--quick-gen-key", UID, "card", "default", "never").out)

    details = listing(home).keys["OPENPGP.1"].details

    assert details["fpr"] == fingerprint
    assert details["main key"] == "<this>"
