"""Enumerations in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def listed(items: Sequence[str]) -> str:
    """``a``, ``a and b``, or ``a, b, and c``.

    :param items: at least one.
    """
    *most, last = items
    comma = "," if len(most) > 1 else ""
    return f"{', '.join(most)}{comma} and {last}" if most else last
