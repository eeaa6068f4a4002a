from __future__ import annotations

import asyncio

from scd.token.model import TokenInfo
from scd.token.port import Call, TokenModule


class Empty(TokenModule):
    """A module that does the work itself."""

    async def tokens(self) -> tuple[TokenInfo, ...]:
        return ()

    async def close(self) -> None:
        """Nothing to let go of."""


def test_a_module_that_does_the_work_can_be_asked_by_call() -> None:
    assert asyncio.run(Empty().ask(Call("tokens", ()))) == ()
