"""Formats values, times and scales as Grafana does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from exporter.site.words import percent

_NOTHING = 1e-9
"""Smaller values are rounding errors or lie in the zero bucket of a native histogram."""
_YEAR = 365.25 * 86_400
_SPANS = (("years", _YEAR), ("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1), ("ms", 1e-3))
_TIME_STEPS = (10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)


def text(value: float, unit: str) -> str:
    """Format a value with its unit."""
    if unit == "bool_yes_no":
        return "Yes" if value else "No"
    return _WRITTEN.get(unit, _short)(value)


def ticks(low: float, high: float, unit: str) -> list[float]:
    """Return round values over the whole axis; a share never exceeds 100 %."""
    if low == high == 0:
        return [0.0, 1.0]
    top = 1.0 if unit == "percentunit" and 0.5 < high <= 1 else high
    size = 2**20 if unit == "bytes" else 1
    step = size * _step((top - low) / size / 4 or 0.25)
    first, last = math.floor(low / step + 1e-9), math.ceil(top / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def round_times(first: float, last: float) -> list[float]:
    """Return at most six round times within a time range, in Unix seconds."""
    length = last - first
    step = next((step for step in _TIME_STEPS if length / step <= 6), 86_400 * 7)
    begin = math.ceil(first / step)
    return [number * step for number in range(begin, int(last // step) + 1)]


def clock(time: float) -> str:
    """Format a time as a time of day, or as a date at midnight."""
    at = datetime.fromtimestamp(time, UTC)
    if at.second:
        return at.strftime("%H:%M:%S")
    return at.strftime("%H:%M") if at.hour or at.minute else at.strftime("%m-%d")


def _seconds(value: float) -> str:
    for unit, length in _SPANS:
        if abs(value) >= length:
            return f"{_plain(value / length)} {unit}"
    return f"{_plain(value * 1e6)} µs" if abs(value) > _NOTHING else "0 s"


def _plain(value: float) -> str:
    """Format a number with three digits and without an exponent."""
    if abs(value) < _NOTHING:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    written = f"{value:,.{digits}f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(n * power for n in (1, 2, 2.5, 5, 10) if n * power >= rough * 0.999)


def _short(value: float) -> str:
    for name, size in (("Mil", 1e6), ("K", 1e3)):
        if abs(value) >= size:
            return f"{_plain(value / size)} {name}"
    return _plain(value)


def _share(value: float) -> str:
    """Format a share; never round it up to 100 %."""
    return percent(value) if 0.95 < value < 1 else f"{_plain(value * 100)} %"


_WRITTEN: Mapping[str, Callable[[float], str]] = {
    "s": _seconds,
    "percentunit": _share,
    "currencyUSD": lambda value: f"${_plain(value)}",
    "bytes": lambda value: f"{_plain(value / 2**20)} MiB",
}
