"""OpenPGP's places on tokens as people have them: each on its own token, and as many filled as possible."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key

from tests.harness.assuan_client import AssuanClient
from tests.harness.gnupg import GnupgHome
from tests.regress.tokens import PIN, PlainTokens, daemon, new_key, public_of

NAMES = ("$SIGNKEYID", "$ENCRKEYID", "$AUTHKEYID")


def tokens_with(folder: Path, **kinds: tuple[str, ...]) -> PlainTokens:
    """A token for each name, with keys as pkcs11-tool makes them unasked, their CKA_IDs from 01 up."""
    tokens = PlainTokens(folder / "softhsm")
    for label, wanted in kinds.items():
        tokens.init(label)
        for number, kind in enumerate(wanted, 1):
            tokens.generate(label, kind, "--id", f"{number:02}")
    return tokens


def keys(client: AssuanClient) -> list[list[str]]:
    """Keyref and algorithm of the card's keys, in its order."""
    lines = client.transact("LEARN --force").values("KEYPAIRINFO")
    return [[line.split()[1], line.split()[4]] for line in lines]


def named(client: AssuanClient) -> list[str]:
    return [client.transact(f"GETATTR {name}").values(name)[0] for name in NAMES]


@pytest.mark.parametrize(
    ("kinds", "places"),
    [
        (("rsa:2048", "EC:prime256v1", "EC:edwards25519"), (1, 2, 3)),
        (("EC:edwards25519", "EC:prime256v1", "rsa:2048"), (1, 2, 3)),
        (("rsa:2048", "rsa:2048", "rsa:2048"), (1, 2, 3)),
        (("EC:prime256v1", "EC:prime256v1", "EC:prime256v1"), (1, 2, 3)),
        (("rsa:2048", "EC:edwards25519", "EC:edwards25519"), (2, 1, 3)),
        (("rsa:2048", "EC:edwards25519"), (2, 1)),
    ],
)
def test_keys_that_may_do_everything_fill_as_many_places_as_possible(
    tmp_path: Path, kinds: tuple[str, ...], places: tuple[int, ...]
) -> None:
    with daemon(tokens_with(tmp_path, card=kinds), tmp_path) as client:
        assert [name for name, _ in keys(client)] == [f"OPENPGP.{place}" for place in places]
        assert named(client)[: len(kinds)] == [f"OPENPGP.{place}" for place in (1, 2, 3)][: len(kinds)]


def test_an_empty_place_has_its_name(tmp_path: Path) -> None:
    """As on an OpenPGP card; a key that can do something twice is named twice when there is no other."""
    with daemon(tokens_with(tmp_path, card=("EC:edwards25519",)), tmp_path) as client:
        assert keys(client) == [["OPENPGP.1", "ed25519"]]
        assert named(client) == ["OPENPGP.1", "OPENPGP.2", "OPENPGP.1"]


def test_a_configured_key_has_its_place_on_its_own_token_only(tmp_path: Path) -> None:
    tokens = tokens_with(tmp_path, other=("rsa:2048", "EC:prime256v1"))
    tokens.init("mine")
    mine = [new_key("rsa", tmp_path, name) for name in ("first", "second")]
    for number, key in enumerate(mine, 1):
        tokens.load("mine", key, f"{number:02}")
    wanted = public_of(mine[1]).keygrip.hex().upper()
    with daemon(tokens, tmp_path, f"openpgp-sign {wanted}\nopenpgp-auth {wanted[::-1]}\n") as client:
        listed = {}
        for line in client.transact("GETINFO card_list").values("SERIALNO"):
            assert client.transact(f"SERIALNO --demand={line}").ok
            named(client)
            listed[line] = client.transact("LEARN --force").values("KEYPAIRINFO")
        own = [[line.split()[1] for line in lines] for lines in listed.values()]
        assert sorted(own) == [["OPENPGP.1", "OPENPGP.2"], ["OPENPGP.2", "OPENPGP.1"]]
        client.transact("RESTART")
        [default] = client.transact("SERIALNO").values("SERIALNO")
        assert any(line.startswith(wanted) for line in listed[default])


@pytest.fixture
def home_of(gnupg_home: Callable[..., GnupgHome]) -> Callable[[PlainTokens], GnupgHome]:
    """A home on these tokens, and a person who knows the PIN."""

    def make(tokens: PlainTokens) -> GnupgHome:
        home = gnupg_home(tokens)
        home.pinentry.always(PIN)
        return home

    return make


def test_gpg_makes_a_key_that_signs_and_decrypts_with_different_keys(
    tmp_path: Path, home_of: Callable[[PlainTokens], GnupgHome]
) -> None:
    home = home_of(tokens_with(tmp_path, card=("EC:prime256v1", "rsa:2048", "EC:edwards25519")))

    home.gpg("--card-status")
    home.gpg("--quick-generate-key", "Alice <alice@example.org>", "card", "default", "never")

    listing = home.gpg("-K", "--with-colons", "--with-keygrip").out.splitlines()
    assert len({line.split(":")[9] for line in listing if line.startswith("grp:")}) == 2
    secret = home.gpg("--sign", "-e", "-r", "alice@example.org", input="a message").stdout
    assert home.gpg("-d", input=secret).out == "a message"


def test_stubs_name_the_token_that_has_the_key_and_ssh_is_offered_each_key_once(
    tmp_path: Path, home_of: Callable[[PlainTokens], GnupgHome]
) -> None:
    kinds = ("EC:prime256v1", "rsa:2048", "EC:edwards25519")
    home = home_of(tokens_with(tmp_path, one=kinds, two=kinds))
    first, second = cards(home)
    home.write("scd.conf", f"{(home.path / 'scd.conf').read_text()}openpgp-auth {cards(home)[second][0]}\n")
    home.stop_agent()

    home.gpg("--card-status", "all")

    stubs = {path.stem: path.read_bytes() for path in (home.path / "private-keys-v1.d").iterdir()}
    for serial, other in ((first, second), (second, first)):
        for keygrip in cards(home)[serial]:
            assert serial.encode() in stubs[keygrip]
            assert other.encode() not in stubs[keygrip]
    offered = [line.split()[1] for line in home.run("ssh-add", "-L").out.splitlines()]
    assert len(set(offered)) == len(offered) >= 2


def cards(home: GnupgHome) -> dict[str, list[str]]:
    """The keygrips of each card, by its serial number."""
    listing = home.connect_agent("SCD GETINFO card_list").splitlines()
    serials = [line.split()[2] for line in listing if line.startswith("S SERIALNO")]
    learnt = {one: home.connect_agent(f"SCD SERIALNO --demand={one}", "SCD LEARN --force") for one in serials}
    return {
        serial: [line.split()[2] for line in text.splitlines() if line.startswith("S KEYPAIRINFO")]
        for serial, text in learnt.items()
    }


YEAR_2020 = 1577836800
A_YEAR = 366 * 86400


@pytest.mark.parametrize("told", [YEAR_2020 - A_YEAR, YEAR_2020 + 5 * A_YEAR])
@pytest.mark.parametrize("certified", [(), (1,), (2, 3), (3, 1, 2)])
def test_configured_keys_have_one_time_and_none_is_after_that_of_gpg(
    tmp_path: Path, told: int, certified: tuple[int, ...]
) -> None:
    """gpg tells each GENKEY the time of the one before, and refuses a key that is younger than its signature."""
    tokens, config = configured_keys(tmp_path, certified)
    with daemon(tokens, tmp_path, config) as client:
        attempts = [generated(client, told), generated(client, told + 60)]
    assert attempts == [[min(told, YEAR_2020) if certified else told] * 3] * 2


def configured_keys(folder: Path, certified: tuple[int, ...]) -> tuple[PlainTokens, str]:
    """Three RSA keys and their openpgp lines; those `certified` have certificates from 2020, 2021 and 2022 on."""
    tokens, config = PlainTokens(folder / "softhsm"), ""
    tokens.init("card")
    for number, role in enumerate(("sign", "encr", "auth"), 1):
        key = new_key("rsa", folder, role)
        tokens.load("card", key, f"{number:02}")
        config += f"openpgp-{role} {public_of(key).keygrip.hex()}\n"
        if number in certified:
            made = certificate(key, YEAR_2020 + certified.index(number) * A_YEAR)
            tokens.write("card", "cert", made, "--id", f"{number:02}")
    return tokens, config


def certificate(key: Path, not_before: int) -> Path:
    """A self-signed certificate; openssl 3.0 cannot be told from when on it is valid."""
    private = load_der_private_key(key.read_bytes(), None)
    assert isinstance(private, RSAPrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, key.stem)])
    start = datetime.fromtimestamp(not_before, UTC)
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(start).not_valid_after(start + timedelta(days=9999)).sign(private, SHA256())
    path = key.with_suffix(".crt")
    path.write_bytes(made.public_bytes(Encoding.DER))
    return path


def generated(client: AssuanClient, told: int) -> list[int]:
    """What the three GENKEY of gpg's `generate` say, in its order."""
    times = [told]
    for place in (1, 3, 2):
        written = datetime.fromtimestamp(times[-1], UTC).strftime("%Y%m%dT%H%M%S")
        reply = client.transact(f"GENKEY --timestamp={written} --force {place}")
        assert reply.ok, reply.text
        times.append(int(reply.values("KEY-CREATED-AT")[0]))
    return times[1:]


def test_no_key_is_made_for_a_place_that_is_configured_to_be_on_another_token(tmp_path: Path) -> None:
    tokens, config = PlainTokens(tmp_path / "softhsm"), ""
    for role in ("sign", "encr"):
        tokens.init(role)
        key = new_key("rsa", tmp_path, role)
        tokens.load(role, key, "01")
        config += f"openpgp-{role} {public_of(key).keygrip.hex()}\n"
    with daemon(tokens, tmp_path, config) as client:
        refused = [client.transact(f"GENKEY --force {place}") for place in (1, 2)]
        assert [reply.ok for reply in refused].count(True) == 1
        assert any(label in reply.text for reply in refused for label in ('"sign"', '"encr"'))
        assert len(keys(client)) == 2
