"""Intervals for the difference of two proportions, even near 0 % and 100 %."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

_NORMAL = NormalDist()
_LARGEST_Z = 10.0
_BISECTIONS = 60


@dataclass(frozen=True, slots=True)
class Share:
    """A proportion. The counts are fractions if samples count for less than one each."""

    hits: float
    total: float

    @property
    def value(self) -> float:
        return self.hits / self.total

    def score_interval(self, z: float) -> tuple[float, float]:
        """Return all shares that are at most ``z`` deviations from this one (Wilson 1927)."""
        share, total = self.value, self.total
        middle = share + z * z / (2 * total)
        spread = max(0.0, share * (1 - share))  # rounding may put a share beyond 1
        half = z * math.sqrt(spread / total + z * z / (4 * total * total))
        scale = 1 + z * z / total
        return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def difference_interval(baseline: Share, candidate: Share, z: float) -> tuple[float, float]:
    """Combine two score intervals into an interval for the difference.

    Newcombe (1998), "Interval estimation for the difference between independent proportions",
    method 10.
    """
    low_b, high_b = baseline.score_interval(z)
    low_c, high_c = candidate.score_interval(z)
    difference = candidate.value - baseline.value
    return (
        difference - math.hypot(candidate.value - low_c, high_b - baseline.value),
        difference + math.hypot(high_c - candidate.value, baseline.value - low_b),
    )


def difference_p_value(baseline: Share, candidate: Share) -> float:
    """Return the p-value of "both are the same": the level at which the interval just reaches 0."""
    low, high = 0.0, _LARGEST_Z
    for _ in range(_BISECTIONS):
        z = (low + high) / 2
        below, above = difference_interval(baseline, candidate, z)
        if below <= 0 <= above:
            high = z
        else:
            low = z
    return 2 * (1 - _NORMAL.cdf(high))


def two_sided_z(confidence: float) -> float:
    """Return how many standard deviations on each side of the mean hold this probability."""
    return _NORMAL.inv_cdf((1 + confidence) / 2)
