"""From settings to a running service: which modules, with which profile, in how many workers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from scd.config import DebugFlag, ProviderSettings, Settings
from scd.cryptoki.moduleconfig import ModuleConfig
from scd.cryptoki.profile import Profile, Quirk, installed, load_profiles, profile_for_library
from scd.cryptoki.worker.client import WorkerModule
from scd.cryptoki.worker.pool import PooledModule
from scd.cryptoki.worker.spawn import WorkerProcess, spawn
from scd.service.catalogue import Catalogue
from scd.service.logins import Logins
from scd.service.operations import Service
from scd.service.registry import RegisteredModule, Registry
from scd.service.roles import AUTHENTICATE, ENCRYPT, SIGN, Role
from scd.token.errors import TokenError
from scd.token.port import TokenModule

log = logging.getLogger(__name__)


@dataclass(slots=True)
class PlannedModule:
    """One module to be: what its workers are told, the one already started, and those that wait for `warm_up`."""

    config: ModuleConfig
    workers: int
    timeout_s: float
    serials: Mapping[str | None, str] = field(default_factory=dict)
    log_level: int = logging.INFO
    started: WorkerProcess | None = None
    waiting: list[WorkerModule] = field(default_factory=list)


def plan(settings: Settings, environ: Mapping[str, str]) -> list[PlannedModule]:
    """The configured modules; without a configuration, those of the profiles that are installed here."""
    planned = _modules(settings, load_profiles(), environ)
    wanted = settings.verbosity > 1 or settings.debug & (DebugFlag.CARD | DebugFlag.CARDIO)
    for module in planned:
        module.log_level = logging.DEBUG if wanted else logging.INFO
    return planned


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


async def warm_up(service: Service, planned: Sequence[PlannedModule]) -> None:
    """List all tokens, so that the first command finds them listed; then start the workers that are there for load.

    Not before, because those would take processor time from the first one just when a client waits for it.
    """
    await service.rescan(again=True)
    for module in planned:
        for worker in module.waiting:
            with contextlib.suppress(TokenError):  # it is tried again when it is needed
                worker.start()


def build_service(settings: Settings, planned: Sequence[PlannedModule]) -> Service:
    """The service over the planned modules. Needs the running loop."""
    registry = Registry(tuple(_registered(module) for module in planned))
    configured: dict[Role, bytes | None] = {
        SIGN: settings.openpgp_sign,
        ENCRYPT: settings.openpgp_encr,
        AUTHENTICATE: settings.openpgp_auth,
    }
    roles = {role: grip for role, grip in configured.items() if grip is not None}
    for module in planned:
        log.info("module=%s library=%s profile=%s workers=%d", module.config.name, module.config.library,
                 module.config.profile or "-", module.workers)  # fmt: skip
    if not planned:
        log.warning("no PKCS#11 module is configured in %s, and none of the known ones is installed", settings.home)
    return Service(Catalogue(registry), Logins(settings.pin_cache_s), roles)


def _registered(module: PlannedModule) -> RegisteredModule:
    made = [
        WorkerModule(module.config, timeout_s=module.timeout_s, started=started, log_level=module.log_level)
        for started in (module.started, *[None] * (module.workers - 1))
    ]
    first, *module.waiting = made
    face: TokenModule = PooledModule(made) if module.waiting else first
    return RegisteredModule(module.config.name, face, module.serials, module.config.cert_private)
