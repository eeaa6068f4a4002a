"""What --gpgconf-test looks at beyond the option file: whether its keygrips are those of keys."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from scd.composition.build import build_service
from scd.composition.plan import plan, start_workers
from scd.config import Settings
from scd.service.keygripcheck import wrong_keygrips


def keygrip_warnings(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Those of `wrong_keygrips`, with the modules loaded for it. Never prompts. Raises ConfigError."""
    planned = plan(settings, environ)
    start_workers(planned)

    async def look() -> list[str]:
        service = build_service(settings, planned)
        try:
            await service.rescan(again=True)
            return await wrong_keygrips(service)
        finally:
            await service.catalogue.registry.close()

    return asyncio.run(look())
