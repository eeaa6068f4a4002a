from __future__ import annotations

from scd.cryptoki.worker.backoff import BackOff


def waits(back_off: BackOff, count: int, now: float) -> list[float]:
    """What `count` failures in a row have us wait."""
    found = []
    for _ in range(count):
        back_off.failed(now)
        found.append(back_off.wait_s(now))
        now += found[-1]
    return found


def test_waiting_grows_to_half_a_minute() -> None:
    assert waits(BackOff(), 10, 100.0) == [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_waiting_passes() -> None:
    back_off = BackOff()
    waits(back_off, 3, 100.0)
    back_off.failed(200.0)
    assert back_off.wait_s(201.5) == 0.5
    assert back_off.wait_s(300.0) == 0


def test_a_minute_of_health_forgives_and_less_does_not() -> None:
    back_off = BackOff()
    waits(back_off, 4, 100.0)
    back_off.ready(200.0)
    back_off.failed(259.9)
    assert back_off.wait_s(259.9) == 4
    back_off.ready(300.0)
    back_off.failed(360.0)
    assert back_off.wait_s(360.0) == 0


def test_a_minute_without_ever_being_ready_forgives_nothing() -> None:
    back_off = BackOff()
    waits(back_off, 3, 100.0)
    back_off.failed(1000.0)
    assert back_off.wait_s(1000.0) == 2
