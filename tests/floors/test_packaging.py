"""The lock file fits pyproject.toml, and names no place to fetch from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
PINNED = {canonicalize_name(name): version for name, version in re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", LOCK)}


def required() -> list[Requirement]:
    read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = (read["project"]["dependencies"], read["dependency-groups"]["dev"], read["build-system"]["requires"])
    return [Requirement(text) for group in groups for text in group]


def test_all_that_is_needed_is_locked_in_a_version_that_will_do() -> None:
    """`make lock` mends it."""
    lacking = [str(one) for one in required() if canonicalize_name(one.name) not in PINNED]
    assert not lacking
    odd = [str(one) for one in required() if PINNED[canonicalize_name(one.name)] not in one.specifier]
    assert not odd


def test_each_locked_version_has_its_hashes() -> None:
    blocks = re.split(r"(?m)^(?=[\w.-]+==)", LOCK)[1:]
    assert len(blocks) == len(PINNED)
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_no_registry_is_named() -> None:
    assert not re.search(r"https?://|file:/|--(?:extra-)?index|--find-links", LOCK)
