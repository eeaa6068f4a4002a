"""SoftHSM 2: tokens in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.tokens import softhsm_library
from tests.modules.beds.bed import Bed, BedKey, Can, Presence
from tests.modules.beds.tools import Pkcs11Tool, package_version, run

LABEL, PIN, SO_PIN = "soft", "135791", "97531864"
CAN = frozenset(Can)


@contextmanager
def open_bed(folder: Path) -> Iterator[Bed]:
    """A token with generated keys; taking it away moves its folder aside."""
    tool, keys = make_token(folder)
    tokens, aside = folder / "tokens", folder / "aside"

    def put_back() -> None:
        tokens.rmdir()
        aside.rename(tokens)

    def take_away() -> None:
        tokens.rename(aside)
        tokens.mkdir()

    yield Bed(
        "softhsm2", tool.module, f"SoftHSM {package_version('softhsm2')}", LABEL, PIN, "000000", keys, SO_PIN, tool.env,
        can=CAN, presence=Presence(take_away, put_back),
    )  # fmt: skip


def make_token(folder: Path) -> tuple[Pkcs11Tool, dict[str, BedKey]]:
    """A SoftHSM token in `folder` and its keys; others put theirs on top of it."""
    (folder / "tokens").mkdir(parents=True)
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n", encoding="utf-8")
    env = {"SOFTHSM2_CONF": str(config)}
    run(["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", SO_PIN], env)
    tool = Pkcs11Tool(softhsm_library(), LABEL, PIN, env)
    return tool, tool.fill()
