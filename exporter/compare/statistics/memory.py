"""The variance of a sum over blocks, also if neighbouring blocks are correlated."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from exporter.compare.statistics.resampling import Floats, run_length

_LAGS = 10
_MOST_DEVIATIONS, _FEWEST_DEVIATIONS = 2.75, 1.5
_DEVIATIONS_PER_BLOCK = 0.0125
"""Few blocks show a memory less clearly, so a smaller sign of it is heeded."""
_RUNS = 6


def memory(series: Floats) -> int:
    """How many consecutive blocks count as one; 1 if they are independent.

    There are two signs of memory: single lags that stand out (see ``run_length``), and sums over
    ten blocks that vary more than ten times as much as single blocks (Lo and MacKinlay
    1988, "Stock market prices do not follow random walks"), the sign of a
    slow quarter of an hour. Then a sixth of the whole counts as one, so that the level holds for
    any length of such a period (Kiefer and Vogelsang 2005, "A new asymptotic theory for
    heteroskedasticity-autocorrelation robust tests").
    """
    size, longest = len(series), len(series) // _RUNS
    if longest < 2 or not series.any():
        return 1
    lags = min(_LAGS, longest)
    usual = math.sqrt(2 * (2 * lags - 1) * (lags - 1) / (3 * lags * size))
    deviations = min(_MOST_DEVIATIONS, _FEWEST_DEVIATIONS + _DEVIATIONS_PER_BLOCK * size)
    if run_variance(series, lags) > (1 + deviations * usual) * run_variance(series, 1):
        return longest
    rounded = np.round(series / np.abs(series).max(), 9)  # ties must not hang on the last bit
    return run_length([*rounded])


def run_variance(series: Floats, runs: int) -> float:
    """The variance of the sum of a series whose mean is 0, from sums over runs that overlap."""
    size = len(series)
    if size < 2:
        return math.inf
    sums = np.cumsum(np.concatenate([[0.0], series, series[: runs - 1]]))
    of_runs = sums[runs:] - sums[:-runs]
    return float((of_runs**2).sum()) / runs / (1 - runs / size)


def freedom(blocks: int, runs: int) -> float:
    """Degrees of freedom of such a variance; with a memory half of what its sums would have, since
    sums over runs that overlap tell less, and how long a memory lasts is a guess."""
    whole = blocks / runs - 1
    return max(1.0, whole if runs == 1 else whole / 2)


def reach(confidence: float, degrees: float) -> float:
    """How many standard deviations to either side an interval reaches."""
    return float(-special.stdtrit(degrees, (1 - confidence) / 2))


def p_value(distance: float, deviation: float, degrees: float) -> float:
    """Of "the distance is 0"."""
    if not deviation:
        return 0.0 if distance else 1.0
    return float(2 * special.stdtr(degrees, -abs(distance) / deviation))
