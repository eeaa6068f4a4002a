"""The program `scd`: what gpg-agent starts, and later the commands for people."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Entry point of `scd` and `python -m scd`; ends with SystemExit."""
    gc.disable()  # until the daemon runs: nothing that the imports make is garbage

    from scd.daemon.start import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
