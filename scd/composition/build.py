"""From planned modules to a running service: the workers, the service over them, and their warming up."""

from __future__ import annotations

import contextlib
import logging
import os.path
from collections.abc import Sequence

from scd.composition.plan import PlannedModule
from scd.config import Settings
from scd.config.errors import placed
from scd.config.load import HOME_FILES, SYSTEM_FILES
from scd.cryptoki.profile import load_profiles
from scd.cryptoki.worker.client import WorkerModule
from scd.cryptoki.worker.pool import PooledModule
from scd.service.finding.catalogue import Catalogue
from scd.service.finding.places import AUTHENTICATE, ENCRYPT, SIGN, Role
from scd.service.finding.registry import RegisteredModule, Registry
from scd.service.kept.keyring import Keyring
from scd.service.kept.metadata import Metadata
from scd.service.kept.statefile import STATE_FILE, StateFile
from scd.service.kept.stubs import Stubs
from scd.service.keygripcheck import wrong_keygrips
from scd.service.operations import Service
from scd.service.pins.logins import Logins
from scd.service.pins.pincache import PinCache
from scd.token.errors import TokenError
from scd.token.port import TokenModule

log = logging.getLogger(__name__)


async def warm_up(service: Service) -> None:
    """List all tokens, so that the first command finds them listed; then start the workers that are there for load.

    Not before, because those would take processor time from the first one just when a client waits for it.
    """
    await service.rescan(again=True)
    for warning in await wrong_keygrips(service):
        log.warning("%s", warning)
    for entry in service.catalogue.registry.modules:
        if isinstance(entry.module, PooledModule):
            with contextlib.suppress(TokenError):  # it is tried again when it is needed
                entry.module.start()


def build_service(settings: Settings, planned: Sequence[PlannedModule]) -> Service:
    """The service over the planned modules. Needs the running loop."""
    without = "" if planned or settings.mistake else without_modules(settings)
    registry = Registry(tuple(_registered(module) for module in planned), without)
    configured: dict[Role, bytes | None] = {
        SIGN: settings.openpgp_sign,
        ENCRYPT: settings.openpgp_encr,
        AUTHENTICATE: settings.openpgp_auth,
    }
    roles = {role: grip for role, grip in configured.items() if grip is not None}
    _say(settings, planned)
    if not planned and not settings.mistake:
        log.warning("%s", without)
    cache = PinCache() if settings.use_gnupg_pin_cache else None
    state = StateFile(os.path.join(settings.home, STATE_FILE))
    return Service(
        Catalogue(registry, roles.values()), Logins(settings.pin_cache_s, cache), roles, Metadata(state),
        Keyring(settings.home), Stubs(settings.home),
    )  # fmt: skip


def _say(settings: Settings, planned: Sequence[PlannedModule]) -> None:
    """Which configuration this is, and why there are just these modules."""
    looked_for = ", ".join((*(os.path.join(settings.home, name) for name in HOME_FILES), *SYSTEM_FILES))
    log.debug("configuration read: %s", settings.file or f"none; there is neither of {looked_for}")
    lines = {provider.name: provider.line for provider in settings.providers}
    for module in planned:
        config = module.config
        named = placed("named", settings.file, lines.get(config.name) or None)
        why = named if config.name in lines else "not named, but its profile says to use it where it is installed"
        log.info("module=%s library=%s profile=%s workers=%d", config.name, config.library, config.profile or "-",
                 module.workers)  # fmt: skip
        log.debug("module=%s why=%s", config.name, why)


def without_modules(settings: Settings) -> str:
    """What to tell people when there is nothing to look for tokens with."""
    where = settings.file or os.path.join(settings.home, HOME_FILES[0])
    packages = ", ".join(package for one in load_profiles() if one.automatic for package in one.packages)
    return (
        f"no PKCS#11 module is configured in {where}, and none of the known ones is installed; install one "
        f"(Debian's packages: {packages}), or name its library there: provider-NAME-library /path/to/module.so"
    )


def _registered(module: PlannedModule) -> RegisteredModule:
    made = [
        WorkerModule(
            module.config,
            timeout_s=module.timeout_s,
            load_timeout_s=module.timeout_s,
            started=started,
            log_level=module.log_level,
        )
        for started in (module.started, *[None] * (module.workers - 1))
    ]
    face: TokenModule = PooledModule(made) if len(made) > 1 else made[0]
    return RegisteredModule(module.config.name, face, module.serials, module.config.cert_private)
