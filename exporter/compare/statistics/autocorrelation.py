"""The variance of a sum over blocks, even if neighboring blocks are correlated."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from exporter.compare.statistics.resampling import Floats, run_length

_LAGS = 10
_MOST_DEVIATIONS, _FEWEST_DEVIATIONS = 2.75, 1.5
_DEVIATIONS_PER_BLOCK = 0.0125
"""Few blocks show a memory less clearly, so the threshold is lower for them."""
_RUNS = 6


def memory(series: Floats) -> int:
    """Return how many consecutive blocks count as one; 1 if they are independent.

    There are two signs of memory:

    - Single lags stand out (see ``run_length``).
    - Sums over ten blocks vary more than ten times as much as single blocks (Lo and MacKinlay
      1988, "Stock market prices do not follow random walks"). A slow quarter of an hour does this.

    In the second case, a sixth of the series counts as one block. The error level then holds for
    a slow period of any length (Kiefer and Vogelsang 2005, "A new asymptotic theory for
    heteroskedasticity-autocorrelation robust tests").
    """
    size, longest = len(series), longest_run(len(series))
    if longest < 2 or not series.any():
        return 1
    lags = min(_LAGS, longest)
    usual = math.sqrt(2 * (2 * lags - 1) * (lags - 1) / (3 * lags * size))
    deviations = min(_MOST_DEVIATIONS, _FEWEST_DEVIATIONS + _DEVIATIONS_PER_BLOCK * size)
    if run_variance(series, lags) > (1 + deviations * usual) * run_variance(series, 1):
        return longest
    rounded = np.round(series / np.abs(series).max(), 9)  # ties must not depend on the last bit
    return run_length([*rounded])


def longest_run(blocks: int) -> int:
    """Return how many of so many consecutive blocks may count as one."""
    return max(1, blocks // _RUNS)


def run_variance(series: Floats, runs: int) -> float:
    """Estimate the variance of the sum of a series with mean 0, from sums over overlapping runs."""
    size = len(series)
    if size < 2:
        return math.inf
    sums = np.cumsum(np.concatenate([[0.0], series, series[: runs - 1]]))
    of_runs = sums[runs:] - sums[:-runs]
    return float((of_runs**2).sum()) / runs / (1 - runs / size)


def freedom(blocks: int, runs: int) -> float:
    """Return the degrees of freedom of such a variance.

    With a memory it is half the number of runs minus 1, because overlapping runs carry less
    information and the length of the memory is a guess.
    """
    whole = blocks / runs - 1
    return max(1.0, whole if runs == 1 else whole / 2)


def reach(confidence: float, degrees: float) -> float:
    """Return the half width of an interval in standard deviations."""
    return float(-special.stdtrit(degrees, (1 - confidence) / 2))


def p_value(distance: float, deviation: float, degrees: float) -> float:
    """Return the p-value of "the distance is 0"."""
    if not deviation:
        return 0.0 if distance else 1.0
    return float(2 * special.stdtr(degrees, -abs(distance) / deviation))
