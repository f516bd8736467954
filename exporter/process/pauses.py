"""Pauses for threads that compute while the loop reads streams.

The interpreter runs one thread at a time. The loop releases it with every system call, several
times for each token, and another thread that computes takes it and keeps it for the switch
interval. So a computation of half a second makes the loop read tens of milliseconds late, although
it takes little from it. While the computing thread sleeps, the loop doesn't have to wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_WORK_SECONDS = 0.001
_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.01
_PATIENCE_SECONDS = 2.0
"""How long all pauses together wait for the loop. A loop that never catches up must not keep a
scrape from ending before Prometheus gives up, after ten seconds by default."""


class Pauses:
    """Pauses the thread that calls it for half of the time or more, until the loop has caught up.
    Waiting for the interpreter counts as work.

    :param last_idle: returns when the loop last had nothing to do, in monotonic nanoseconds: now,
        if it has nothing to do.
    """

    def __init__(self, last_idle: Callable[[], int]) -> None:
        self._last_idle = last_idle
        self._patience = _PATIENCE_SECONDS
        self._since = time.monotonic()

    def __call__(self) -> None:
        """Sleep if the latest pause was long enough ago. Call it often."""
        if time.monotonic() - self._since >= _WORK_SECONDS:
            self._sleep()
            self._since = time.monotonic()

    def _sleep(self) -> None:
        began = time.monotonic_ns()
        time.sleep(_PAUSE_SECONDS)
        waits_from = time.monotonic()
        until = waits_from + min(_LONGEST_PAUSE_SECONDS, self._patience)
        while self._last_idle() < began and time.monotonic() < until:
            time.sleep(_PAUSE_SECONDS)
        self._patience -= time.monotonic() - waits_from
