"""Limits log lines about events that can happen thousands of times a second to one a minute."""

from __future__ import annotations

import time

_PAUSE_SECONDS = 60.0


class LogThrottle:
    """Decides when to log an event, and counts the events since the last line."""

    def __init__(self) -> None:
        self._silent_until = -_PAUSE_SECONDS
        self._count = 0

    def times(self) -> int:
        """Count an event. Returns the number of events to log now, including this one; 0 while
        the log stays silent."""
        self._count += 1
        now = time.monotonic()
        if now < self._silent_until:
            return 0
        self._silent_until = now + _PAUSE_SECONDS
        events, self._count = self._count, 0
        return events
