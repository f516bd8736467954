"""How the benchmark of the CPU time tells the two speeds of a core apart."""

import pytest

from benchmarks.cpu.core_speed import CoreSpeed, Slice

_FAST, _SLOW = 30e-6, 55e-6


def _second(number: int, slow_tenths: int, cpu_seconds: float) -> tuple[Slice, list[float]]:
    times = [_SLOW] * slow_tenths + [_FAST] * (10 - slow_tenths)
    return Slice(number, number + 1, cpu_seconds), times


def _speed(seconds: list[tuple[Slice, list[float]]]) -> CoreSpeed:
    samples = [
        (one.began + tenth / 10, took) for one, times in seconds for tenth, took in enumerate(times)
    ]
    return CoreSpeed.during([one for one, _ in seconds], samples)


def test_cpu_time_at_full_speed() -> None:
    shares = [0, 3, 5, 7, 10, 5] * 10
    found = _speed([_second(at, slow, 0.4 + 0.03 * slow) for at, slow in enumerate(shares)])
    assert found.slow_share == pytest.approx(0.5)
    assert found.at_full_speed == pytest.approx(0.4 / 0.55)


def test_core_with_one_speed() -> None:
    found = _speed([_second(at, 0, 0.4 + 0.01 * at) for at in range(60)])
    assert found == CoreSpeed(0.0, None)


def test_too_short_measurement() -> None:
    found = _speed([_second(at, at, 0.4) for at in range(10)])
    assert found.slow_share == pytest.approx(0.45)
    assert found.at_full_speed is None


def test_loop_that_never_ran() -> None:
    assert CoreSpeed.during([Slice(0, 1, 0.4)], []) == CoreSpeed(None, None)
