"""`python -m benchmarks`: scd, gnupg-pkcs11-scd and the bare module in turn on the same tokens, medians and ratios."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks import cases
from benchmarks.bare import bare
from benchmarks.cases import P256, RSA, TOKEN, Effort, Figures, WrongAnswer
from benchmarks.client import Refused
from benchmarks.daemons import Program, bare_python_s, incumbent, ours
from benchmarks.gnupg import gpg_signatures
from benchmarks.report import BARE, INCUMBENT, OURS, Medians, table
from tests.harness.tokens import REPOSITORY, Minted, MintError, mint

EVERYDAY = (("rsa", RSA, 1), ("rsa", RSA, 3), ("rsa", RSA, 10), ("p256", P256, 1))
VERIFIED = (("rsa", 3), ("p256", 1))
GROWTH, LONG = (25, 150), (500,)
KEYS = REPOSITORY / ".build" / "benchmark-keys"


class Collected:
    """Each figure of each who was measured, round by round."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, who: str, found: Figures, suffix: str) -> None:
        """One round."""
        for name, value in found.items():
            self._values[name + suffix][who].append(value)

    def medians(self) -> Medians:
        """Over the rounds; of what counts failures the mean. A signature's rate is one over its time."""
        found: dict[str, Mapping[str, float]] = {}
        for name, by in self._values.items():
            average = statistics.fmean if "failed" in name else statistics.median
            found[name] = {who: average(values) for who, values in by.items()}
            if name.startswith("sign-rsa") or name.startswith("sign-p256"):
                found[name.replace("sign", "rate", 1)] = {who: 1 / value for who, value in found[name].items()}
        return found


def main() -> int:
    """Run and print; 1 for a daemon that fails, and with `--strict` for a target that was missed."""
    options = _options()
    effort = cases.QUICK if options.quick else cases.FULL
    programs = [one for one in (ours(), incumbent()) if one and options.only in (None, one.name)]
    if len(programs) < 2 and not options.only:
        _say("gnupg-pkcs11-scd is not installed ('make setup' does it): no ratios")
    figures = Collected()
    try:
        with tempfile.TemporaryDirectory(prefix="scd-bench-tokens-") as folder:
            _everyday(programs, figures, Path(folder), effort)
            if not options.no_growth:
                _growth(programs, figures, Path(folder), effort, GROWTH + LONG if options.long else GROWTH)
    except (Refused, WrongAnswer, MintError) as error:
        _say(str(error))
        return 1
    good = table(figures.medians(), print)
    return 1 if options.strict and not good else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: the order of magnitude, in a minute or two")
    parser.add_argument("--only", choices=(OURS, INCUMBENT), help="run one of the two")
    parser.add_argument("--no-growth", action="store_true", help="leave out the tokens of many certificates")
    parser.add_argument("--long", action="store_true", help="500 certificates as well, which takes the other minutes")
    parser.add_argument("--strict", action="store_true", help="exit status 1 when a target is missed")
    return parser.parse_args()


def _everyday(programs: Sequence[Program], figures: Collected, folder: Path, effort: Effort) -> None:
    for short, kind, count in EVERYDAY:
        tokens, suffix = _mint(folder, kind, count), f"-{short}-{count}"
        for number in range(effort.rounds):
            _say(f"{count} {kind}, round {number + 1} of {effort.rounds}")
            figures.add(BARE, bare(tokens, effort.signatures), suffix)
            for program in programs:
                if kind == P256 and program.name != OURS:
                    continue  # gnupg-pkcs11-scd 0.10.0 shows RSA keys alone
                figures.add(program.name, _in_starts(cases.everyday(program, tokens, effort)), suffix)
                if program.name == OURS and (short, count) in VERIFIED:
                    verified = cases.everyday(program, tokens, effort, "verify-signatures\n")
                    figures.add(OURS, {"verified": verified["sign"]}, suffix)
                if count == 3:
                    figures.add(program.name, cases.parallel(program, tokens, effort), suffix)
        if (short, count) == ("rsa", 1) and any(program.name == OURS for program in programs):
            figures.add(OURS, gpg_signatures(tokens, effort.again * 2), "")


def _in_starts(found: Figures) -> Figures:
    """With greeting and first LEARN counted in starts of a bare Python, measured beside them."""
    bare_s = statistics.median(bare_python_s() for _ in range(3))
    return found | {"greeting-bare": found["greeting"] / bare_s, "learn-bare": found["learn-first"] / bare_s}


def _growth(
    programs: Sequence[Program], figures: Collected, folder: Path, effort: Effort, counts: Iterable[int]
) -> None:
    for count in counts:
        tokens = _mint(folder, RSA, count)
        rounds = 1 if count in LONG else effort.growth_rounds
        for number in range(rounds):
            _say(f"{count} {RSA}, round {number + 1} of {rounds}")
            for program in programs:
                figures.add(program.name, cases.growth(program, tokens, effort), f"-rsa-{count}")


def _mint(folder: Path, kind: str, count: int) -> Minted:
    """A token of so many keys; the keys are kept, for making them takes longer than the measurement."""
    return mint(folder / f"{kind}-{count}", (TOKEN,), count=count, kind=kind, cache=KEYS)


def _say(text: str) -> None:
    print(f"benchmarks: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
