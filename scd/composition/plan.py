"""Which modules, with which profile, in how many workers; and their first workers started.

This runs between the greeting and the import of asyncio, so that worker processes load their modules while we import.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from scd.config import ConfigError, DebugFlag, ProviderSettings, Settings
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.profile import Profile, ProfileError, Quirk, installed, load_profiles, profile_for_library
from scd.cryptoki.worker.spawn import WorkerProcess, spawn
from scd.token.errors import reason

DEBUG, INFO = 10, 20  # `logging`'s numbers; the module itself is imported later


@dataclass(slots=True)
class PlannedModule:
    """One module to be: what its workers are told, and the one that is started already."""

    config: ModuleConfig
    workers: int
    timeout_s: float
    serials: Mapping[str | None, str] = field(default_factory=dict)
    log_level: int = INFO
    started: WorkerProcess | None = None


def plan(settings: Settings, environ: Mapping[str, str]) -> list[PlannedModule]:
    """The configured modules; without a configuration, those of the profiles that are installed here.

    Raises ConfigError when a shipped profile cannot be read.
    """
    planned = _modules(settings, _shipped_profiles(), environ)
    wanted = settings.verbosity > 1 or settings.debug & (DebugFlag.CARD | DebugFlag.CARDIO)
    for module in planned:
        module.log_level = DEBUG if wanted else INFO
        module.config = replace(module.config, verify_signatures=settings.verify_signatures)
    return planned


def _shipped_profiles() -> Sequence[Profile]:
    try:
        return load_profiles()
    except (ProfileError, OSError) as error:
        raise ConfigError(f"{reason(error)}; it came with scd: install that again, or mend the file") from error


def _modules(settings: Settings, profiles: Sequence[Profile], environ: Mapping[str, str]) -> list[PlannedModule]:
    if settings.providers:
        return [_planned(provider, profile_for_library(profiles, provider.library)) for provider in settings.providers]
    said = {provider.name: provider for provider in settings.profile_options}
    unsaid = ProviderSettings("", "")
    # Without a `providers` line nobody has said no to pin pads, and a reader with one is there to be used.
    return [
        _planned(
            replace(said.get(profile.name, unsaid), name=profile.name, library=library, allow_protected_auth=True),
            profile,
        )
        for profile, library in installed(profiles, environ)
    ]


def _planned(provider: ProviderSettings, profile: Profile) -> PlannedModule:
    """What the configuration says of a module wins over what its profile says."""
    config = ModuleConfig(
        name=provider.name,
        library=provider.library,
        init_args=provider.init_args if provider.init_args is not None else profile.init_args,
        private_mask=provider.private_mask,
        cert_private=provider.cert_private or Quirk.LOGIN_BEFORE_LISTING in profile.quirks,
        allow_protected_auth=provider.allow_protected_auth,
        quirks=_quirks(profile),
        profile=profile.name,
        environment=profile.environment,
    )
    workers = provider.workers or profile.worker_count()
    return PlannedModule(config, workers, provider.timeout_s or profile.timeout_s, dict(provider.serial))


def _quirks(profile: Profile) -> tuple[str, ...]:
    return tuple(sorted(quirk.value for quirk in profile.quirks))


def start_workers(planned: Sequence[PlannedModule]) -> None:
    """Start the first worker of every module; they load while we go on."""
    for module in planned:
        with contextlib.suppress(OSError):  # it is tried again when it is needed, and then the log says why not
            module.started = spawn(module.config, log_level=module.log_level)
