"""gpg-card makes keys on a token, puts keys there, and certificates beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.cards import everything_works, is_stub, keys_on_card, local_key, secret_keygrips
from tests.e2e.conftest import MakeHome, TokensOf
from tests.e2e.gpgcard import PLACES, gpg_card, gpg_card_on_terminal, listing, needs_gpg_card
from tests.e2e.user import (
    MESSAGE,
    UID,
    created,
    encrypt_and_decrypt,
    grip,
    is_gnupg_25,
    make_stubs,
    sign_and_verify,
    with_roles,
)
from tests.harness.gnupg import CommandFailed, GnupgHome
from tests.harness.tokens import Minted

pytestmark = needs_gpg_card

PASSPHRASE = "a phrase of the test 137035"


@pytest.fixture
def own_work(own_card: TokensOf) -> Minted:
    """A copy of the token `work`, to be written to."""
    return own_card("work")


@pytest.fixture
def work_home(gnupg_home: MakeHome, own_work: Minted) -> GnupgHome:
    """A home with that copy and a person who knows its PIN."""
    home: GnupgHome = gnupg_home(own_work)
    home.pinentry.always(own_work.tokens["work"].pin)
    return home


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("algorithm", ["rsa2048", "nistp256", "brainpoolP384r1"])
def test_generated_key_stands_in_its_place(new_home: GnupgHome, place: str, algorithm: str) -> None:
    gpg_card(new_home, "generate", f"--algo={algorithm}", place)

    keys = listing(new_home).keys
    assert [keyref for keyref, key in keys.items() if key.keygrip] == [place]
    assert keys[place].algorithm == algorithm
    assert ("encr" in keys[place].usage) is (place == "OPENPGP.2")
    assert len(new_home.pinentry.prompts) == 1


@pytest.mark.parametrize(
    "kinds", [("ed25519", "cv25519", "ed25519"), ("nistp384", "nistp256", "rsa2048")], ids=["curve25519", "mixed"]
)
def test_generated_keys_become_an_openpgp_key(new_home: GnupgHome, kinds: tuple[str, str, str]) -> None:
    """The way of gpg-card: keys first, the OpenPGP key afterwards."""
    for place, kind in zip(PLACES, kinds, strict=True):
        gpg_card(new_home, "generate", f"--algo={kind}", place)

    made = new_home.gpg("--status-fd", "1", "--quick-gen-key", UID, "card", "default", "never")
    fingerprint = created(made.out)

    sign_and_verify(new_home, fingerprint)
    if is_gnupg_25():
        make_stubs(new_home)  # see test_decryption_without_stub_disturbs_nothing
    encrypt_and_decrypt(new_home, fingerprint)
    keys = listing(new_home).keys
    assert secret_keygrips(new_home) == [keys["OPENPGP.1"].keygrip, keys["OPENPGP.2"].keygrip]
    assert keys["OPENPGP.1"].details["fpr"] == fingerprint
    assert tuple(keys[place].algorithm for place in PLACES) == kinds


def test_chosen_card_is_the_one_that_changes(gnupg_home: MakeHome, own_card: TokensOf) -> None:
    tokens = own_card("work", "backup")
    home: GnupgHome = gnupg_home(tokens)
    home.pinentry.for_text('"backup"', tokens.tokens["backup"].pin)
    cards = {line.split()[1] for line in gpg_card(home, "list", "--cards").out.splitlines()}
    (serial,) = (one for one in cards if "backup" in listing(home, one).about["Reader"])
    (other,) = cards - {serial}
    before = listing(home, other)

    gpg_card(
        home, "list", "--no-key-lookup", serial, "--", "verify", "--",
        "generate", "--force", "--algo=nistp256", "OPENPGP.3", "--", "forcesig",
    )  # fmt: skip

    changed = listing(home, serial)
    assert changed.keys["OPENPGP.3"].algorithm == "nistp256"
    assert changed.about["Signature PIN"] == "forced"
    assert listing(home, other) == before
    assert {prompt.answered for prompt in home.pinentry.prompts} == {True}


def test_first_key_is_made_without_naming_an_algorithm(new_home: GnupgHome) -> None:
    """`generate` alone: the question after a backup and the PIN come first, then key 1 in the kind it is set to."""
    kind = listing(new_home).keys["OPENPGP.1"].algorithm

    gpg_card_on_terminal(new_home, "generate", answers=[("Make off-card backup of encryption key? (Y/n) ", "n")])

    keys = listing(new_home).keys
    assert keys["OPENPGP.1"].keygrip is not None
    assert keys["OPENPGP.1"].algorithm == kind
    assert keys["OPENPGP.2"].keygrip is keys["OPENPGP.3"].keygrip is None


def test_unsuitable_algorithm_is_refused(new_home: GnupgHome) -> None:
    refused = gpg_card(new_home, "generate", "--algo=ed25519", "OPENPGP.2", check=False)

    assert "Command 'generate' failed" in refused.err
    assert keys_on_card(new_home) == {}
    assert new_home.pinentry.prompts == []


def test_occupied_place_is_refused_or_replaced(new_home: GnupgHome) -> None:
    gpg_card(new_home, "generate", "--algo=nistp256", "OPENPGP.1")
    first = listing(new_home).keys["OPENPGP.1"].keygrip

    declined = gpg_card_on_terminal(
        new_home, "generate", "--algo=nistp384", "OPENPGP.1", check=False,
        answers=[("Replace existing keys? (y/N) ", "n")],
    )  # fmt: skip
    assert "Command 'generate' failed" in declined
    assert listing(new_home).keys["OPENPGP.1"].keygrip == first

    gpg_card(new_home, "generate", "--force", "--algo=nistp384", "OPENPGP.1")

    keys = keys_on_card(new_home)
    assert len(keys) == 1
    assert first not in keys
    assert listing(new_home).keys["OPENPGP.1"].algorithm == "nistp384"


def test_keys_that_scd_did_not_make_survive_force(work_home: GnupgHome, own_work: Minted) -> None:
    before = keys_on_card(work_home)

    refused = gpg_card(work_home, "generate", "--algo=nistp256", "OPENPGP.1", check=False)
    gpg_card(work_home, "generate", "--force", "--algo=nistp256", "OPENPGP.1")

    after = keys_on_card(work_home)
    assert "File exists" in refused.err
    assert set(before) < set(after)
    (new,) = set(after) - set(before)
    assert after[new] == "OPENPGP.1"


def test_key_of_its_own_name_is_replaced_exactly(work_home: GnupgHome, own_work: Minted) -> None:
    objects = own_work.tokens["work"].objects
    old = grip(objects["ed25519-bare"])
    before = keys_on_card(work_home)
    name = before[old]
    assert name.startswith("P11.")

    gpg_card(work_home, "generate", "--force", "--algo=nistp256", name)

    after = keys_on_card(work_home)
    assert set(before) - set(after) == {old}
    (new,) = set(after) - set(before)
    assert after[new] == name


@pytest.mark.parametrize("algorithm", ["rsa2048", "nistp256", "ed25519"])
def test_key_of_the_disk_is_written_to_a_place(new_home: GnupgHome, algorithm: str) -> None:
    (fingerprint,) = local_key(new_home, algorithm)
    (keygrip,) = secret_keygrips(new_home)

    gpg_card(new_home, "writekey", "OPENPGP.1", keygrip)

    written = listing(new_home).keys["OPENPGP.1"]
    assert written.keygrip == keygrip
    assert written.details["stored fpr"] == written.details["fpr"] == fingerprint
    new_home.connect_agent(f"DELETE_KEY --force {keygrip}")
    assert "shadowed" in gpg_card(new_home, "checkkeys").out
    assert is_stub(new_home, keygrip)
    new_home.pinentry.forget_prompts()
    new_home.stop_agent()
    sign_and_verify(new_home, fingerprint)
    assert len(new_home.pinentry.prompts) == 1


@pytest.mark.parametrize(
    ("algorithm", "authentication"), [("rsa2048", "rsa2048"), ("nistp256", "nistp256/ecdsa"), ("nistp384", "ed25519")]
)
def test_whole_openpgp_key_is_written(new_home: GnupgHome, algorithm: str, authentication: str) -> None:
    fingerprints = local_key(new_home, algorithm, (algorithm, "encr"), (authentication, "auth"))
    keygrips = secret_keygrips(new_home)

    for place, keygrip in zip(PLACES, keygrips, strict=True):
        gpg_card(new_home, "writekey", place, keygrip)
        new_home.connect_agent(f"DELETE_KEY --force {keygrip}")

    gpg_card(new_home, "checkkeys")
    keys = listing(new_home).keys
    assert [keys[place].keygrip for place in PLACES] == keygrips
    assert [keys[place].details["stored fpr"] for place in PLACES] == fingerprints
    everything_works(new_home, fingerprints[0])


def test_passphrase_of_the_key_is_asked_for_besides_the_pin(new_home: GnupgHome, blank: Minted) -> None:
    new_home.pinentry.script(PASSPHRASE, PASSPHRASE)
    new_home.gpg("--quick-gen-key", UID, "nistp256", "sign,cert", "never")
    new_home.stop_agent()
    (keygrip,) = secret_keygrips(new_home)
    new_home.pinentry.forget_prompts()
    new_home.pinentry.script(PASSPHRASE, blank.tokens["empty"].pin)
    new_home.pinentry.always(None)

    gpg_card(new_home, "writekey", "OPENPGP.1", keygrip)

    assert [prompt.prompt for prompt in new_home.pinentry.prompts] == ["Passphrase:", "PIN"]
    assert keys_on_card(new_home) == {keygrip: "OPENPGP.1"}


def test_checkkeys_deletes_the_copy_on_disk(new_home: GnupgHome) -> None:
    (fingerprint,) = local_key(new_home, "nistp256")
    (keygrip,) = secret_keygrips(new_home)
    gpg_card(new_home, "writekey", "OPENPGP.1", keygrip)
    assert f"{keygrip} OPENPGP.1 clear" in gpg_card(new_home, "checkkeys", "--ondisk").out
    new_home.pinentry.confirm(True)

    gpg_card(new_home, "checkkeys", "--delete-clear-copy")

    assert f"{keygrip} OPENPGP.1 shadowed" in gpg_card(new_home, "checkkeys").out
    sign_and_verify(new_home, fingerprint)


def test_written_key_does_not_replace_another_unasked(new_home: GnupgHome) -> None:
    local_key(new_home, "nistp256", ("nistp256/ecdsa", "auth"))
    first, second = secret_keygrips(new_home)
    gpg_card(new_home, "writekey", "OPENPGP.1", first)

    refused = gpg_card(new_home, "writekey", "OPENPGP.1", second, check=False)

    assert "File exists" in refused.err
    assert set(keys_on_card(new_home)) == {first}
    gpg_card(new_home, "writekey", "--force", "OPENPGP.1", second)
    assert set(keys_on_card(new_home)) == {second}


def test_key_is_written_under_a_name_of_its_own(work_home: GnupgHome) -> None:
    """Any free CKA_ID of the token may be named, and a key there fills no place that is taken."""
    (fingerprint,) = local_key(work_home, "nistp256")
    (keygrip,) = secret_keygrips(work_home)
    before = keys_on_card(work_home)
    mark = next(ref for ref in before.values() if ref.startswith("P11."))[:-2]

    gpg_card(work_home, "writekey", f"{mark}c0", keygrip)

    assert keys_on_card(work_home) == {**before, keygrip: f"{mark}C0"}
    work_home.connect_agent(f"DELETE_KEY --force {keygrip}")
    gpg_card(work_home, "checkkeys")
    sign_and_verify(work_home, fingerprint)


def test_certificate_is_cleared_and_written_back(work_home: GnupgHome, own_work: Minted) -> None:
    entry = own_work.tokens["work"].objects["rsa2048"]
    assert entry.certificate_pem is not None
    work_home.write("cert.pem", entry.certificate_pem.read_text())
    work_home.run("openssl", "x509", "-in", "cert.pem", "-outform", "DER", "-out", "cert.der")
    with_roles(work_home, sign=grip(entry))

    gpg_card(work_home, "readcert", "OPENPGP.1", ">", "before.der", "--", "writecert", "--clear", "1")
    cleared = gpg_card(work_home, "readcert", "1", ">", "none.der", check=False)
    gpg_card(work_home, "writecert", "1", "<", "cert.pem", "--", "readcert", "openpgp.1", ">", "after.der")

    assert cleared.status != 0
    assert set(keys_on_card(work_home)) == {grip(key) for key in own_work.tokens["work"].keys.values()}
    for name in ("before.der", "after.der"):
        assert (work_home.path / name).read_bytes() == (work_home.path / "cert.der").read_bytes()


def certify(home: GnupgHome, place: str, ca: Path) -> None:
    """Have the test CA sign a certificate for the key in this place: cert.pem."""
    line = home.connect_agent(f"SCD READKEY --format=ssh {place}").splitlines()[0]
    home.write("key.pub", line.removeprefix("D ").replace("%0A", "") + "\n")
    home.write("key.pem", home.run("ssh-keygen", "-e", "-m", "PKCS8", "-f", "key.pub").out)
    home.write(
        "extensions", "keyUsage=critical,digitalSignature,keyEncipherment\nsubjectAltName=email:alice@example.org"
    )
    home.run(
        "openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.pem", "-subj", "/CN=Alice",
        "-out", "request.pem",
    )  # fmt: skip
    home.run(
        "openssl", "x509", "-req", "-in", "request.pem", "-force_pubkey", "key.pem", "-CA", ca,
        "-CAkey", ca.with_name("ca.key.pem"), "-days", "30", "-extfile", "extensions", "-out", "cert.pem",
    )  # fmt: skip


@pytest.mark.parametrize("algorithm", ["rsa2048", "nistp256"])
def test_certificate_for_a_new_key_serves_gpgsm(new_home: GnupgHome, work: Minted, algorithm: str) -> None:
    ca = work.tokens["work"].objects["ca"].certificate_pem
    assert ca is not None
    gpg_card(new_home, "generate", f"--algo={algorithm}", "OPENPGP.1")
    certify(new_home, "OPENPGP.1", ca)
    keygrip = listing(new_home).keys["OPENPGP.1"].keygrip

    gpg_card(new_home, "writecert", "OPENPGP.1", "<", "cert.pem")

    new_home.trust_root(ca)
    new_home.gpgsm("--learn-card")
    signed = new_home.gpgsm("-u", f"&{keygrip}", "--sign", input=MESSAGE).stdout
    assert "GOODSIG" in new_home.gpgsm("--status-fd", "1", "--verify", input=signed).out
    assert "X.509" in gpg_card(new_home, "list").out


def test_gpgsm_makes_the_certificate_that_is_written(new_home: GnupgHome) -> None:
    """A self-signed one, made with the key on the card; another home learns it from there."""
    gpg_card(new_home, "generate", "--algo=rsa2048", "OPENPGP.1")
    parameters = (
        "Key-Type: card:OPENPGP.1\nSerial: random\nName-DN: CN=Alice\nName-Email: alice@example.org\n"
        "Hash-Algo: SHA256\nKey-Usage: sign\nNot-After: 2040-01-01\n%commit\n"
    )
    new_home.write("cert.pem", new_home.gpgsm("--armor", "--generate-key", input=parameters).out)

    gpg_card(new_home, "writecert", "OPENPGP.1", "<", "cert.pem")

    new_home.gpgsm("--learn-card")
    shown = new_home.gpgsm("-K", "--with-keygrip").out
    assert "CN=Alice" in shown
    assert f"keygrip: {listing(new_home).keys['OPENPGP.1'].keygrip}" in shown


def test_what_is_no_certificate_is_refused(work_home: GnupgHome) -> None:
    work_home.write("note", "no certificate")
    gpg_card(work_home, "readcert", "1", ">", "before.der")

    with pytest.raises(CommandFailed, match="Command 'writecert' failed"):
        gpg_card(work_home, "writecert", "1", "<", "note")

    gpg_card(work_home, "readcert", "1", ">", "after.der")
    assert (work_home.path / "before.der").read_bytes() == (work_home.path / "after.der").read_bytes()
