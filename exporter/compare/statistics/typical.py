"""The typical ratio of two sides: an efficient estimate, and an interval that respects the blocks.

Hodges and Lehmann (1963), "Estimates of location based on rank tests", use the median of all ratios
between the values of both sides. The median assumes nothing about the distribution of the times. It
therefore ignores what the shape of that distribution could tell, for example with two replicas of
which one is slow.

So this module also estimates the center with weights that fall with a pair's distance from it (the
location of a Cauchy distribution), at several widths, and picks the estimate with the least
variance. If that estimate is farther from the median than chance explains, the sides differ by
more than a factor, and the median is used. A few blocks can't show whether that is so: with fewer
than ``_ENOUGH_BLOCKS`` blocks the median is always used.

Variances are of sums over blocks, so influences on both sides, such as the prompt and the time,
cancel. For slow hours, see ``memory``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from exporter.compare.statistics.autocorrelation import (
    freedom,
    longest_run,
    memory,
    p_value,
    reach,
    run_variance,
)
from exporter.compare.statistics.pairs import Pairs
from exporter.compare.statistics.resampling import Floats
from exporter.compare.statistics.verdict import Effect

_ENOUGH_BLOCKS = 80
_WIDTHS = (0.5, 1.0, 2.0, 4.0)
"""The widths of the weights, relative to the usual distance of a pair from the median."""
_DENSITY_WIDTH = 0.25
_TOLERANCE = 2.0
"""The allowed distance of an estimate from the median, in deviations of their difference."""
_STEPS = 30
_PRECISION = 1e-7


@dataclass(frozen=True, slots=True)
class _Centre:
    """An estimate of the logarithm of the ratio."""

    value: float
    influence: Floats
    """How much each block moved the estimate."""
    runs: int

    @property
    def deviation(self) -> float:
        return math.sqrt(run_variance(self.influence, self.runs))


def typical_ratio(pairs: Pairs, confidence: float, runs: int = 1) -> Effect:
    """Return the typical ratio of the candidate's value to the baseline's.

    :param pairs: at least one pair.
    :param runs: how many consecutive blocks count as one at least.
    """
    middle = pairs.quantile(0.5)
    signs = pairs.by_block(lambda distances: np.sign(distances - middle) / 2)
    runs = max(memory(signs), min(runs, longest_run(pairs.blocks)))
    best = _narrowest(pairs, middle, signs, runs) if pairs.blocks >= _ENOUGH_BLOCKS else None
    if best is None:
        return _from_ranks(pairs, middle, math.sqrt(run_variance(signs, runs)), runs, confidence)
    degrees = freedom(pairs.blocks, best.runs)
    half = reach(confidence, degrees) * best.deviation
    return Effect(
        math.exp(best.value),
        math.exp(best.value - half),
        math.exp(best.value + half),
        p_value(best.value, best.deviation, degrees),
    )


def _from_ranks(
    pairs: Pairs, middle: float, deviation: float, runs: int, confidence: float
) -> Effect:
    """Return the median of all ratios, and the interval that the Mann-Whitney test doesn't reject.

    :param deviation: the standard deviation, over blocks, of the share of pairs above a ratio near
        the median.
    """
    degrees = freedom(pairs.blocks, runs)
    half = reach(confidence, degrees) * deviation
    low, high = (pairs.quantile(min(1.0, max(0.0, 0.5 + at))) for at in (-half, half))
    above = pairs.mean(np.sign) / 2
    return Effect(
        math.exp(middle), math.exp(low), math.exp(high), p_value(above, deviation, degrees)
    )


def _narrowest(pairs: Pairs, middle: float, signs: Floats, runs: int) -> _Centre | None:
    """Return the center with the least variance.

    ``None`` if that is the median, or if all other centers contradict the median.
    """
    usual = pairs.usual_distance(middle)
    if not usual:
        return None
    near = _DENSITY_WIDTH * usual
    density = pairs.mean(lambda distances: (np.abs(distances - middle) < near) / (2 * near))
    median = _Centre(middle, signs / density, runs)
    best = median
    for centre in _centres(pairs, median, usual):
        apart = math.sqrt(run_variance(centre.influence - median.influence, centre.runs))
        agrees = abs(centre.value - middle) <= _TOLERANCE * apart
        if agrees and centre.deviation < best.deviation:
            best = centre
    return None if best is median else best


def _centres(pairs: Pairs, median: _Centre, usual: float) -> Iterator[_Centre]:
    for width in _WIDTHS:
        square = (width * usual) ** 2
        value = _located(pairs, median.value, square)
        slope = pairs.mean(lambda d: _slope(d - value, square))  # noqa: B023 - called at once
        if slope <= 0:
            continue
        pulls = pairs.by_block(lambda d: _pull(d - value, square))  # noqa: B023 - called at once
        influence = pulls / slope
        yield _Centre(value, influence, max(median.runs, memory(influence)))


def _located(pairs: Pairs, start: float, square: float) -> float:
    """Find the center at which the pulls of all pairs cancel, by iterative reweighting."""
    value = start
    for _ in range(_STEPS):
        weight = pairs.mean(lambda d: 1 / (square + (d - value) ** 2))  # noqa: B023
        step = pairs.mean(lambda d: _pull(d - value, square)) / weight  # noqa: B023
        value += step
        if abs(step) < _PRECISION:
            break
    return value


def _pull(distance: Floats, square: float) -> Floats:
    pull: Floats = distance / (square + distance**2)
    return pull


def _slope(distance: Floats, square: float) -> Floats:
    """Return the slope of the pull as the center moves toward the pair."""
    slope: Floats = (square - distance**2) / (square + distance**2) ** 2
    return slope
