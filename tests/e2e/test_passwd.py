"""PASSWD and CHECKPIN through the real gpg-agent and a pinentry: what the person sees, and what the token has then."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.user import grip, make_stubs
from tests.harness.gnupg import GnupgHome, scd_config
from tests.harness.tokens import Minted, MintedToken

NEW_PIN, NEW_SO_PIN = "another-pin-299792", "another-so-pin-602214"


@pytest.fixture
def minted(own_card: TokensOf) -> Minted:
    """The ordinary token, to be changed."""
    return own_card("work")


@pytest.fixture
def token(minted: Minted) -> MintedToken:
    return minted.tokens["work"]


@pytest.fixture
def desk(gnupg_home: MakeHome, minted: Minted) -> GnupgHome:
    """A home with it, and a person who types what the test says and then cancels."""
    made: GnupgHome = gnupg_home(minted)
    return made


def ends(home: GnupgHome, line: str, *typed: str | None) -> str:
    """The last line of the answer; `typed` are the person's answers, None for Cancel."""
    home.pinentry.forget_prompts()
    home.pinentry.script(*typed)
    return home.connect_agent(f"SCD {line}").splitlines()[-1]


def forget_login(home: GnupgHome) -> None:
    assert ends(home, "RESET") == "OK"


def shown(home: GnupgHome) -> list[str]:
    return [prompt.description for prompt in home.pinentry.prompts]


def test_the_pin_is_changed_and_asked_for_twice(desk: GnupgHome, token: MintedToken) -> None:
    assert ends(desk, "PASSWD 1", token.pin, NEW_PIN, NEW_PIN) == "OK"
    old, new, again = desk.pinentry.prompts
    assert 'PIN of token "work"' in old.description
    assert "\nto change it.\n" in old.description
    assert 'new PIN for token "work"' in new.description
    assert "4 to 88 characters" in new.description
    assert "epeat" in again.description + again.prompt
    assert ends(desk, "CHECKPIN", NEW_PIN) == "OK"


def test_the_person_who_mistypes_the_repetition_is_asked_again(desk: GnupgHome, token: MintedToken) -> None:
    assert ends(desk, "PASSWD 1", token.pin, NEW_PIN, "something else", NEW_PIN, NEW_PIN) == "OK"
    assert ends(desk, "CHECKPIN", NEW_PIN) == "OK"


def test_a_wrong_old_pin_is_asked_for_again_and_the_new_one_kept(desk: GnupgHome, token: MintedToken) -> None:
    assert ends(desk, "PASSWD 1", "not the pin", NEW_PIN, NEW_PIN, token.pin) == "OK"
    assert shown(desk)[-1].startswith("The PIN was refused.\n")
    assert "many tokens lock it after a few" in shown(desk)[-1]
    assert ends(desk, "CHECKPIN", NEW_PIN) == "OK"


def test_three_wrong_old_pins_end_it(desk: GnupgHome, token: MintedToken) -> None:
    said = ends(desk, "PASSWD 1", "not the pin", NEW_PIN, NEW_PIN, "nor this", "nor this one", token.pin)
    assert said.startswith("ERR 100663383 Bad PIN")
    assert len(shown(desk)) == 5
    assert ends(desk, "CHECKPIN", token.pin) == "OK"


def test_a_login_and_a_key_in_use_live_through_the_change(desk: GnupgHome, token: MintedToken) -> None:
    """SoftHSM runs in several processes; those that did not change the PIN have to learn of it."""
    make_stubs(desk)
    key = grip(token.objects["p256"])
    assert ends(desk, "CHECKPIN", token.pin) == "OK"
    assert ends(desk, "PASSWD 1", token.pin, NEW_PIN, NEW_PIN) == "OK"
    desk.pinentry.script()
    signing = (f"SIGKEY {key}", f"SETHASH --hash=sha256 {'5A' * 32}", "PKSIGN")
    for _ in range(4):
        assert desk.connect_agent(*signing).splitlines()[-1] == "OK"
    forget_login(desk)
    assert ends(desk, "CHECKPIN", token.pin, NEW_PIN) == "OK"


def test_a_reset_sets_a_new_pin_and_ends_the_login(desk: GnupgHome, token: MintedToken) -> None:
    assert ends(desk, "CHECKPIN", token.pin) == "OK"
    assert ends(desk, "PASSWD --reset 1", "not the SO PIN", NEW_PIN, NEW_PIN, token.so_pin) == "OK"
    assert "Admin PIN (SO PIN)" in shown(desk)[0]
    assert "was refused" in shown(desk)[-1]
    assert ends(desk, "CHECKPIN", token.pin, NEW_PIN) == "OK"
    assert len(shown(desk)) == 2


def test_the_so_pin_is_changed_and_compared(desk: GnupgHome, token: MintedToken) -> None:
    serial = desk.connect_agent("SCD SERIALNO").split()[2]
    assert ends(desk, "PASSWD 3", token.so_pin, NEW_SO_PIN, NEW_SO_PIN) == "OK"
    assert ends(desk, f"CHECKPIN {serial}[CHV3]", token.so_pin, NEW_SO_PIN) == "OK"
    assert len(shown(desk)) == 2
    assert ends(desk, f"CHECKPIN {serial}", token.pin) == "OK"


def test_a_token_without_a_pin_gets_its_first_one(desk: GnupgHome, minted: Minted) -> None:
    tool = ["pkcs11-tool", "--module", str(minted.module)]
    slot = next(line for line in desk.run(*tool, "-L").out.split("Slot ") if "uninitialized" in line)
    number = slot.split("0x")[1].split(")")[0]
    desk.run(*tool, "--slot", f"0x{number}", "--init-token", "--label", "fresh", "--so-pin", NEW_SO_PIN)
    listed = desk.connect_agent("SCD SERIALNO", "SCD GETINFO card_list").splitlines()
    serials = {line.split()[2] for line in listed if line.startswith("S SERIALNO")}
    fresh = next(one for one in serials if "No PIN given" in ends(desk, f"PASSWD {one}"))
    assert shown(desk) == []
    assert ends(desk, f"PASSWD --nullpin {fresh}", NEW_SO_PIN, NEW_PIN, NEW_PIN) == "OK"
    assert ends(desk, f"CHECKPIN {fresh}", NEW_PIN) == "OK"
    assert "Conditions of use not satisfied" in ends(desk, f"PASSWD --nullpin {fresh}", NEW_SO_PIN)
    assert shown(desk) == []


def test_a_pin_of_a_wrong_length_costs_no_try(desk: GnupgHome, token: MintedToken) -> None:
    assert ends(desk, "PASSWD 1", "123", token.pin, "12", "12", NEW_PIN, NEW_PIN) == "OK"
    assert "at least 4 characters" in shown(desk)[1]
    assert "at least 4 characters" in shown(desk)[4]
    assert "many tokens lock it" not in "".join(shown(desk))


@pytest.mark.parametrize("typed", [(), ("PIN",), ("PIN", NEW_PIN)])
def test_cancelling_at_each_prompt_changes_nothing(desk: GnupgHome, token: MintedToken, typed: tuple[str, ...]) -> None:
    answers = [token.pin if one == "PIN" else one for one in typed]
    assert "Operation cancelled" in ends(desk, "PASSWD 1", *answers)
    assert len(shown(desk)) == len(typed) + 1
    assert ends(desk, "CHECKPIN", token.pin) == "OK"


@pytest.mark.parametrize("line", ["PASSWD 1", "PASSWD --reset 1", "PASSWD 3", "CHECKPIN {}[CHV3]"])
def test_deny_admin_refuses_before_any_prompt(gnupg_home: MakeHome, minted: Minted, line: str) -> None:
    home: GnupgHome = gnupg_home(minted, config=scd_config(minted) + "deny-admin\n")
    serial = home.connect_agent("SCD SERIALNO").split()[2]
    assert ends(home, line.format(serial), NEW_PIN).startswith("ERR 100696065 ")
    assert shown(home) == []


def test_no_pin_is_in_any_log(gnupg_home: MakeHome, minted: Minted, token: MintedToken) -> None:
    home: GnupgHome = gnupg_home(minted)
    home.write("scd.conf", f"{scd_config(minted, home.daemon_log)}debug-all\n")
    assert ends(home, "PASSWD 1", "not the pin", NEW_PIN, NEW_PIN, token.pin) == "OK"
    assert ends(home, "PASSWD --reset 1", token.so_pin, "third-pin-577215", "third-pin-577215") == "OK"
    log = home.daemon_log.read_text(errors="replace")
    assert "op=passwd result=ok" in log
    for secret in ("not the pin", token.pin, token.so_pin, NEW_PIN, "third-pin"):
        assert secret not in log
