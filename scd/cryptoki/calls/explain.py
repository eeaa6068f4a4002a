"""Why a module does not work, for the person who has to mend it: the CKR's name, its meaning, what is not set."""

from __future__ import annotations

import os

from scd.cryptoki.calls.ckr import CkrError, ckr_name, to_token_error
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.profile import Quirk
from scd.token.errors import ModuleUnavailable, TokenError, reason

# What modules mean by those that a module which does not start, or cannot list its slots, answers with.
_MEANINGS = {
    "CKR_HOST_MEMORY": "no memory left",
    "CKR_GENERAL_ERROR": "something failed inside the module, often its configuration",
    "CKR_FUNCTION_FAILED": "something failed inside the module, often its configuration or a service it needs",
    "CKR_ARGUMENTS_BAD": "the module does not take these init arguments",
    "CKR_CANT_LOCK": "the module cannot be used with locks",
    "CKR_NEED_TO_CREATE_THREADS": "the module needs threads of its own",
    "CKR_DEVICE_ERROR": "the device, or the service behind the module, does not answer",
    "CKR_DEVICE_MEMORY": "the device has no memory left",
    "CKR_DEVICE_REMOVED": "the device is gone",
    "CKR_FUNCTION_NOT_SUPPORTED": "the module does not have this function",
    "CKR_CRYPTOKI_NOT_INITIALIZED": "the module lost its state",
    "CKR_FIPS_SELF_TEST_FAILED": "the module's self-test failed",
    "CKR_LIBRARY_LOAD_FAILED": "a library that the module needs cannot be loaded",
}


def unavailable(error: OSError | AttributeError | CkrError, config: ModuleConfig) -> ModuleUnavailable:
    """The error to raise for a library that cannot be loaded, is no PKCS#11 module, or does not start."""
    about, option = f"module {config.name}", f"provider-{config.name}-library"
    if isinstance(error, CkrError):
        return ModuleUnavailable(f"{about}: {config.library} does not start: {explained(error, config)}")
    if isinstance(error, AttributeError):
        return ModuleUnavailable(f"{about}: {config.library} is no PKCS#11 module; correct {option}")
    why = reason(error).removeprefix(f"{config.library}: ")
    return ModuleUnavailable(f"{about}: cannot load {config.library}: {why}; install it, or correct {option}")


def require_init_args(config: ModuleConfig) -> None:
    """Raise ModuleUnavailable for a module that has none and cannot do without."""
    if Quirk.INIT_ARGS_REQUIRED.value in config.quirks and not config.init_args:
        raise ModuleUnavailable(
            f"module {config.name}: {config.library} cannot start without init arguments; "
            f"set provider-{config.name}-init-args"
        )


def unlisted(error: CkrError, config: ModuleConfig) -> TokenError:
    """The error to raise for a module that cannot list its slots."""
    return to_token_error(error, f"module {config.name}", explained(error, config))


def explained(error: CkrError, config: ModuleConfig) -> str:
    """The failed call with the meaning of its answer, and the variables the module reads that this process has not."""
    meaning = _MEANINGS.get(ckr_name(error.rv))
    return f"{error}{f' ({meaning})' if meaning else ''}{unset(config)}"


def unset(config: ModuleConfig) -> str:
    """The variables of the module's profile that are not set here, as the end of a message; empty when all are."""
    names = [name for name in config.environment if not os.environ.get(name)]
    if not names:
        return ""
    return f"; not set in scd's environment, which is gpg-agent's: {', '.join(names)}"
