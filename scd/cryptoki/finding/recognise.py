"""A module whose file's name told nothing, known by what it says of itself once it is loaded."""

from __future__ import annotations

import logging
from ctypes import Structure, byref, c_char, c_ubyte, c_ulong
from dataclasses import replace

from scd.cryptoki.calls.ckr import CkrError
from scd.cryptoki.calls.native import Native
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.profile import DEFAULT, Profile, ProfileError, Quirk, load_profiles, match
from scd.token.errors import reason

log = logging.getLogger(__name__)


class ModuleInfo(Structure):
    """CK_INFO; PKCS#11 v3.1 §3.1."""

    _fields_ = (
        ("cryptoki_version", c_ubyte * 2),
        ("manufacturer", c_char * 32),
        ("flags", c_ulong),
        ("description", c_char * 32),
        ("library_version", c_ubyte * 2),
    )


def recognised(config: ModuleConfig, native: Native) -> ModuleConfig:
    """The configuration with the quirks of the profile that C_GetInfo fits, for a module that was taken for nobody's.

    Others come back as they are, and so does one that fits none. What the daemon has settled before the module was
    loaded (workers, times, login before listing) stays. Raises CkrError when the module does not start again.
    """
    if config.profile != DEFAULT.name:
        return config
    found = _profile(native)
    if found is DEFAULT:
        return config
    log.info("module=%s op=recognise result=%s by C_GetInfo", config.name, found.name)
    quirks = tuple(sorted({*config.quirks, *(quirk.value for quirk in found.quirks)}))
    if Quirk.SINGLE_THREAD_INIT in found.quirks:
        native.finalize()
        native.initialize(config.init_args, locking=False)
    return replace(config, quirks=quirks, profile=found.name)


def _profile(native: Native) -> Profile:
    info = ModuleInfo()
    try:
        native.call("C_GetInfo", byref(info))
        profiles = load_profiles()
    except (CkrError, OSError, ProfileError) as error:
        log.debug("op=recognise result=%s", reason(error))
        return DEFAULT
    return match(profiles, *(text.decode("utf-8", "replace") for text in (info.manufacturer, info.description)))
