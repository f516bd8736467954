"""When things are due: each on its own grid of time, spread by a stable hash."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime

from apscheduler.triggers.base import BaseTrigger


def phase_seconds(key: Sequence[str], interval_seconds: float) -> float:
    """When in its interval something runs. It's the same after every restart, and keys are spread
    evenly, so that a thousand targets are never probed at once."""
    digest = hashlib.blake2b("\0".join(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64 * interval_seconds


def next_on_grid(now: float, key: Sequence[str], interval_seconds: float) -> float:
    """The next time that it is due, Unix seconds."""
    phase = phase_seconds(key, interval_seconds)
    return math.ceil((now - phase) / interval_seconds) * interval_seconds + phase


class GridTrigger(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """Fires on the grid, and never makes up for the past. apscheduler's own trigger returns every
    time since it last fired: five million of them after the clock was set ten years ahead."""

    def __init__(self, key: Sequence[str], interval_seconds: float) -> None:
        self._key = key
        self._interval = interval_seconds

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """The first time on the grid that is not before ``now`` and after the previous one."""
        after = now.timestamp()
        if previous is not None:
            after = max(after, previous.timestamp() + self._interval / 2)
        return datetime.fromtimestamp(next_on_grid(after, self._key, self._interval), UTC)
