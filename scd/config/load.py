"""From a command line to settings: the option file is found and read, the command line's options win."""

from __future__ import annotations

import os.path

from scd.config.commandline import DEFAULT_BACKLOG, CommandLine
from scd.config.debug import EVERYTHING, NOTHING, DebugFlag, add_flags, level_flags
from scd.config.errors import ConfigError, placed
from scd.config.modules import configured_modules
from scd.config.optionfile import read_option_file, read_what_can_be_read
from scd.config.options import Given
from scd.config.settings import Settings
from scd.config.values import count, keygrip, pin_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOME_FILES = ("scd.conf", "gnupg-pkcs11-scd.conf")

# The second is where Debian's gnupg-pkcs11-scd 0.10.0 looks; the third is GnuPG's own place for such files.
SYSTEM_FILES = ("/etc/gnupg/scd.conf", "/etc/gnupg-pkcs11-scd.conf", "/etc/gnupg/gnupg-pkcs11-scd.conf")


def load_settings(
    command_line: CommandLine, environ: Mapping[str, str], system_files: Sequence[str] = SYSTEM_FILES
) -> Settings:
    """The settings of this start, or of a later re-reading with the same command line.

    Home: --homedir, else GNUPGHOME, else ~/.gnupg. File: --options, which must exist, else the first that
    exists of `HOME_FILES` in the home and of `system_files`; none with --no-options. Raises ConfigError.
    """
    home = home_directory(command_line, environ)
    file = _option_file(command_line, home, system_files)
    givens, warnings = read_option_file(file) if file else ([], [])
    givens += command_line.overrides
    verbosity, quiet, debug = _talk(givens, warnings)
    modules, profile_options, more = configured_modules(givens)
    last = {given.name: given for given in givens}
    return Settings(
        home=home,
        file=file,
        log_file=_log_file(last.get("log-file"), home, environ),
        verbosity=verbosity,
        quiet=quiet,
        debug=debug,
        pin_cache_s=pin_cache(last["pin-cache"].value) if "pin-cache" in last else None,
        use_gnupg_pin_cache="use-gnupg-pin-cache" in last,
        providers=modules,
        profile_options=profile_options,
        openpgp_sign=_keygrip(last.get("openpgp-sign")),
        openpgp_encr=_keygrip(last.get("openpgp-encr")),
        openpgp_auth=_keygrip(last.get("openpgp-auth")),
        deny_admin="deny-admin" in last or "read-only" in last,
        verify_signatures="verify-signatures" in last,
        listen_backlog=count(last["listen-backlog"].value) if "listen-backlog" in last else DEFAULT_BACKLOG,
        warnings=(*warnings, *more),
    )


def settings_despite(
    mistake: ConfigError, command_line: CommandLine, environ: Mapping[str, str],
    system_files: Sequence[str] = SYSTEM_FILES,
) -> Settings:  # fmt: skip
    """What there is of a configuration that `load_settings` refused: enough to log what is wrong with it.

    Lines that cannot be obeyed are passed over. Raises ConfigError when not even the home can be told.
    """
    home = home_directory(command_line, environ)
    file = _option_file(command_line, home, system_files)
    givens = read_what_can_be_read(file) if file else []
    givens += command_line.overrides
    verbosity, quiet, debug = _talk(givens, [])
    log_file = next((given for given in reversed(givens) if given.name == "log-file"), None)
    return Settings(
        home, file, _log_file(log_file, home, environ), verbosity, quiet, debug, mistake=str(mistake),
    )  # fmt: skip


def home_directory(command_line: CommandLine, environ: Mapping[str, str]) -> str:
    """The absolute path of the GnuPG home; an empty GNUPGHOME counts as none, as in GnuPG."""
    if command_line.homedir:
        return command_line.homedir
    named = environ.get("GNUPGHOME") or _expanded("~/.gnupg", environ)
    try:
        return os.path.abspath(named)
    except OSError as error:
        raise ConfigError(f"GNUPGHOME is '{named}'; make it an absolute path") from error


def _expanded(path: str, environ: Mapping[str, str]) -> str:
    """The path with `~/` replaced, by HOME of this environment or else what the user database says."""
    if not path.startswith("~/"):
        return path
    return os.path.join(environ["HOME"], path[2:]) if environ.get("HOME") else os.path.expanduser(path)


def _option_file(command_line: CommandLine, home: str, system_files: Sequence[str]) -> str | None:
    if command_line.no_options:
        return None
    if command_line.options_file:
        return command_line.options_file
    candidates = [*(os.path.join(home, name) for name in HOME_FILES), *system_files]
    return next((file for file in candidates if os.path.exists(file)), None)


def _talk(givens: Sequence[Given], warnings: list[str]) -> tuple[int, bool, DebugFlag]:
    """Verbosity, quiet and debug flags, as scdaemon's set_debug() joins them; adds to the warnings.

    A debug level replaces the flags. Any debug flag makes the program verbose and not quiet.
    """
    debug, level = NOTHING, None
    for given in givens:
        if given.name == "debug":
            debug, unknown = add_flags(debug, given.value)
            for word in unknown:
                text = f"unknown debug flag '{word}' skipped; 'scd --debug help' lists them"
                warnings.append(placed(text, given.file, given.line))
        elif given.name == "debug-all":
            debug = EVERYTHING
        elif given.name == "debug-level":
            level = given.value
    if level is not None:
        debug = level_flags(level)
    verbosity = sum(given.name == "verbose" for given in givens)
    quiet = any(given.name == "quiet" for given in givens)
    return max(verbosity, 1 if debug else 0), quiet and not debug, debug


def _log_file(given: Given | None, home: str, environ: Mapping[str, str]) -> str | None:
    """Where the log goes. A relative path of a file lies in the home: the agent's directory may be any."""
    if given is None or given.value in ("-", "stderr"):
        return None
    if given.value.startswith("socket://"):
        path = given.value.removeprefix("socket://") or "S.log"
        return "socket://" + os.path.join(home, _expanded(path, environ))
    return os.path.join(home, _expanded(given.value, environ))


def _keygrip(given: Given | None) -> bytes | None:
    return keygrip(given.value) if given else None
