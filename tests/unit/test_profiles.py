"""Provider profiles: the shipped files obey the schema, and what breaks it is named by file and key."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scd.cryptoki import profile
from scd.cryptoki.profile import DEFAULT, Profile, ProfileError, Quirk

PROVIDERS = Path(__file__).parents[2] / "providers"
SHIPPED = [
    "aws-kms",
    "google-kms",
    "kryoptic",
    "nethsm",
    "nss",
    "opencryptoki",
    "opensc",
    "p11-kit-client",
    "p11-kit-proxy",
    "softhsm2",
    "tpm2-pkcs11",
    "ykcs11",
    "yubihsm",
]
GOOD = """
schema = 1
name = "mine"
library = ["mine.so"]
automatic = true
match = { manufacturer = "Me*" }
quirks = ["no-finalize"]
reason = { no-finalize = "it crashes then" }
environment = []
tried = ""
"""


@pytest.fixture(scope="module")
def shipped() -> tuple[Profile, ...]:
    return profile.load_profiles()


def _load(folder: Path, text: str) -> Profile:
    (folder / "mine.toml").write_text(text)
    (one,) = profile.load_profiles(str(folder))
    return one


def test_every_promised_module_has_a_profile(shipped: tuple[Profile, ...]) -> None:
    assert [one.name for one in shipped] == SHIPPED


def test_a_profile_keeps_what_its_file_says(tmp_path: Path) -> None:
    extra = 'workers = "cpus"\ntimeout_s = 5\ninit_args = "a=b"\nautomatic_if_path = ["/x"]\n'
    extra = extra.replace("automatic_if_path", 'automatic_if_env = ["V"]\nautomatic_if_path')
    text = GOOD.replace("reason = { ", 'reason = { automatic = "rare", ') + extra
    assert _load(tmp_path, text) == Profile(
        name="mine",
        library=("mine.so",),
        automatic=True,
        automatic_if_env=("V",),
        automatic_if_path=("/x",),
        manufacturer="Me*",
        quirks=frozenset({Quirk.NO_FINALIZE}),
        reasons=(("automatic", "rare"), ("no-finalize", "it crashes then")),
        workers="cpus",
        timeout_s=5,
        init_args="a=b",
    )


@pytest.mark.parametrize(
    ("line", "replacement", "key"),
    [
        ("schema = 1", "", "schema"),
        ("schema = 1", "schema = 2", "schema"),
        ("schema = 1", "schema = true", "schema"),
        ('name = "mine"', 'name = "other"', "name"),
        ('name = "mine"', "", "name"),
        ('library = ["mine.so"]', "library = []", "library"),
        ('library = ["mine.so"]', 'library = "mine.so"', "library"),
        ('library = ["mine.so"]', 'library = ["lib/mine.so"]', "library"),
        ("automatic = true", 'automatic = "yes"', "automatic"),
        ("automatic = true", "automatic = false", "reason.automatic"),
        ("automatic = true", 'automatic = true\nautomatic_if_env = ["V"]', "reason.automatic"),
        ("automatic = true", "automatic = true\nautomatic_if_env = [1]", "automatic_if_env"),
        ("automatic = true", 'automatic = true\nautomatic_if_path = "/x"', "automatic_if_path"),
        ('manufacturer = "Me*"', 'label = "Me*"', "match"),
        ('manufacturer = "Me*"', "manufacturer = 1", "match"),
        ('["no-finalize"]', '["no-such-word"]', "quirks"),
        ('["no-finalize"]', '"no-finalize"', "quirks"),
        ('["no-finalize"]', '["no-finalize", "login-before-listing"]', "reason.login-before-listing"),
        ('["no-finalize"]', "[]", "reason.no-finalize"),
        ('"it crashes then"', '""', "reason"),
        ("environment = []", "", "environment"),
        ("environment = []", "environment = [1]", "environment"),
        ('tried = ""', "tried = true", "tried"),
        ('tried = ""', 'tried = ""\nworkers = 0', "workers"),
        ('tried = ""', 'tried = ""\nworkers = true', "workers"),
        ('tried = ""', 'tried = ""\nworkers = "many"', "workers"),
        ('tried = ""', 'tried = ""\ntimeout_s = 1.5', "timeout_s"),
        ('tried = ""', 'tried = ""\ninit_args = 1', "init_args"),
        ('tried = ""', 'tried = ""\nlibary = []', "libary"),
        ("schema = 1", "schema = ", "syntax"),
    ],
)
def test_a_breach_of_the_schema_names_file_and_key(tmp_path: Path, line: str, replacement: str, key: str) -> None:
    assert line in GOOD
    with pytest.raises(ProfileError) as caught:
        _load(tmp_path, GOOD.replace(line, replacement))
    assert caught.value.key == key
    assert caught.value.file == str(tmp_path / "mine.toml")
    assert str(caught.value).startswith(f"{tmp_path / 'mine.toml'}: {key}: ")


def test_an_unknown_quirk_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="init-args-required, single-thread-init"):
        _load(tmp_path, GOOD.replace("no-finalize", "no-such-word"))


def test_a_file_that_is_not_utf8_is_a_breach_too(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(ProfileError, match="syntax"):
        profile.load_profiles(str(tmp_path))


# C_GetInfo as the modules gave it (versions in their profiles' `tried`) or, for the last five, as their sources say.
@pytest.mark.parametrize(
    ("manufacturer", "description", "name"),
    [
        ("SoftHSM", "Implementation of PKCS11", "softhsm2"),
        ("OpenSC Project", "OpenSC smartcard framework", "opensc"),
        ("Yubico (www.yubico.com)", "PKCS#11 PIV Library (SP-800-73)", "ykcs11"),
        ("Mozilla Foundation", "NSS Internal Crypto Services", "nss"),
        ("p11-kit", "p11-kit (no connection)", "p11-kit-client"),
        ("PKCS#11 Kit", "PKCS#11 Kit Proxy Module", "p11-kit-proxy"),
        ("PKCS#11 Kit", "PKCS#11 Kit Trust Module", "default"),
        ("Yubico (www.yubico.com)", "YubiHSM PKCS#11 Library", "yubihsm"),
        ("Kryoptic", "Kryoptic PKCS11 Module", "kryoptic"),
        ("Nitrokey", "Nitrokey NetHsm PKCS#11 library", "nethsm"),
        ("Google", "Cryptoki Library for Cloud KMS", "google-kms"),
        ("IBM", "openCryptoki", "opencryptoki"),
        ("", "", "default"),
    ],
)
def test_a_loaded_module_finds_its_one_profile(
    shipped: tuple[Profile, ...], manufacturer: str, description: str, name: str
) -> None:
    padded = manufacturer.ljust(32), description.ljust(32)
    assert profile.match(shipped, *padded).name == name
    assert [one.name for one in shipped if one.matches(*padded)] == [name] * (name != "default")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/usr/lib/softhsm/libsofthsm2.so", "softhsm2"),
        ("/opt/x/libykcs11.so.2.2.0", "ykcs11"),
        ("/usr/lib/x86_64-linux-gnu/libp11-kit.so.0.3.0", "p11-kit-proxy"),
        ("/usr/lib64/pkcs11/aws_kms_pkcs11.so", "aws-kms"),
        ("/opt/x/vendor.so", "default"),
    ],
)
def test_a_library_finds_its_profile_by_file_name(shipped: tuple[Profile, ...], path: str, name: str) -> None:
    assert profile.profile_for_library(shipped, path).name == name


def test_a_library_finds_its_profile_through_a_link(shipped: tuple[Profile, ...], tmp_path: Path) -> None:
    (tmp_path / "opensc-pkcs11.so").touch()
    (tmp_path / "card.so").symlink_to("opensc-pkcs11.so")
    assert profile.profile_for_library(shipped, str(tmp_path / "card.so")).name == "opensc"


def test_no_library_belongs_to_two_profiles(shipped: tuple[Profile, ...]) -> None:
    stems = [stem for one in shipped for stem in {os.path.basename(n).split(".so")[0] for n in one.library}]
    assert len(stems) == len(set(stems))


@pytest.fixture
def module(tmp_path: Path) -> Profile:
    """A profile whose library exists, behind a link."""
    (tmp_path / "mine.so.1").touch()
    (tmp_path / "mine.so").symlink_to("mine.so.1")
    return Profile("mine", library=("/nowhere/mine.so", str(tmp_path / "mine.so")), automatic=True)


def _but(one: Profile, **changes: object) -> Profile:
    fields = {name: getattr(one, name) for name in one.__slots__}
    return Profile(**(fields | changes))


def test_an_automatic_module_is_installed_by_its_real_path(module: Profile, tmp_path: Path) -> None:
    assert profile.installed([module], {}) == ((module, str(tmp_path / "mine.so.1")),)


def test_a_module_that_is_absent_is_not_installed() -> None:
    absent = Profile("mine", library=("/nowhere/mine.so", "no-such-module.so"), automatic=True)
    assert profile.installed([absent], {}) == ()


def test_a_module_that_is_not_automatic_is_not_installed(module: Profile) -> None:
    assert profile.installed([_but(module, automatic=False)], {}) == ()
    assert profile.installed([_but(module, automatic=False, automatic_if_env=("V",))], {"V": "1"}) == ()


def _conditions(module: Profile, tmp_path: Path) -> Iterator[tuple[dict[str, str], bool]]:
    yield {}, False
    yield {"V": ""}, False
    yield {"V": "1"}, True
    yield {"HOME": str(tmp_path / "empty")}, False
    yield {"HOME": str(tmp_path)}, True


def test_one_condition_suffices_where_there_are_several(module: Profile, tmp_path: Path) -> None:
    (tmp_path / ".mine").mkdir()
    conditional = _but(module, automatic_if_env=("V",), automatic_if_path=("/nowhere", "~/.mine"))
    for environ, expected in _conditions(module, tmp_path):
        assert bool(profile.installed([conditional], environ)) is expected, environ


def test_the_multiarch_word_is_filled_in(tmp_path: Path) -> None:
    folder = tmp_path / profile.multiarch()
    folder.mkdir()
    (folder / "mine.so").touch()
    one = Profile("mine", library=(f"{tmp_path}/{{multiarch}}/mine.so",))
    assert profile.find_library(one) == str(folder / "mine.so")


def test_workers_are_counted(shipped: tuple[Profile, ...]) -> None:
    by_name = {one.name: one for one in shipped}
    assert by_name["softhsm2"].worker_count() == os.cpu_count()
    assert by_name["nethsm"].worker_count() == 4
    assert by_name["opensc"].worker_count() == DEFAULT.worker_count() == 1


def test_the_schema_page_names_every_key_and_quirk() -> None:
    page = (PROVIDERS / "SCHEMA.md").read_text()
    named = set(re.findall(r"^\| `([a-z0-9_-]+)` \|", page, re.MULTILINE))
    assert named == set(profile._KEYS) | {quirk.value for quirk in Quirk}


def test_the_readme_lists_every_profile(shipped: tuple[Profile, ...]) -> None:
    page = (PROVIDERS / "README.md").read_text()
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", page, re.MULTILINE) == [one.name for one in shipped]
