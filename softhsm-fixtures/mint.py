#!/usr/bin/env python3
"""Mints SoftHSM2 tokens from tokens.toml: a function for tests, a command for people.

    python softhsm-fixtures/mint.py FOLDER [--token NAME …]
    export SOFTHSM2_CONF=FOLDER/softhsm2.conf

The tokens are built in a process of their own: SoftHSM reads its configuration once per process, and the
process that asks may have the module loaded with another one.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click

STANDARD = ("work", "backup", "awkward", "always", "empty")
ON_DEMAND = ("nopin", "clone", "many")
LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/*/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


class MintError(Exception):
    """The tokens could not be made; the message says what to do."""


@dataclass(frozen=True, slots=True)
class MintedObject:
    """One entry of tokens.toml as it lies on a token; `parts` tells which PKCS#11 objects that are.

    `keygrip` is 40 upper-case hex digits by libgcrypt, None for what has none. `label` is raw: it may be no
    UTF-8. `usable` is false for an object that must be skipped with a reason.
    """

    name: str
    parts: tuple[str, ...]
    cka_id: bytes
    label: bytes
    keygrip: str | None
    key_pem: Path | None
    certificate_pem: Path | None
    usable: bool


@dataclass(frozen=True)
class MintedToken:
    """A token, its TEST PINs and all that is on it; `pin` is empty where no user PIN was set."""

    label: str
    serial: str
    pin: str
    so_pin: str
    objects: dict[str, MintedObject]

    @cached_property
    def keys(self) -> dict[str, MintedObject]:
        """The entries with a private key."""
        return {name: entry for name, entry in self.objects.items() if "private" in entry.parts}


@dataclass(frozen=True, slots=True)
class Minted:
    """A folder with tokens: softhsm2.conf, minted.json and tokens/."""

    folder: Path
    module: Path
    tokens: dict[str, MintedToken]

    @property
    def config(self) -> Path:
        """What SOFTHSM2_CONF must name."""
        return self.folder / "softhsm2.conf"

    @property
    def env(self) -> dict[str, str]:
        """The environment in which SoftHSM finds these tokens."""
        return {"SOFTHSM2_CONF": str(self.config)}

    def copy(self, folder: Path) -> Minted:
        """The same tokens, serial numbers included, in a folder of their own for a test that writes."""
        shutil.copytree(self.folder, folder)
        text = self.config.read_text(encoding="utf-8").replace(str(self.folder), str(folder))
        (folder / "softhsm2.conf").write_text(text, encoding="utf-8")
        return load(folder)


def softhsm_library() -> Path:
    """Where SoftHSM2's module lies; SOFTHSM2_MODULE wins. Raises MintError."""
    if named := os.environ.get("SOFTHSM2_MODULE"):
        return Path(named)
    for pattern in LIBRARIES:
        for found in glob.glob(pattern):
            return Path(found)
    raise MintError("libsofthsm2.so is not installed: run 'make setup', or name it in SOFTHSM2_MODULE")


def mint(
    folder: Path, tokens: tuple[str, ...] | None = None, *,
    count: int = 150, kind: str = "rsa2048", cache: Path | None = None,
) -> Minted:  # fmt: skip
    """Build `tokens` (None: `STANDARD`) under `folder`, which must not hold tokens yet.

    `count` is the number of keys on token `many`, `kind` what they are in make_keys.py; they are kept in `cache`
    (default: a folder within `folder`). Raises MintError.
    """
    command = [sys.executable, str(Path(__file__).resolve()), str(folder), "--count", str(count), "--kind", kind]
    for name in tokens or STANDARD:
        command += ["--token", name]
    if cache:
        command += ["--cache", str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MintError(done.stderr.strip())
    return load(folder)


def load(folder: Path) -> Minted:
    """The tokens minted into `folder` before."""
    record = json.loads((folder / "minted.json").read_text(encoding="utf-8"))
    tokens = {}
    for name, token in record["tokens"].items():
        objects = {entry: _object(entry, fields) for entry, fields in token["objects"].items()}
        tokens[name] = MintedToken(token["label"], token["serial"], token["pin"], token["so_pin"], objects)
    return Minted(folder, Path(record["module"]), tokens)


def _object(name: str, fields: dict[str, str | bool | None]) -> MintedObject:
    def text(field: str) -> str:
        return str(fields[field] or "")

    return MintedObject(
        name=name,
        parts=tuple(text("parts").split()),
        cka_id=bytes.fromhex(text("cka_id")),
        label=bytes.fromhex(text("label")),
        keygrip=text("keygrip") or None,
        key_pem=Path(text("key_pem")) if fields["key_pem"] else None,
        certificate_pem=Path(text("certificate_pem")) if fields["certificate_pem"] else None,
        usable=bool(fields["usable"]),
    )


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--token",
    "names",
    multiple=True,
    type=click.Choice(STANDARD + ON_DEMAND),
    help=f"Mint this token; may be repeated. Default: {', '.join(STANDARD)}.",
)
@click.option("--count", default=150, show_default=True, help="Number of keys on token 'many'.")
@click.option("--kind", default="rsa2048", show_default=True, help="What the keys on token 'many' are.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the generated keys of token 'many' are kept.  [default: FOLDER/keys]",
)
def main(folder: Path, names: tuple[str, ...], count: int, kind: str, cache: Path | None) -> None:
    """Mint SoftHSM2 test tokens into FOLDER and print the line that points SoftHSM at them."""
    import token_builder

    folder = folder.resolve()
    if (folder / "tokens").exists():
        raise click.ClickException(f"{folder} holds tokens already: choose an empty folder")
    try:
        library = softhsm_library()
    except MintError as error:
        raise click.ClickException(str(error)) from error
    keys = cache or folder / "keys"
    token_builder.build(folder, names or STANDARD, library=library, count=count, cache=keys, kind=kind)
    click.echo(f"SOFTHSM2_CONF={folder / 'softhsm2.conf'}")


if __name__ == "__main__":
    main()
