"""The signals that the event loop reacts to."""

from __future__ import annotations

import signal

OBEYED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1})
"""They wait from the start until the loop obeys them, so that nothing is left behind before."""
