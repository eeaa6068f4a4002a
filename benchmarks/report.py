"""The figures as a table: both daemons, their ratio, the target and whether it is met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MS, RATE, MIB, TIMES = "ms", "/s", "MiB", "x"
SHARE = "%"
_SCALE = {MS: 1000.0, SHARE: 100.0}

Medians = dict[str, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what it shows, which figure in which unit, and the bound on scd, on the ratio if `of_ratio`."""

    title: str
    figure: str
    unit: str
    bound: float | None = None
    of_ratio: bool = True
    at_least: bool = False


LINES = (
    Line("start to greeting", "greeting", MS),
    Line("  in starts of python3 -S -c pass", "greeting-bare", TIMES, 9, of_ratio=False),
    Line("first LEARN", "learn-first", MS),
    Line("LEARN again", "learn-again", MS),
    Line("READKEY", "readkey", MS, 0.5),
    Line("PKSIGN RSA-2048, one client", "sign", MS, 1.2),
    Line("PKSIGN RSA-2048, four clients", "sign-4-rate", RATE, 1.3, at_least=True),
    Line("  runs that broke down", "sign-4-failed", SHARE, 0, of_ratio=False),
    Line("memory, daemon and one worker, RSS", "rss", MIB, 60, of_ratio=False),
    Line("  shared pages in shares, PSS", "pss", MIB, 60, of_ratio=False),
    Line("  daemon and all workers, PSS", "pss-all", MIB),
    Line("first LEARN, 50 keys", "first-50", MS),
    Line("first LEARN, 100 keys", "first-100", MS),
    Line("first LEARN, 150 keys", "first-150", MS, 0.05),
    Line("  150 keys over 50 (linear: 3)", "growth-first", TIMES, 3.5, of_ratio=False),
    Line("LEARN again, 50 keys", "again-50", MS),
    Line("LEARN again, 100 keys", "again-100", MS),
    Line("LEARN again, 150 keys", "again-150", MS, 0.01),
    Line("  150 keys over 50 (linear: 3)", "growth-again", TIMES, 3.5, of_ratio=False),
)


def table(ours: Medians, theirs: Medians, emit: Callable[[str], None]) -> bool:
    """Write one line a figure; true when no target was missed."""
    good = True
    emit(f"{'':36} {'scd':>13} {'gnupg-pkcs11':>13} {'ratio':>8}  target")
    for line in LINES:
        if line.figure not in ours and line.figure not in theirs:
            continue
        a, b = ours.get(line.figure), theirs.get(line.figure)
        ratio = a / b if a is not None and b else None
        verdict, met = _verdict(line, ratio if line.of_ratio else a)
        good &= met
        shown = "" if ratio is None else f"{ratio:.3f}"
        emit(f"{line.title:36} {_show(a, line.unit):>13} {_show(b, line.unit):>13} {shown:>8}  {verdict}".rstrip())
    return good


def _verdict(line: Line, value: float | None) -> tuple[str, bool]:
    if line.bound is None or value is None:
        return "", True
    met = value >= line.bound if line.at_least else value <= line.bound
    what = "ratio " if line.of_ratio else ""
    return f"{what}{'>=' if line.at_least else '<='} {line.bound:g}: {'met' if met else 'NOT MET'}", met


def _show(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value * _SCALE.get(unit, 1):.2f} {unit}"
