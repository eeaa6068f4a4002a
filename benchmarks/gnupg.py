"""What a person waits for: gpg's own signature with a key on a token, beside one with a key on disk."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from benchmarks.cases import TOKEN, Figures
from tests.e2e.user import key_by_grip, make_stubs
from tests.harness.gnupg import GnupgHome, scd_config
from tests.harness.tokens import Minted

MESSAGE = b"benchmark"


def gpg_signatures(tokens: Minted, times: int) -> Figures:
    """Median seconds of `gpg --detach-sign`, RSA-2048: the token logged in, and the agent's own key, unprotected."""
    with GnupgHome(tokens, config=scd_config(tokens)) as home:
        home.pinentry.always(tokens.tokens[TOKEN].pin)
        make_stubs(home)
        grip = next(key.keygrip for key in tokens.tokens[TOKEN].keys.values())
        assert grip is not None
        on_token = key_by_grip(home, "RSA", grip)
        home.gpg("--passphrase", "", "--quick-generate-key", "disk@example.org", "rsa2048", "sign")
        return {"gpg-token": _median(home, on_token, times), "gpg-disk": _median(home, "disk@example.org", times)}


def _median(home: GnupgHome, user: str, times: int) -> float:
    spans = []
    for _ in range(times + 1):
        begin = time.perf_counter()
        home.gpg("--local-user", user, "--output", Path("-"), "--detach-sign", input=MESSAGE)
        spans.append(time.perf_counter() - begin)
    return statistics.median(spans[1:])
