"""Coverage's floors: `python -m tests.floors.coverage REPORT.json` fails when one of pyproject's is not reached."""

from __future__ import annotations

import json
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
COUNTS = ("num_statements", "covered_lines", "num_branches", "covered_branches")


def main(report: str) -> int:
    """Print the figures of each package; the exit status."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["scd"]["coverage"]
    files = json.loads(Path(report).read_text(encoding="utf-8"))["files"]
    sums: dict[str, Counter[str]] = {}
    for name, file in files.items():
        if not name.startswith("scd/"):
            continue  # a copy that a test has started
        package = str(Path(name).parent if name.count("/") < 2 else Path(*Path(name).parts[:2]))
        sums.setdefault(package, Counter()).update({count: file["summary"][count] for count in COUNTS})
    failed = False
    for package, counted in sorted(sums.items()):
        wanted = settings.get(package, settings["scd"])
        lines = percent(counted, "covered_lines", "num_statements")
        branches = percent(counted, "covered_branches", "num_branches")
        low = any(have < want for have, want in zip((lines, branches), wanted, strict=False))
        failed = failed or low
        remark = f"  below its floor {' / '.join(map(str, wanted))}" if low else ""
        sys.stdout.write(f"{package:14} lines {lines:6.2f} %  branches {branches:6.2f} %{remark}\n")
    return int(failed)


def percent(counted: Counter[str], part: str, whole: str) -> float:
    """The one of the other; all of nothing."""
    return 100 * counted[part] / counted[whole] if counted[whole] else 100.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
