"""The warm times of a plan, and the test for a time that is too long for a warm model."""

from __future__ import annotations

import statistics
from collections import deque

WINDOW_LENGTH = 60
"""The number of warm times that a plan keeps."""
ENOUGH = 20
"""The least number of warm times for the outlier test."""
DEVIATIONS = 6.0
FACTOR = 2.0
_SIGMA_PER_MAD = 1.4826  # makes the MAD of normal values their standard deviation


class WarmTimes:
    """The latest warm times to first token, in seconds.

    An outlier is longer than all of them, longer than their median by ``DEVIATIONS`` robust
    standard deviations, and longer than ``FACTOR`` medians. The first bound holds for any
    distribution: of n + 1 warm times, the newest is the longest with probability 1 / (n + 1). The
    second bound follows the spread of the times, and the third applies if they have hardly any.
    ``benchmarks/cold_outliers.py`` measures how often the test is wrong.
    """

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=WINDOW_LENGTH)

    def add(self, seconds: float) -> None:
        self._times.append(seconds)

    @property
    def median(self) -> float | None:
        """``None`` without times."""
        return statistics.median(self._times) if self._times else None

    def is_outlier(self, seconds: float, enough: int = ENOUGH) -> bool:
        """Whether a time is too long for a warm model; ``False`` with fewer than ``enough``
        times."""
        if len(self._times) < enough:
            return False
        median = statistics.median(self._times)
        deviation = _SIGMA_PER_MAD * statistics.median(abs(t - median) for t in self._times)
        return seconds > max(*self._times, median + DEVIATIONS * deviation, FACTOR * median)
