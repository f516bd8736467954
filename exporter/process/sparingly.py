"""What may happen thousands of times a second is told once a minute."""

from __future__ import annotations

import time

_PAUSE_SECONDS = 60.0


class Sparingly:
    """Says when it is time to tell again, and of how many."""

    def __init__(self) -> None:
        self._silent_until = -_PAUSE_SECONDS
        self._count = 0

    def times(self) -> int:
        """How often it has happened since it was told last, this time included; 0 where that is
        to be told later."""
        self._count += 1
        now = time.monotonic()
        if now < self._silent_until:
            return 0
        self._silent_until = now + _PAUSE_SECONDS
        told, self._count = self._count, 0
        return told
