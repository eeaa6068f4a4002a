"""The module without a daemon: `python -m benchmarks.bare LIBRARY TOKEN COUNT` signs through python-pkcs11.

It reads the PIN and, once it has said that it is ready, a line to begin; it prints the median seconds of one signature
and the signatures a second: what no daemon can beat.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any

import pkcs11

from benchmarks.cases import DIGEST_INFO, HASH, TOKEN, Figures
from tests.harness.tokens import REPOSITORY, Minted

PROCESSES = 2


def bare(tokens: Minted, signatures: int) -> Figures:
    """One process alone, then two at once."""
    ((alone, _),) = _at_once(tokens, signatures, 1)
    both = _at_once(tokens, signatures * PROCESSES, PROCESSES)
    return {"sign": alone, "sign-2-rate": sum(rate for _, rate in both)}


def _at_once(tokens: Minted, signatures: int, processes: int) -> list[tuple[float, float]]:
    """Median and rate of each. They log in one after the other: SoftHSM 2.6.1 rewrites the token for that."""
    command = [sys.executable, "-m", "benchmarks.bare", str(tokens.module), TOKEN, str(signatures)]
    with ExitStack() as stack:
        running = []
        for _ in range(processes):
            process = stack.enter_context(
                subprocess.Popen(
                    command, env=os.environ | tokens.env, cwd=REPOSITORY, text=True, bufsize=1,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )
            )  # fmt: skip
            _say(process, tokens.tokens[TOKEN].pin)
            _hear(process)
            running.append(process)
        for process in running:
            _say(process, "begin")
        words = [_hear(process).split() for process in running]
    return [(float(median), float(rate)) for median, rate in words]


def _say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def main() -> None:
    """What the subprocess does."""
    library, label, count = sys.argv[1:]
    token = pkcs11.lib(library).get_token(token_label=label)
    with token.open(user_pin=sys.stdin.readline().rstrip("\n")) as session:
        key: Any = next(iter(list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}))))
        is_rsa = key.key_type is pkcs11.KeyType.RSA
        data, mechanism = (DIGEST_INFO, pkcs11.Mechanism.RSA_PKCS) if is_rsa else (HASH, pkcs11.Mechanism.ECDSA)

        def sign() -> float:
            begin = time.perf_counter()
            key.sign(data, mechanism=mechanism)
            return time.perf_counter() - begin

        sign()
        print("ready", flush=True)
        sys.stdin.readline()
        times = [sign() for _ in range(int(count))]
        print(statistics.median(times), len(times) / sum(times), flush=True)


if __name__ == "__main__":
    main()
