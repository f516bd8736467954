"""Formats numbers and durations for people. Unknown values become empty strings."""

from __future__ import annotations

import math


def seconds(value: float | None) -> str:
    """About three digits: ``0.84 ms``, ``312 ms``, ``1.42 s``."""
    if value is None:
        return ""
    if value < 0.01:
        return f"{value * 1000:.2f} ms"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def rate(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def percent(ratio: float | None) -> str:
    """A percentage with up to two digits of its distance from 0 % or 100 %, and never rounded to
    either: ``82 %``, ``99.7 %``, ``99.95 %``."""
    if ratio is None:
        return ""
    missing = 100 * min(ratio, 1 - ratio)
    digits = 0 if missing >= 10 or missing <= 0 else max(1, 1 - math.floor(math.log10(missing)))
    text = f"{100 * ratio:.{min(digits, 6)}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def usd(value: float) -> str:
    """Whole cents from ten cents up, else two digits: ``$4.20``, ``$0.0031``."""
    if value == 0 or value >= 0.1:
        return f"${value:,.2f}"
    return f"${value:.2g}" if value >= 0.0001 else "under $0.0001"


def span(length: float) -> str:
    """A rough span of time in its two largest units: ``12 s``, ``3 min``, ``2 h 5 min``."""
    minutes, whole_seconds = divmod(max(0, int(length)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{whole_seconds} s"
