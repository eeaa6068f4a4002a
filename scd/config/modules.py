"""The provider-NAME-… options put together: which modules, and what was said of each."""

from __future__ import annotations

import os.path

from scd.config.errors import ConfigError, placed
from scd.config.options import PROVIDER_PREFIX, Given
from scd.config.settings import ProviderSettings
from scd.config.values import mask, names, seconds, serial, workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def configured_modules(
    givens: Sequence[Given],
) -> tuple[tuple[ProviderSettings, ...], tuple[ProviderSettings, ...], list[str]]:
    """The modules in their order, the options for profiles of modules nobody listed, and warnings.

    Without a `providers` option every provider with a library counts, in the order of the lines. A name in `providers`
    that has no library is left out with a warning, as gnupg-pkcs11-scd 0.10 leaves it out; ConfigError when no name
    is left. A library that is not there is a warning: it may come later.
    """
    said: dict[str, list[Given]] = {}
    for given in givens:
        if given.provider:
            said.setdefault(given.provider, []).append(given)
    listing = next((given for given in reversed(givens) if given.name == "providers"), None)
    with_library = [name for name, options in said.items() if _last(options, "library")]
    listed: Sequence[str] = names(listing.value) if listing else with_library
    wanted = [name for name in listed if name in with_library]
    lacking = [_no_library(name) for name in listed if name not in with_library]
    if listing and lacking and not wanted:
        raise ConfigError(lacking[0], file=listing.file, line=listing.line)
    modules = tuple(_module(name, said[name]) for name in wanted)
    others = {name: options for name, options in said.items() if name not in wanted}
    warnings = [
        *(placed(text, listing.file, listing.line) for text in lacking if listing),
        *_unlisted({name: options for name, options in others.items() if name not in listed}, wanted),
        *_missing_libraries(said, modules),
    ]
    profile_options = () if wanted else tuple(_module(name, options) for name, options in others.items())
    return modules, profile_options, warnings


def _no_library(name: str) -> str:
    return f"provider '{name}' has no library; add: {PROVIDER_PREFIX}{name}-library /path/to/module.so"


def _module(name: str, options: list[Given]) -> ProviderSettings:
    library = _last(options, "library")
    private_mask, workers_given, timeout, init_args = (
        _last(options, attribute) for attribute in ("private-mask", "workers", "timeout", "init-args")
    )
    return ProviderSettings(
        name=name,
        library=os.path.expanduser(library.value) if library else "",
        line=(library.line or 0) if library else 0,
        allow_protected_auth=_last(options, "allow-protected-auth") is not None,
        cert_private=_last(options, "cert-private") is not None,
        private_mask=mask(private_mask.value) if private_mask else 0,
        serial=_serials(options),
        init_args=init_args.value if init_args else None,
        workers=workers(workers_given.value) if workers_given else None,
        timeout_s=seconds(timeout.value) if timeout else None,
    )


def _last(options: Iterable[Given], attribute: str) -> Given | None:
    found = None
    for given in options:
        if given.option.name == attribute:
            found = given
    return found


def _serials(options: Iterable[Given]) -> tuple[tuple[str | None, str], ...]:
    """One serial for each label, the last one said; None is the label of the only token."""
    pairs = [serial(given.value) for given in options if given.option.name == "serial"]
    return tuple(dict(pairs).items())


def _unlisted(others: dict[str, list[Given]], wanted: Sequence[str]) -> list[str]:
    """A warning for each provider that has options but will not be used."""
    if not wanted:
        return []
    return [
        placed(
            f"provider '{name}' is not used; add it to the line: providers {','.join(wanted)},{name}",
            options[0].file,
            options[0].line,
        )
        for name, options in others.items()
    ]


def _missing_libraries(said: dict[str, list[Given]], modules: Iterable[ProviderSettings]) -> list[str]:
    """A warning for each library that cannot be loaded as things are; a bare name is left to the loader."""
    warnings = []
    for module in modules:
        given = _last(said[module.name], "library")
        reason = _defect(module.library)
        if given and reason:
            remedy = f"install it, or correct the path of {given.name}"
            warnings.append(placed(f"library '{module.library}' {reason}; {remedy}", given.file, given.line))
    return warnings


def _defect(library: str) -> str:
    if "/" not in library:
        return ""
    if not os.path.exists(library):
        return "does not exist"
    return "is a directory" if os.path.isdir(library) else ""
