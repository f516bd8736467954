"""Durations in Prometheus' format."""

from __future__ import annotations

import re

_SECONDS = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_PART = re.compile(rf"({_NUMBER})([a-z]+)")

DURATION_PATTERN = (
    rf"^(?:{_NUMBER}|(?=[0-9])" + "".join(rf"(?:{_NUMBER}{u})?" for u in _SECONDS) + ")$"
)
"""What a duration looks like: a bare number, or units from the largest down."""

_DURATION = re.compile(DURATION_PATTERN)


def parse_duration(value: object) -> float:
    """Seconds in a duration such as ``500ms``, ``1.5s``, ``30m`` or ``1h30m``; a bare number is
    seconds.

    :raises ValueError: the value is none of these.
    """
    text = "" if isinstance(value, bool) else str(value)
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{value!r} is not a duration such as 500ms, 30s, 5m or 1h30m")
    if text[-1].isdigit():
        return float(text)
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """The duration as ``parse_duration`` reads it, to the millisecond: ``1m30s``, ``1h``."""
    left = round(seconds * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(_SECONDS[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
