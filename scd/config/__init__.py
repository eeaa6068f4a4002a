"""Settings from the command line and from GnuPG option files, by one table of options (`options.py`).

Everything that is not known is a ConfigError, and the program ends with status 2. The printing modes are in
`scd.config.describe`, which nothing on the way to the greeting imports.
"""

from scd.config.commandline import CommandLine, parse_command_line
from scd.config.debug import DebugFlag
from scd.config.errors import ConfigError
from scd.config.load import load_settings, settings_despite
from scd.config.options import Mode
from scd.config.settings import ProviderSettings, Settings

__all__ = [
    "CommandLine",
    "ConfigError",
    "DebugFlag",
    "Mode",
    "ProviderSettings",
    "Settings",
    "load_settings",
    "parse_command_line",
    "settings_despite",
]
