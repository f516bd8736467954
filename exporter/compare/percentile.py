"""From the draws of a bootstrap to an interval and a p-value.

The percentile interval is too narrow for small samples, as a normal interval is with a variance
that was divided by n. It is widened by as much as Student's interval is wider than that one:
Hesterberg (2015), "What Teachers Should Know About the Bootstrap", section 5.3.2.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from exporter.compare.resampling import Floats
from exporter.compare.verdict import Effect


def percentile_effect(ratio: float, draws: Floats, units: float, confidence: float) -> Effect:
    """The effect of a candidate whose measure is ``ratio`` times the baseline's.

    :param draws: the same ratio in each draw; NaN where it has none.
    :param units: how many independent blocks were drawn from.
    """
    known = draws[~np.isnan(draws)]
    tail = _widened((1 - confidence) / 2, units)
    low, high = np.quantile(known, [tail, 1 - tail])
    beyond = min(int((known <= 1).sum()), int((known >= 1).sum()))
    share = (beyond + 1) / (len(known) + 1)
    return Effect(ratio, float(low), float(high), min(1.0, 2 * _narrowed(share, units)))


def _widened(tail: float, units: float) -> float:
    """The share of draws to leave out at one end."""
    freedom = max(1.0, units - 1)
    deviations = special.stdtrit(freedom, tail) * math.sqrt((freedom + 1) / freedom)
    return float(special.ndtr(deviations))


def _narrowed(share: float, units: float) -> float:
    """The inverse: the chance that belongs to a share of draws at one end."""
    freedom = max(1.0, units - 1)
    deviations = special.ndtri(share) / math.sqrt((freedom + 1) / freedom)
    return float(special.stdtr(freedom, deviations))
