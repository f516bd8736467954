"""What the warm answers of a plan look like, and which answer is too late to be one of them."""

from __future__ import annotations

import statistics
from collections import deque

WINDOW_LENGTH = 60
"""How many of the latest warm times are remembered."""
ENOUGH = 20
"""How many of them it takes to call anything an outlier."""
DEVIATIONS = 6.0
FACTOR = 2.0
_SIGMA_PER_MAD = 1.4826  # makes the MAD of normal values their standard deviation


class WarmTimes:
    """The latest warm times to first token, in seconds.

    An outlier is later than all of them, later than their median by ``DEVIATIONS`` robust standard
    deviations, and later than ``FACTOR`` medians. The first bound holds whatever the times look
    like: of n + 1 warm times, the newest is the latest once in n + 1 times. The second follows how
    much they scatter, the third holds where they hardly do. ``benchmarks/cold_outliers.py``
    measures how often that is wrong.
    """

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=WINDOW_LENGTH)

    def add(self, seconds: float) -> None:
        self._times.append(seconds)

    @property
    def median(self) -> float | None:
        """``None`` while there are no times."""
        return statistics.median(self._times) if self._times else None

    def is_outlier(self, seconds: float, enough: int = ENOUGH) -> bool:
        """Whether a time is too late for a warm one; never while there are not ``enough``."""
        if len(self._times) < enough:
            return False
        median = statistics.median(self._times)
        deviation = _SIGMA_PER_MAD * statistics.median(abs(t - median) for t in self._times)
        return seconds > max(*self._times, median + DEVIATIONS * deviation, FACTOR * median)
