"""Durations in Prometheus' format."""

from __future__ import annotations

import re

_SECONDS = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_PART = re.compile(rf"({_NUMBER})([a-z]+)")

DURATION_PATTERN = (
    rf"^(?:{_NUMBER}|(?=[0-9])" + "".join(rf"(?:{_NUMBER}{u})?" for u in _SECONDS) + ")$"
)
"""The format of a duration: a number of seconds, or numbers with units from largest to smallest."""

_DURATION = re.compile(DURATION_PATTERN)


def parse_duration(value: object) -> float:
    """Convert a duration such as ``500ms``, ``1.5s``, ``30m`` or ``1h30m`` to seconds.

    A number without a unit is in seconds.

    :raises ValueError: the value isn't a duration.
    """
    text = "" if isinstance(value, bool) else str(value)
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{value!r} is not a duration such as 500ms, 30s, 5m or 1h30m")
    if text[-1].isdigit():
        return float(text)
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """Format a duration to the millisecond, such as ``1m30s``; ``parse_duration`` can parse it."""
    left = round(seconds * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(_SECONDS[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
