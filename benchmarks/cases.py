"""What is measured: each case runs one daemon once and gives its figures by name, in seconds, per second or MiB."""

from __future__ import annotations

import hashlib
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from benchmarks.client import Client, Refused
from benchmarks.daemons import Program, Running, memory, started
from tests.harness.tokens import Minted

TOKEN = "many"
SOCKET_CLIENTS = 4
RSA, P256 = "rsa2048", "secp256r1"
LEARN = b"LEARN --force"
HASH = hashlib.sha256(b"benchmark").digest()
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420") + HASH

Figures = dict[str, float]


class WrongAnswer(Exception):
    """A daemon was measured at something else than the task."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How often things are done: rounds of all, repetitions within one daemon's life."""

    rounds: int
    growth_rounds: int
    again: int
    signatures: int


FULL = Effort(rounds=7, growth_rounds=3, again=5, signatures=300)
QUICK = Effort(rounds=3, growth_rounds=1, again=2, signatures=100)


def everyday(program: Program, tokens: Minted, effort: Effort, config: str = "") -> Figures:
    """A person's token: greeting, LEARN, the small commands, signatures, memory; `config` are further options."""
    with started(program, tokens, TOKEN, config) as daemon:
        client = daemon.client
        figures = {"greeting": daemon.greeting_s}
        figures["learn-first"] = _timed(lambda: client.command(LEARN))
        figures["learn-again"] = _median(effort.again, lambda: client.command(LEARN))
        grip = learned(client)[0]
        for name, line in (("readkey", b"READKEY " + grip), ("serialno", b"SERIALNO"), ("keyinfo", b"KEYINFO " + grip)):
            figures[name] = _median(effort.signatures, lambda line=line: client.command(line))  # type: ignore[misc]
        _check(client, grip)
        figures["sign"] = _median(effort.signatures, lambda: _sign(client, grip))
        used = memory(daemon.process.pid)
        return figures | {"rss": used.rss, "pss": used.pss, "pss-all": used.all_pss}


def parallel(program: Program, tokens: Minted, effort: Effort) -> Figures:
    """Signatures of several clients at once; no rate where the daemon broke down under it, as the incumbent may."""
    try:
        with started(program, tokens, TOKEN) as daemon:
            rate = _parallel_rate(daemon, learned(daemon.client), effort.signatures)
    except Refused:
        return {"sign-4-failed": 1}
    return {"sign-4-failed": 0, "sign-4-rate": rate}


def growth(program: Program, tokens: Minted, effort: Effort) -> Figures:
    """A token of many keys: LEARN as the first command, and again; checked to show every key."""
    count = len(tokens.tokens[TOKEN].keys)
    with started(program, tokens, TOKEN) as daemon:
        client = daemon.client
        begin = time.perf_counter()
        grips = learned(client)
        figures = {"learn-first": time.perf_counter() - begin}
        if len(grips) != count:
            raise WrongAnswer(f"{program.name} shows {len(grips)} of {count} keys")
        figures["learn-again"] = _timed(lambda: client.command(LEARN))
        for name, line in (("readkey", b"READKEY " + grips[-1]), ("keyinfo", b"KEYINFO " + grips[-1])):
            figures[name] = _median(effort.again, lambda line=line: client.command(line))  # type: ignore[misc]
        return figures


def learned(client: Client) -> list[bytes]:
    """LEARN --force; the keygrips it shows."""
    shown = client.command(LEARN).status
    return list(dict.fromkeys(line.split()[1] for line in shown if line.startswith(b"KEYPAIRINFO ")))


def _parallel_rate(daemon: Running, grips: list[bytes], signatures: int) -> float:
    """Signatures a second of several socket clients at once, each with a key of its own where there are so many."""
    ready = threading.Barrier(SOCKET_CLIENTS)
    socket_name = daemon.socket_name()
    spans: list[tuple[float, float]] = []

    def work(grip: bytes) -> None:
        with daemon.connect(socket_name) as client:
            _sign(client, grip)  # the login is no part of the figure
            ready.wait()
            begin = time.perf_counter()
            for _ in range(signatures):
                _sign(client, grip)
            spans.append((begin, time.perf_counter()))

    with ThreadPoolExecutor(SOCKET_CLIENTS) as pool:
        for one in as_completed([pool.submit(work, grips[n % len(grips)]) for n in range(SOCKET_CLIENTS)]):
            if one.exception():
                ready.abort()  # or the others would wait for this one for ever
            one.result()
    return signatures * SOCKET_CLIENTS / (max(end for _, end in spans) - min(begin for begin, _ in spans))


def _sign(client: Client, grip: bytes) -> None:
    if not client.sign(grip, DIGEST_INFO.hex().encode()):
        raise WrongAnswer("a signature is empty")


def _check(client: Client, grip: bytes) -> None:
    """Verify one RSA signature with the public key the daemon shows: a fast wrong answer is no figure."""
    key = client.command(b"READKEY " + grip).data
    signature = client.sign(grip, DIGEST_INFO.hex().encode())
    if b"(1:n" not in key:
        if len(signature) != 64:
            raise WrongAnswer("a signature has the wrong length")
        return
    modulus, exponent = (int.from_bytes(_sexp_value(key, name)) for name in (b"(1:n", b"(1:e"))
    if not pow(int.from_bytes(signature), exponent, modulus).to_bytes(256).endswith(b"\xff\x00" + DIGEST_INFO):
        raise WrongAnswer("a signature is wrong")


def _sexp_value(sexp: bytes, name: bytes) -> bytes:
    length, _, rest = sexp.partition(name)[2].partition(b":")
    return rest[: int(length)]


def _timed(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def _median(times: int, action: Callable[[], object]) -> float:
    return statistics.median(_timed(action) for _ in range(times))
