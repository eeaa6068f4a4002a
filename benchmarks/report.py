"""The figures as a table: scd, what it is compared with, their ratio, the target and whether it is met."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

MS, RATE, MIB, TIMES, SHARE = "ms", "/s", "MiB", "x", "%"
_SCALE = {MS: 1000.0, SHARE: 100.0}

OURS, INCUMBENT, BARE = "scd", "gnupg-pkcs11-scd", "bare module"
"""Who was measured; `Medians` have a figure's name, then who."""

Medians = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what it shows, in which unit, and the target.

    `beside` is compared with: the ratio is scd's figure over its. `bound` is for the ratio, or for the figure itself
    where nothing is beside it. `theirs` is the other's figure where it has another name.
    """

    title: str
    figure: str
    unit: str
    bound: float | None = None
    beside: str | None = INCUMBENT
    at_least: bool = False
    theirs: str | None = None


def _signing(title: str, suffix: str, against_incumbent: float | None, of_bare: float | None) -> tuple[Line, ...]:
    """One client's signature beside both; of the bare module the rate is asked, of the incumbent the time."""
    return (
        Line(f"PKSIGN {title}", f"sign{suffix}", MS, against_incumbent),
        Line("  its rate over the bare module's", f"rate{suffix}", RATE, of_bare, BARE, at_least=True),
    )


LINES = (
    Line("start to greeting", "greeting-rsa-1", MS),
    Line("  in starts of python3 -S -c pass", "greeting-bare-rsa-1", TIMES, 5, None),
    Line("first LEARN, 1 certificate", "learn-first-rsa-1", MS),
    Line("  in starts of python3 -S -c pass", "learn-bare-rsa-1", TIMES, 10, None),
    Line("first LEARN, 3 certificates", "learn-first-rsa-3", MS),
    Line("LEARN again, 3 certificates", "learn-again-rsa-3", MS, 1.0),
    *(Line(f"{what.upper()}, {count} certificate", f"{what}-rsa-{count}", MS, 1.0)
      for what in ("readkey", "serialno", "keyinfo") for count in (1, 3)),
    *_signing("RSA-2048, 1 certificate", "-rsa-1", 1.0, None),
    *_signing("RSA-2048, 3 certificates", "-rsa-3", 1.0, None),
    *_signing("RSA-2048, 10 certificates", "-rsa-10", 1.0, None),
    *_signing("P-256, 1 certificate", "-p256-1", None, 0.25),
    Line("PKSIGN RSA-2048 with verify-signatures", "verified-rsa-3", MS, None, OURS, theirs="sign-rsa-3"),
    Line("PKSIGN P-256 with verify-signatures", "verified-p256-1", MS, None, OURS, theirs="sign-p256-1"),
    Line("four clients, RSA-2048, 3 certificates", "sign-4-rate-rsa-3", RATE, 2.0, at_least=True),
    Line("  over the bare module, two processes", "sign-4-rate-rsa-3", RATE, 0.6, BARE, True, "sign-2-rate-rsa-3"),
    Line("  runs that broke down", "sign-4-failed-rsa-3", SHARE, 0, None),
    Line("memory, daemon and one worker, RSS", "rss-rsa-3", MIB, 45, None),
    Line("  shared pages in shares, PSS", "pss-rsa-3", MIB, None, None),
    Line("  daemon and all workers, PSS", "pss-all-rsa-3", MIB),
    *(Line(f"first LEARN, {count} certificates", f"learn-first-rsa-{count}", MS, bound)
      for count, bound in ((10, None), (25, 1.0), (150, 0.03), (500, 0.01))),
    *(Line(f"LEARN again, {count} certificates", f"learn-again-rsa-{count}", MS, bound)
      for count, bound in ((10, None), (25, None), (150, 0.001), (500, 0.001))),
    Line("READKEY, 500 certificates over 1", "readkey-rsa-500", MS, 1.2, OURS, theirs="readkey-rsa-1"),
    Line("KEYINFO, 500 certificates over 1", "keyinfo-rsa-500", MS, 1.2, OURS, theirs="keyinfo-rsa-1"),
    Line("gpg --detach-sign over an on-disk key", "gpg-token", MS, None, OURS, theirs="gpg-disk"),
)  # fmt: skip


def table(medians: Medians, emit: Callable[[str], None]) -> bool:
    """Write one line a figure that was measured; true when no target was missed."""
    good = True
    emit(f"{'':40} {'scd':>11} {'beside it':>11} {'ratio':>8}  target")
    for line in LINES:
        ours = medians.get(line.figure, {}).get(OURS)
        theirs = medians.get(line.theirs or line.figure, {}).get(line.beside) if line.beside else None
        if ours is None and theirs is None:
            continue
        ratio = ours / theirs if ours is not None and theirs else None
        verdict, met = _verdict(line, ratio if line.beside else ours)
        good &= met
        shown = "" if ratio is None else f"{ratio:.3f}"
        figures = (f"{_show(one, line.unit):>11}" for one in (ours, theirs))
        emit(f"{line.title:40} {' '.join(figures)} {shown:>8}  {verdict}".rstrip())
    return good


def _verdict(line: Line, value: float | None) -> tuple[str, bool]:
    if line.bound is None or value is None:
        return f"({line.beside})" if line.beside in (BARE,) else "", True
    met = value >= line.bound if line.at_least else value <= line.bound
    what = f"{line.beside}, " if line.beside else ""
    return f"{what}{'>=' if line.at_least else '<='} {line.bound:g}: {'met' if met else 'NOT MET'}", met


def _show(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value * _SCALE.get(unit, 1):.2f} {unit}"
