"""`python -m benchmarks`: the two daemons in turn on the same token, medians and ratios."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks import cases
from benchmarks.cases import TOKEN, Effort, Figures, WrongAnswer
from benchmarks.client import Refused
from benchmarks.daemons import Program, bare_python_s, incumbent, ours
from benchmarks.report import Medians, table
from tests.harness.tokens import REPOSITORY, Minted, MintError, mint

EVERYDAY_KEYS = 4
GROWTH_KEYS = (50, 100, 150)
FAILED = "sign-4-failed"
KEYS = REPOSITORY / ".build" / "benchmark-keys"

Collected = dict[str, dict[str, list[float]]]


def main() -> int:
    """Run and print; 1 for a daemon that fails, and with `--strict` for a target that was missed."""
    options = _options()
    effort = cases.QUICK if options.quick else cases.FULL
    programs = [one for one in (ours(), incumbent()) if one and options.only in (None, one.name)]
    if len(programs) < 2 and not options.only:
        _say("gnupg-pkcs11-scd is not installed ('make setup' does it): no ratios")
    figures: Collected = {one.name: defaultdict(list) for one in programs}
    try:
        with tempfile.TemporaryDirectory(prefix="scd-bench-tokens-") as folder:
            _everyday(programs, figures, Path(folder), effort)
            if not options.no_growth:
                _growth(programs, figures, Path(folder), effort)
    except (Refused, WrongAnswer, MintError) as error:
        _say(str(error))
        return 1
    medians = {name: _medians(found) for name, found in figures.items()}
    good = table(medians.get("scd", {}), medians.get("gnupg-pkcs11-scd", {}), print)
    return 1 if options.strict and not good else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: the order of magnitude, in a minute")
    parser.add_argument("--only", choices=("scd", "gnupg-pkcs11-scd"), help="run one of the two")
    parser.add_argument("--no-growth", action="store_true", help="leave out the tokens of 50, 100 and 150 keys")
    parser.add_argument("--strict", action="store_true", help="exit status 1 when a target is missed")
    return parser.parse_args()


def _everyday(programs: Sequence[Program], figures: Collected, folder: Path, effort: Effort) -> None:
    tokens = _mint(folder / "everyday", EVERYDAY_KEYS)
    for number in range(effort.rounds):
        _say(f"round {number + 1} of {effort.rounds}")
        bare = statistics.median(bare_python_s() for _ in range(3))
        for program in programs:
            found = cases.everyday(program, tokens, effort)
            _add(figures[program.name], found | {"greeting-bare": found["greeting"] / bare})
            _add(figures[program.name], cases.parallel(program, tokens, effort))


def _growth(programs: Sequence[Program], figures: Collected, folder: Path, effort: Effort) -> None:
    for count in GROWTH_KEYS:
        tokens = _mint(folder / str(count), count)
        for number in range(effort.growth_rounds):
            _say(f"{count} keys, round {number + 1} of {effort.growth_rounds}")
            for program in programs:
                found = cases.growth(program, tokens, effort)
                _add(figures[program.name], {f"{name}-{count}": value for name, value in found.items()})


def _mint(folder: Path, count: int) -> Minted:
    """The token of many keys; the keys are kept, for making them takes longer than the measurement."""
    return mint(folder, (TOKEN,), count=count, cache=KEYS)


def _add(collected: dict[str, list[float]], found: Figures) -> None:
    for name, value in found.items():
        collected[name].append(value)


def _medians(collected: dict[str, list[float]]) -> Medians:
    """The median of each figure over the rounds, and how LEARN grows from the smallest token to the largest."""
    medians = {name: statistics.median(values) for name, values in collected.items()}
    if FAILED in collected:
        medians[FAILED] = statistics.fmean(collected[FAILED])
    small, large = GROWTH_KEYS[0], GROWTH_KEYS[-1]
    for what in ("first", "again"):
        if f"{what}-{large}" in medians:
            medians[f"growth-{what}"] = medians[f"{what}-{large}"] / medians[f"{what}-{small}"]
    return medians


def _say(text: str) -> None:
    print(f"benchmarks: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
