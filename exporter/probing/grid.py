"""Where in time things are done: each on its own grid, spread by a stable hash."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence


def phase_seconds(key: Sequence[str], interval_seconds: float) -> float:
    """Where in its interval something runs: the same after every restart, and spread evenly over
    all keys, so that a thousand targets are never asked at once."""
    digest = hashlib.blake2b("\0".join(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64 * interval_seconds


def next_on_grid(now: float, key: Sequence[str], interval_seconds: float) -> float:
    """The next moment, Unix seconds, at which it is due."""
    phase = phase_seconds(key, interval_seconds)
    return math.ceil((now - phase) / interval_seconds) * interval_seconds + phase
