"""The ratio of two small samples, such as cold starts.

It is exact for any distribution that both samples share up to a factor. Hodges and Lehmann (1963),
"Estimates of location based on rank tests": the estimate is the median of all ratios between the
samples, and the interval contains the ratios that the Mann-Whitney test doesn't reject.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import accumulate
from statistics import NormalDist

from exporter.compare.statistics.verdict import Effect

_EXACT_PAIRS = 2_500
"""The distribution is exact up to this many pairs; above, a normal distribution is close enough."""


def ratio(baseline: Sequence[float], candidate: Sequence[float], confidence: float) -> Effect:
    """Return the ratio of the candidate's values to the baseline's.

    The interval has no bounds if there are too few values for the confidence.
    """
    ratios = sorted(after / before for after in candidate for before in baseline)
    sizes = len(baseline), len(candidate)
    above = sum(1.0 if r > 1 else 0.5 if r == 1 else 0.0 for r in ratios)
    rarer = math.floor(min(above, len(ratios) - above))
    return Effect(
        statistics.median(ratios),
        *_interval(ratios, _rejected(*sizes, (1 - confidence) / 2)),
        p_value=min(1.0, 2 * _at_most(rarer, *sizes)),
    )


def _interval(ratios: Sequence[float], rejected: int) -> tuple[float, float]:
    """:param rejected: the number of ratios left out at each end, plus one."""
    if not rejected:
        return 0.0, math.inf
    return ratios[rejected - 1], ratios[-rejected]


def _rejected(baseline: int, candidate: int, tail: float) -> int:
    """Return how many values of the Mann-Whitney U, from 0 up, have at most this probability."""
    pairs = baseline * candidate
    if pairs <= _EXACT_PAIRS:
        chances = accumulate(_chances(baseline, candidate))
        return sum(1 for chance in chances if chance <= tail)
    return math.floor(pairs / 2 + NormalDist().inv_cdf(tail) * _deviation(baseline, candidate))


def _at_most(u: int, baseline: int, candidate: int) -> float:
    """Return the probability of this U or less if both samples have the same distribution."""
    pairs = baseline * candidate
    if pairs <= _EXACT_PAIRS:
        return sum(_chances(baseline, candidate)[: u + 1])
    return NormalDist(pairs / 2, _deviation(baseline, candidate)).cdf(u + 0.5)


def _deviation(baseline: int, candidate: int) -> float:
    return math.sqrt(baseline * candidate * (baseline + candidate + 1) / 12)


def _chances(baseline: int, candidate: int) -> list[float]:
    """Return the distribution of U: the normalized coefficients of a Gaussian binomial."""
    pairs = baseline * candidate
    counts = [1] + [0] * pairs
    for factor in range(1, baseline + 1):
        for u in range(pairs, candidate + factor - 1, -1):
            counts[u] -= counts[u - candidate - factor]
        for u in range(factor, pairs + 1):
            counts[u] += counts[u - factor]
    total = math.comb(baseline + candidate, baseline)
    return [count / total for count in counts]
