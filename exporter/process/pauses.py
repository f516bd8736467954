"""Pauses for threads that compute while the loop reads streams.

The interpreter runs one thread at a time. The loop releases it with every system call, several
times for each token, and another thread that computes takes it and keeps it for the switch
interval. So a computation of half a second makes the loop read tens of milliseconds late, although
it takes little from it. While the computing thread sleeps, the loop doesn't have to wait.
"""

from __future__ import annotations

import time

_WORK_SECONDS = 0.001
_PAUSE_SECONDS = 0.001


class Pauses:
    """Pauses the thread that calls it for half of the time or more. Waiting for the interpreter
    counts as work."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def __call__(self) -> None:
        """Sleep if the latest pause was long enough ago. Call it often."""
        if time.monotonic() - self._since >= _WORK_SECONDS:
            time.sleep(_PAUSE_SECONDS)
            self._since = time.monotonic()
