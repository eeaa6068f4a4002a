"""The typed result: what the daemon and its floors read; nothing here knows how it was written down."""

from __future__ import annotations

from dataclasses import dataclass

from scd.config.debug import DebugFlag


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One PKCS#11 module of the configuration; None or empty: not said, profile or default decides.

    `library` is a path, or a bare file name for the loader to search; empty in `Settings.profile_options`
    alone. `line` is where the library stands in `Settings.file`, 0 for the command line. `private_mask` adds
    up 1 sign, 2 sign-recover, 4 decrypt, 8 unwrap; 0 lets scd choose. `serial` holds pairs (token label,
    serial number), with None as the label for the provider's only token; the number is 8 hex digits, to be
    used within the serial scheme of gnupg-pkcs11-scd, or any even number of them up to 32, to be used whole;
    upper case.
    """

    name: str
    library: str
    line: int = 0
    allow_protected_auth: bool = False
    cert_private: bool = False
    private_mask: int = 0
    serial: tuple[tuple[str | None, str], ...] = ()
    init_args: str | None = None
    workers: int | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, the command line's included.

    `home` is absolute. `file` is the option file that was read, or None. `log_file` is an absolute path,
    `socket://PATH`, or None for stderr. `pin_cache_s` is None without limit, 0 for not at all. Each
    `openpgp_…` is a 20-octet keygrip. `providers` is in the order of the `providers` line; it is empty when
    nothing was configured, and then the installed modules with a profile are used, `profile_options` adding
    to the profiles with those names. `warnings` come from the file and from putting all together, not from
    parsing the command line. `mistake` is why the configuration cannot be obeyed; then only `home`, `file` and what the
    log needs are set.
    """

    home: str
    file: str | None = None
    log_file: str | None = None
    verbosity: int = 0
    quiet: bool = False
    debug: DebugFlag = DebugFlag(0)  # noqa: RUF009 - an immutable enum member
    pin_cache_s: int | None = None
    use_gnupg_pin_cache: bool = False
    providers: tuple[ProviderSettings, ...] = ()
    profile_options: tuple[ProviderSettings, ...] = ()
    openpgp_sign: bytes | None = None
    openpgp_encr: bytes | None = None
    openpgp_auth: bytes | None = None
    deny_admin: bool = False
    verify_signatures: bool = False
    listen_backlog: int = 64
    warnings: tuple[str, ...] = ()
    mistake: str = ""
