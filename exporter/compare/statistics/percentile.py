"""Turns the draws of a bootstrap into an interval and a p-value.

The percentile interval is too narrow for small samples, like a normal interval with a variance
divided by n. This module widens it by the ratio of Student's interval to that normal interval:
Hesterberg (2015), "What Teachers Should Know About the Bootstrap", section 5.3.2.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from exporter.compare.statistics.resampling import Floats
from exporter.compare.statistics.verdict import Effect

_FEW_BEYOND = 10


def percentile_effect(ratio: float, draws: Floats, units: float, confidence: float) -> Effect:
    """Return the effect of a candidate whose measure is ``ratio`` times the baseline's.

    :param draws: the ratio in each draw; NaN if a draw has none.
    :param units: the number of independent blocks that the bootstrap draws from.
    """
    known = draws[~np.isnan(draws)]
    tail = _widened((1 - confidence) / 2, units)
    low, high = np.quantile(known, [tail, 1 - tail])
    return Effect(ratio, float(low), float(high), _p_value(known, units))


def _p_value(draws: Floats, units: float) -> float:
    """Return the p-value of "the ratio is 1".

    If hardly any draw lies beyond 1, their number says little. The distance from 1 in standard
    deviations then gives a better estimate of the probability.
    """
    beyond = min(int((draws <= 1).sum()), int((draws >= 1).sum()))
    share = (beyond + 1) / (len(draws) + 1)
    if beyond < _FEW_BEYOND:
        logs = np.log(draws[draws > 0])
        deviation = float(logs.std())
        distance = abs(float(logs.mean())) / deviation if deviation else math.inf
        share = min(share, float(special.ndtr(-distance)))
    return min(1.0, 2 * _narrowed(share, units))


def _widened(tail: float, units: float) -> float:
    """Return the share of draws to leave out at one end."""
    freedom = max(1.0, units - 1)
    deviations = special.stdtrit(freedom, tail) * math.sqrt((freedom + 1) / freedom)
    return float(special.ndtr(deviations))


def _narrowed(share: float, units: float) -> float:
    """Return the probability that belongs to a share of draws at one end: the inverse."""
    freedom = max(1.0, units - 1)
    deviations = special.ndtri(share) / math.sqrt((freedom + 1) / freedom)
    return float(special.stdtr(freedom, deviations))
