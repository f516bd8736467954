"""Time grids: everything runs on its own grid, spread by a stable hash."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime

from apscheduler.triggers.base import BaseTrigger


def phase_seconds(key: Sequence[str], interval_seconds: float) -> float:
    """Return the offset of a key within its interval.

    It is the same after every restart, and evenly spread over all keys, so that a thousand targets
    are never probed at once.
    """
    digest = hashlib.blake2b("\0".join(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64 * interval_seconds


def next_on_grid(now: float, key: Sequence[str], interval_seconds: float) -> float:
    """Return the next time on the grid, in Unix seconds."""
    phase = phase_seconds(key, interval_seconds)
    return math.ceil((now - phase) / interval_seconds) * interval_seconds + phase


class GridTrigger(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """Fires on the grid, and never catches up on the past.

    apscheduler's own trigger computes every time since it last fired. After the clock is set ten
    years ahead, that is five million times.
    """

    def __init__(self, key: Sequence[str], interval_seconds: float) -> None:
        self._key = key
        self._interval = interval_seconds

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """Return the first time on the grid from ``now`` on, and after the previous one."""
        after = now.timestamp()
        if previous is not None:
            after = max(after, previous.timestamp() + self._interval / 2)
        return datetime.fromtimestamp(next_on_grid(after, self._key, self._interval), UTC)
