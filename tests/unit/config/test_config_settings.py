"""From files and command line to settings: what wins, what is found where, which modules come out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scd.config import (
    ConfigError,
    DebugFlag,
    ProviderSettings,
    Settings,
    load_settings,
    parse_command_line,
    settings_despite,
)
from scd.config.debug import EVERYTHING
from scd.config.options import PROVIDER_OPTIONS

GRIP = "5C661B8C07CFD957F7D98D5B9A0F31D236BFAC2A"


def load(text: str, tmp_path: Path, *argv: str) -> Settings:
    file = tmp_path / "scd.conf"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    return load_settings(parse_command_line(list(argv)), {"GNUPGHOME": str(tmp_path)}, ())


def library(tmp_path: Path, name: str = "m.so") -> str:
    path = tmp_path / name
    path.touch()
    return str(path)


def test_nothing_at_all_gives_the_defaults(tmp_path: Path) -> None:
    found = load_settings(parse_command_line(["--server"]), {"GNUPGHOME": str(tmp_path)}, ())
    assert found == Settings(home=str(tmp_path))
    assert found.pin_cache_s is None
    assert found.providers == ()


@pytest.mark.parametrize(
    ("argv", "environ", "home"),
    [
        (["--homedir", "/a"], {"GNUPGHOME": "/b", "HOME": "/c"}, "/a"),
        ([], {"GNUPGHOME": "/b/", "HOME": "/c"}, "/b"),
        ([], {"GNUPGHOME": "", "HOME": "/c"}, "/c/.gnupg"),
        ([], {"HOME": "/c"}, "/c/.gnupg"),
    ],
)
def test_home(argv: list[str], environ: dict[str, str], home: str) -> None:
    assert load_settings(parse_command_line(["--no-options", *argv]), environ, ()).home == home


def test_the_home_of_the_user_database_when_there_is_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    home = load_settings(parse_command_line(["--no-options"]), {}, ()).home
    assert home == os.path.join(os.path.expanduser("~"), ".gnupg")


def test_relative_home_without_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigError, match="GNUPGHOME"):
        load_settings(parse_command_line([]), {"GNUPGHOME": "h"}, ())


def test_the_first_file_that_exists_is_read_alone(tmp_path: Path) -> None:
    home, system = tmp_path / "home", tmp_path / "etc"
    home.mkdir()
    system.mkdir()
    order = [home / "scd.conf", home / "gnupg-pkcs11-scd.conf", system / "scd.conf", system / "other.conf"]
    for number, file in enumerate(order):
        file.write_text(f"pin-cache {number}\n" + ("quiet\n" if number else ""))
    for number, file in enumerate(order):
        found = load_settings(
            parse_command_line([]), {"GNUPGHOME": str(home)}, (str(system / "scd.conf"), str(system / "other.conf"))
        )
        assert (found.file, found.pin_cache_s, found.quiet) == (str(file), number, number > 0)
        file.unlink()


def test_options_names_a_file_that_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load("", tmp_path, "--options", str(tmp_path / "other"))
    (tmp_path / "other").write_text("deny-admin\n")
    assert load("foo", tmp_path, "--options", str(tmp_path / "other")).deny_admin


def test_no_options_reads_no_file(tmp_path: Path) -> None:
    assert load("this is no option file", tmp_path, "--no-options").file is None


@pytest.mark.parametrize(
    ("text", "argv", "expected"),
    [
        ("", [], (0, False, 0)),
        ("verbose\nverbose", ["-vv"], (4, False, 0)),
        ("quiet", [], (0, True, 0)),
        ("debug ipc", [], (1, False, DebugFlag.IPC)),
        ("quiet\ndebug ipc,,app", [], (1, False, DebugFlag.IPC | DebugFlag.APP)),
        ("debug ipc", ["--debug", "cardio"], (1, False, DebugFlag.IPC | DebugFlag.CARDIO)),
        ("debug-all", ["--debug", "none"], (0, False, 0)),
        ("debug-all", [], (1, False, EVERYTHING)),
        ("debug all", [], (1, False, EVERYTHING)),
        ("debug 1024", [], (1, False, DebugFlag.IPC)),
        ("debug 0x800", [], (1, False, DebugFlag.CARDIO)),
        ("debug 02001", [], (1, False, DebugFlag.IPC | DebugFlag.APP)),
        ("debug 4294967295", [], (1, False, EVERYTHING)),
        ("debug 256", [], (0, False, 0)),
        ("debug-all\ndebug-level none", [], (0, False, 0)),
        ("debug-level basic", [], (1, False, DebugFlag.IPC)),
        ("debug-level advanced", [], (1, False, DebugFlag.IPC)),
        ("debug-level 2", [], (1, False, DebugFlag.IPC)),
        ("debug-level expert", [], (1, False, DebugFlag.IPC | DebugFlag.CACHE | DebugFlag.CARDIO)),
        ("debug-level 8", ["--debug-level", "0"], (0, False, 0)),
        ("debug-level 9", [], (1, False, EVERYTHING & ~DebugFlag.HASHING)),
        ("debug-level guru", [], (1, False, EVERYTHING)),
    ],
)
def test_verbosity_and_debug_flags_join_as_in_scdaemon(
    text: str, argv: list[str], expected: tuple[int, bool, int], tmp_path: Path
) -> None:
    found = load(text, tmp_path, *argv)
    assert (found.verbosity, found.quiet, found.debug) == expected


def test_an_unknown_debug_flag_is_skipped_as_in_gnupg(tmp_path: Path) -> None:
    found = load("debug ipc,lookup", tmp_path)
    assert found.debug is DebugFlag.IPC
    assert found.warnings[0].startswith(f"{tmp_path}/scd.conf:1: ")
    assert "'lookup'" in found.warnings[0]


def test_the_flags_have_the_numbers_of_gnupg() -> None:
    assert {flag.name: flag.value for flag in DebugFlag} == {
        "APP": 1, "MPI": 2, "CRYPTO": 4, "CARD": 16, "MEMORY": 32, "CACHE": 64, "MEMSTAT": 128, "HASHING": 512,
        "IPC": 1024, "CARDIO": 2048, "READER": 4096,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "argv", "expected"),
    [
        ("/var/log/scd", [], "/var/log/scd"),
        ("stderr", [], None),
        ("-", [], None),
        ("socket:///run/x", [], "socket:///run/x"),
        ("socket://", [], "socket://HOME/S.log"),
        ("socket://~/s", [], "socket:///u/s"),
        ("~/scd.log", [], "/u/scd.log"),
        ("scd.log", [], "HOME/scd.log"),
        ("/a", ["--log-file", "/b"], "/b"),
        ("/a", ["--log-file", "-"], None),
    ],
)
def test_log_file(value: str, argv: list[str], expected: str | None, tmp_path: Path) -> None:
    (tmp_path / "scd.conf").write_text(f"log-file {value}\n")
    environ = {"GNUPGHOME": str(tmp_path), "HOME": "/u"}
    found = load_settings(parse_command_line(argv), environ, ()).log_file
    assert found == (expected.replace("HOME", str(tmp_path)) if expected else None)


@pytest.mark.parametrize(("value", "expected"), [("0", 0), ("20", 20), ("-1", None)])
def test_pin_cache(value: str, expected: int | None, tmp_path: Path) -> None:
    assert load(f"pin-cache {value}", tmp_path).pin_cache_s == expected


def test_the_command_line_wins(tmp_path: Path) -> None:
    found = load("pin-cache 5\nlisten-backlog 3", tmp_path, "--pin-cache=7")
    assert (found.pin_cache_s, found.listen_backlog) == (7, 3)


def test_card_keys_of_the_three_roles(tmp_path: Path) -> None:
    found = load(f"openpgp-sign {GRIP}\nopenpgp-encr {GRIP.lower()}", tmp_path)
    assert found.openpgp_sign == found.openpgp_encr == bytes.fromhex(GRIP)
    assert found.openpgp_auth is None


def test_every_provider_option(tmp_path: Path) -> None:
    path = library(tmp_path)
    text = f"""
        provider-a-allow-protected-auth
        provider-a-cert-private
        provider-a-private-mask 0x5
        provider-a-serial 00aabbcc
        provider-a-serial My token=D2760001
        provider-a-serial "a=b" = 0123
        provider-a-init-args configdir='sql:/x' flags=readOnly
        provider-a-workers 3
        provider-a-timeout 2.5
        providers a
        provider-a-library {path}
    """
    found = load(text, tmp_path)
    assert found.warnings == ()
    assert found.providers == (
        ProviderSettings(
            name="a",
            library=path,
            line=12,
            allow_protected_auth=True,
            cert_private=True,
            private_mask=5,
            serial=((None, "00AABBCC"), ("My token", "D2760001"), ("a=b", "0123")),
            init_args="configdir='sql:/x' flags=readOnly",
            workers=3,
            timeout_s=2.5,
        ),
    )


def test_what_was_not_said_is_none(tmp_path: Path) -> None:
    path = library(tmp_path)
    found = load(f"providers a\nprovider-a-library {path}", tmp_path)
    assert found.providers == (ProviderSettings(name="a", library=path, line=2),)


def test_workers_may_follow_the_machine(tmp_path: Path) -> None:
    found = load(f"providers a\nprovider-a-library {library(tmp_path)}\nprovider-a-workers cpus", tmp_path)
    assert found.providers[0].workers == os.cpu_count()


@pytest.mark.parametrize(("value", "expected"), [("0", 0), ("f", 15), ("ff", 15), ("10", 0), ("0X2", 2)])
def test_private_mask_is_hexadecimal_and_of_four_bits(value: str, expected: int, tmp_path: Path) -> None:
    text = f"providers a\nprovider-a-library {library(tmp_path)}\nprovider-a-private-mask {value}"
    assert load(text, tmp_path).providers[0].private_mask == expected


def test_the_order_is_that_of_the_providers_line(tmp_path: Path) -> None:
    path = library(tmp_path)
    names = [f"p{number}" for number in range(25)] + ["with-dash", "p.1", "schlüssel"]
    text = "".join(f"provider-{name}-library {path}\n" for name in reversed(names))
    found = load(text + f"providers {', '.join(names)},\n", tmp_path)
    assert [provider.name for provider in found.providers] == names
    assert found.warnings == ()


def test_a_provider_without_library_is_left_out_with_the_line_to_add(tmp_path: Path) -> None:
    """gnupg-pkcs11-scd goes on with the others; who switches must not be stopped by such a line."""
    found = load(f"verbose\nproviders a,b\nprovider-a-library {library(tmp_path)}\nprovider-b-cert-private", tmp_path)
    assert [provider.name for provider in found.providers] == ["a"]
    [warning] = found.warnings
    assert warning.startswith(f"{tmp_path}/scd.conf:2: provider 'b' has no library")
    assert "provider-b-library /path/to/module.so" in warning


def test_providers_of_which_none_has_a_library_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"scd\.conf:1: provider 'b' has no library"):
        load("providers b\nprovider-b-cert-private", tmp_path)


def test_a_missing_library_is_a_warning_and_stops_nobody(tmp_path: Path) -> None:
    path = library(tmp_path)
    text = f"providers a,b,c\nprovider-a-library {tmp_path}/none.so\nprovider-b-library {path}\n"
    found = load(text + f"provider-c-library {tmp_path}", tmp_path)
    assert [provider.name for provider in found.providers] == ["a", "b", "c"]
    missing, directory = found.warnings
    assert missing.startswith(f"{tmp_path}/scd.conf:2: library '{tmp_path}/none.so' does not exist; ")
    assert "provider-a-library" in missing
    assert "is a directory" in directory


def test_a_bare_library_name_is_not_looked_for(tmp_path: Path) -> None:
    found = load("providers a\nprovider-a-library libsomewhere.so", tmp_path)
    assert (found.providers[0].library, found.warnings) == ("libsomewhere.so", ())


def test_options_for_a_provider_that_is_not_listed_are_a_warning(tmp_path: Path) -> None:
    path = library(tmp_path)
    text = f"providers a\nprovider-a-library {path}\nprovider-b-library /none.so\nprovider-b-cert-private"
    found = load(text, tmp_path)
    assert [provider.name for provider in found.providers] == ["a"]
    (warning,) = found.warnings
    assert warning.startswith(f"{tmp_path}/scd.conf:3: provider 'b' is not used")
    assert "providers a,b" in warning


def test_without_a_providers_line_those_with_a_library_count(tmp_path: Path) -> None:
    path = library(tmp_path)
    text = f"provider-b-library {path}\nprovider-a-library {path}\nprovider-c-workers 2"
    found = load(text, tmp_path)
    assert [provider.name for provider in found.providers] == ["b", "a"]
    assert found.profile_options == ()
    assert "'c'" in found.warnings[0]


def test_options_alone_are_for_the_profile_with_that_name(tmp_path: Path) -> None:
    found = load("provider-softhsm2-workers 2", tmp_path)
    assert (found.providers, found.warnings) == ((), ())
    assert found.profile_options == (ProviderSettings(name="softhsm2", library="", workers=2),)


def test_modules_from_the_command_line_alone(tmp_path: Path) -> None:
    path = library(tmp_path)
    found = load("", tmp_path, "--providers", "a", f"--provider-a-library={path}")
    assert found.providers == (ProviderSettings(name="a", library=path, line=0),)


def test_the_example_of_the_predecessor(tmp_path: Path) -> None:
    """The lines of Debian's gnupg-pkcs11-scd 0.10.0 example, the ones behind its comment signs included."""
    text = (
        "#log-file log1\n#verbose\n#debug-all\n#pin-cache 20\n\nproviders p1\n\n#\n"
        "provider-p1-library /usr/lib/pkcs11/p1.so\n#provider-p1-allow-protected-auth\n#provider-p1-cert-private\n"
        "#provider-p1-private-mask 0\n\n#emulate-openpgpg\n"
        f"#openpgp-sign {GRIP}\n#openpgp-encr {GRIP}\n#openpgp-auth {GRIP}\n"
    )
    (tmp_path / "gnupg-pkcs11-scd.conf").write_text(text)
    environ = {"GNUPGHOME": str(tmp_path)}
    plain = load_settings(parse_command_line(["--multi-server"]), environ, ())
    assert plain.providers == (ProviderSettings(name="p1", library="/usr/lib/pkcs11/p1.so", line=9),)
    (tmp_path / "gnupg-pkcs11-scd.conf").write_text(text.replace("#", ""))
    full = load_settings(parse_command_line(["--multi-server"]), environ, ())
    provider = full.providers[0]
    assert (provider.allow_protected_auth, provider.cert_private, provider.private_mask) == (True, True, 0)
    assert (full.verbosity, full.debug, full.pin_cache_s) == (1, EVERYTHING, 20)
    assert full.openpgp_auth == bytes.fromhex(GRIP)
    assert full.log_file == str(tmp_path / "log1")
    assert any("emulate-openpgpg" in warning for warning in full.warnings)


_LINES = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [b"providers a,b", b"provider-a-library /x", b"provider-b-library y", b"verbose", b"debug ipc"]
        + [f"provider-c-{name} 00".encode() for name in PROVIDER_OPTIONS]
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_LINES, max_size=8).map(b"\n".join))
def test_any_file_gives_settings_or_a_config_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scd.conf").write_bytes(content)
    environ = {"GNUPGHOME": str(tmp_path)}
    file: str | None
    try:
        file = load_settings(parse_command_line([]), environ, ()).file
    except ConfigError as error:
        file = error.file
    assert file == f"{tmp_path}/scd.conf"
    despite = settings_despite(ConfigError("no"), parse_command_line([]), environ, ())
    assert (despite.file, despite.mistake) == (file, "no")


def test_of_a_wrong_configuration_what_the_log_needs_is_obeyed(tmp_path: Path) -> None:
    (tmp_path / "scd.conf").write_text("xyzzy\nlog-file l\ndebug ipc\npin-cache x\nverbose\nverbose\nproviders a\n")
    environ, line = {"GNUPGHOME": str(tmp_path)}, parse_command_line(["--multi-server", "-v"])
    found = settings_despite(ConfigError("no", file="f", line=1), line, environ, ())
    assert found == Settings(
        home=str(tmp_path), file=f"{tmp_path}/scd.conf", log_file=f"{tmp_path}/l", verbosity=3, debug=DebugFlag.IPC,
        mistake="f:1: no",
    )  # fmt: skip


def test_a_home_that_cannot_be_told_stays_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    with pytest.raises(ConfigError, match="GNUPGHOME"):
        settings_despite(ConfigError("no"), parse_command_line([]), {"GNUPGHOME": "relative"}, ())
