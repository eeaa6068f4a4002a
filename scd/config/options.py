"""The table of options: command line, option files, help and the gpgconf dumps all come from here.

Names, short letters and descriptions of scdaemon's options are GnuPG's (scd/scdaemon.c, 2.2.40 to 2.5); those
from `pin-cache` on are gnupg-pkcs11-scd's, with the meaning they have there. The classes have neither `==` nor
a repr: nobody compares rows of a table, and making those methods is a fifth of what importing this package costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Mode(Enum):
    """What the program is asked to do; the second group only prints something and ends."""

    NONE = "none"
    SERVER = "server"
    MULTI_SERVER = "multi-server"
    DAEMON = "daemon"
    SUPERVISED = "supervised"

    HELP = "help"
    VERSION = "version"
    DUMP_OPTIONS = "dump-options"
    DUMP_OPTION_TABLE = "dump-option-table"
    GPGCONF_LIST = "gpgconf-list"
    GPGCONF_TEST = "gpgconf-test"
    DEBUG_HELP = "debug-help"


class Kind(Enum):
    """The form of an option's value; `values.CHECKS` holds the rule of each."""

    FLAG = "flag"
    NUMBER = "number"
    UID = "uid"
    COUNT = "count"
    SECONDS = "seconds"
    PIN_CACHE = "pin-cache"
    DEBUG = "debug"
    DEBUG_LEVEL = "debug-level"
    TEXT = "text"
    FILE = "file"
    LOG_FILE = "log-file"
    NAMES = "names"
    MASK = "mask"
    KEYGRIP = "keygrip"
    SERIAL = "serial"
    WORKERS = "workers"


class Role(Enum):
    """Where an option may stand, and whether it means anything here."""

    COMMAND = "prints something and ends"
    START = "command line only"
    ANYWHERE = "command line and option files"
    FILE = "option files only"
    IGNORED = "accepted everywhere, without effect"
    PROVIDER = "as provider-NAME-…, command line and option files"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Option:
    """One option. `description` is GnuPG's form: `|VALUE|text`, or `@` to keep it out of the help.

    `mode` is what the option asks for, `default` what gpgconf is told, `remark` what a user of an ignored
    option should know. `raw` values go to the end of the line, `repeatable` ones add up.
    """

    name: str
    kind: Kind
    role: Role
    description: str = "@"
    short: str = ""
    mode: Mode | None = None
    default: str = ""
    remark: str = ""
    raw: bool = False
    repeatable: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Section:
    """A headed group of options, as help and gpgconf show it; the first group has no name."""

    name: str
    title: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Given:
    """One option as somebody wrote it: `provider` is the NAME of a provider-NAME-… option, else empty.

    `file` and `line` are None on the command line; an option without value has the empty text.
    """

    option: Option
    value: str
    provider: str = ""
    file: str | None = None
    line: int | None = None

    @property
    def name(self) -> str:
        """The option's name as it was meant, without dashes in front."""
        return f"provider-{self.provider}-{self.option.name}" if self.provider else self.option.name


def _ignored(name: str, kind: Kind = Kind.FLAG, remark: str = "it is about scdaemon's card readers") -> Option:
    return Option(name, kind, Role.IGNORED, remark=remark, repeatable=True)


_NO_RISK = "scd has no such switch, so that no secret reaches a log or a core file"

SECTIONS = (
    Section(
        "",
        "Commands",
        (
            Option("help", Kind.FLAG, Role.COMMAND, "print this information", "h", Mode.HELP),
            Option("version", Kind.FLAG, Role.COMMAND, "print the version", mode=Mode.VERSION),
            Option("dump-options", Kind.FLAG, Role.COMMAND, mode=Mode.DUMP_OPTIONS),
            Option("dump-option-table", Kind.FLAG, Role.COMMAND, mode=Mode.DUMP_OPTION_TABLE),
            Option("gpgconf-list", Kind.FLAG, Role.COMMAND, mode=Mode.GPGCONF_LIST),
            Option("gpgconf-test", Kind.FLAG, Role.COMMAND, mode=Mode.GPGCONF_TEST),
        ),
    ),
    Section(
        "Startup",
        "Options used for startup",
        (
            Option("server", Kind.FLAG, Role.START, "run in server mode (foreground)", mode=Mode.SERVER),
            Option(
                "multi-server",
                Kind.FLAG,
                Role.START,
                "run in multi server mode (foreground)",
                mode=Mode.MULTI_SERVER,
            ),
            Option("daemon", Kind.FLAG, Role.START, "run in daemon mode (background)", mode=Mode.DAEMON),
            Option(
                "supervised",
                Kind.FLAG,
                Role.START,
                "run on a listening socket passed as descriptor 3",
                mode=Mode.SUPERVISED,
            ),
            Option("no-detach", Kind.FLAG, Role.START, "do not detach from the console"),
            Option("sh", Kind.FLAG, Role.START, "sh-style command output", "s"),
            Option("csh", Kind.FLAG, Role.START, "csh-style command output", "c"),
            Option("homedir", Kind.FILE, Role.START, "|DIR|use DIR as the GnuPG home directory"),
            Option("options", Kind.FILE, Role.START, "|FILE|read options from FILE"),
            Option("no-options", Kind.FLAG, Role.START),
            Option("uid-acl", Kind.UID, Role.START, "|UID|let only this user connect, through an open socket"),
            Option("listen-backlog", Kind.COUNT, Role.ANYWHERE, default="64"),
            Option("debug-wait", Kind.NUMBER, Role.START),
            Option(
                "ignore-invalid-option",
                Kind.TEXT,
                Role.FILE,
                "|NAMES|skip these options when they are not known",
                repeatable=True,
            ),
        ),
    ),
    Section(
        "Monitor",
        "Options controlling the diagnostic output",
        (
            Option("verbose", Kind.FLAG, Role.ANYWHERE, "verbose", "v", repeatable=True),
            Option("quiet", Kind.FLAG, Role.ANYWHERE, "be somewhat more quiet", "q"),
            Option(
                "debug",
                Kind.DEBUG,
                Role.ANYWHERE,
                "|FLAGS|switch on these parts of the trace",
                repeatable=True,
            ),
            Option("debug-all", Kind.FLAG, Role.ANYWHERE, "switch on the whole trace"),
            Option(
                "debug-level",
                Kind.DEBUG_LEVEL,
                Role.ANYWHERE,
                "|LEVEL|set the debugging level to LEVEL",
                default="none",
            ),
            Option("log-file", Kind.LOG_FILE, Role.ANYWHERE, "|FILE|write a log to FILE"),
            _ignored("no-greeting", remark="scd prints no greeting of its own"),
            _ignored("batch", remark="scd never asks on a terminal"),
            _ignored("debug-allow-core-dump", remark=_NO_RISK),
            _ignored("debug-allow-pin-logging", remark=_NO_RISK),
            _ignored("debug-ccid-driver"),
            _ignored("debug-log-tid", remark="each connection has a number in the log instead"),
            _ignored("debug-assuan-log-cats", Kind.TEXT, "'debug ipc' traces the connections"),
        ),
    ),
    Section(
        "Configuration",
        "Options controlling the configuration",
        (
            Option(
                "pin-cache",
                Kind.PIN_CACHE,
                Role.ANYWHERE,
                "|N|log tokens out N seconds after the PIN was given",
                default="-1",
            ),
            Option("use-gnupg-pin-cache", Kind.FLAG, Role.ANYWHERE, "ask gpg-agent for a PIN it may know"),
            Option("providers", Kind.NAMES, Role.ANYWHERE, "|NAMES|use these PKCS#11 modules, in this order"),
            Option("openpgp-sign", Kind.KEYGRIP, Role.ANYWHERE, "|KEYGRIP|show this key as OPENPGP.1"),
            Option("openpgp-encr", Kind.KEYGRIP, Role.ANYWHERE, "|KEYGRIP|show this key as OPENPGP.2"),
            Option("openpgp-auth", Kind.KEYGRIP, Role.ANYWHERE, "|KEYGRIP|show this key as OPENPGP.3"),
            _ignored("emulate-openpgpg", remark="obsolete: 'openpgp-sign' and its sisters do this on their own"),
            _ignored("reader-port", Kind.TEXT),
            _ignored("ctapi-driver", Kind.TEXT),
            _ignored("pcsc-driver", Kind.TEXT),
            _ignored("pcsc-shared"),
            _ignored("disable-ccid"),
            _ignored("disable-opensc"),
            _ignored("disable-pinpad", remark="leave out 'provider-NAME-allow-protected-auth' instead"),
            _ignored("disable-keypad", remark="leave out 'provider-NAME-allow-protected-auth' instead"),
            _ignored("enable-pinpad-varlen"),
            _ignored("card-timeout", Kind.TEXT, "'pin-cache' limits how long a token stays logged in"),
            _ignored("disable-application", Kind.TEXT, "PKCS#11 tokens have no card applications"),
            _ignored("application-priority", Kind.TEXT, "PKCS#11 tokens have no card applications"),
            _ignored("compatibility-flags", Kind.TEXT),
        ),
    ),
    Section(
        "Security",
        "Options controlling the security",
        (
            Option("deny-admin", Kind.FLAG, Role.ANYWHERE, "deny every command that changes a token"),
            Option("read-only", Kind.FLAG, Role.ANYWHERE, "the same as deny-admin"),
            Option("verify-signatures", Kind.FLAG, Role.ANYWHERE, "verify every signature before it is given out"),
            _ignored("allow-admin", remark="this is the default; 'deny-admin' forbids"),
        ),
    ),
)

PROVIDERS_SECTION = Section(
    "Providers",
    "Options of one PKCS#11 module",
    (
        Option("library", Kind.FILE, Role.PROVIDER, "|FILE|the module, an absolute path to a shared library"),
        Option("allow-protected-auth", Kind.FLAG, Role.PROVIDER, "let the token's own pin pad ask for the PIN"),
        Option("cert-private", Kind.FLAG, Role.PROVIDER, "log in before certificates are read"),
        Option(
            "private-mask",
            Kind.MASK,
            Role.PROVIDER,
            "|HEX|force 1 sign, 2 sign-recover, 4 decrypt, 8 unwrap (sum); 0 lets scd choose",
        ),
        Option(
            "serial",
            Kind.SERIAL,
            Role.PROVIDER,
            "|[LABEL=]SERIAL|the serial number of the only token, or of that with this label",
            repeatable=True,
        ),
        Option("init-args", Kind.TEXT, Role.PROVIDER, "|TEXT|the argument text of the module's start", raw=True),
        Option("workers", Kind.WORKERS, Role.PROVIDER, "|N|run N processes for this module, or 'cpus' of them"),
        Option("timeout", Kind.SECONDS, Role.PROVIDER, "|SECONDS|give up on the module after this time"),
    ),
)

PROVIDER_PREFIX = "provider-"

BY_NAME = {option.name: option for section in SECTIONS for option in section.options}
BY_SHORT = {option.short: option for option in BY_NAME.values() if option.short} | {"?": BY_NAME["help"]}
PROVIDER_OPTIONS = {option.name: option for option in PROVIDERS_SECTION.options}


def find(name: str) -> tuple[Option, str] | None:
    """The option with exactly this name, with the NAME of a `provider-NAME-…` option or the empty text.

    NAME may hold dashes: no attribute ends with a dash and another attribute, so there is one reading at
    most.
    """
    option = BY_NAME.get(name)
    if option:
        return option, ""
    if name.startswith(PROVIDER_PREFIX):
        rest = name[len(PROVIDER_PREFIX) :]
        for attribute, option in PROVIDER_OPTIONS.items():
            if rest.endswith("-" + attribute) and len(rest) > len(attribute) + 1:
                return option, rest[: -len(attribute) - 1]
    return None


def near_names(name: str) -> list[str]:
    """The names worth comparing with an unknown one; a provider's name is kept as far as its first dash."""
    provider = name[len(PROVIDER_PREFIX) :].partition("-")[0] if name.startswith(PROVIDER_PREFIX) else "NAME"
    return [*BY_NAME, *(f"{PROVIDER_PREFIX}{provider}-{attribute}" for attribute in PROVIDER_OPTIONS)]
