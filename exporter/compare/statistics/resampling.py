"""The blocks that a bootstrap draws, and the value of a statistic in each draw.

It draws blocks, not samples, because the sides of a block share the prompt and the time of day. If
consecutive blocks resemble each other, for example because a provider is slow for an hour, it draws
runs of blocks: they carry less information than the same number of independent blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]
Counts = npt.NDArray[np.int32]

_CHUNK_CELLS = 4_000_000
_INSIGNIFICANT_LAGS = 5
_MIN_RUNS = 6
"""Fewer runs would leave too little to draw from. A slow period that lasts longer than a sixth of
the comparison therefore looks permanent."""


class Resampling:
    """How often each block counts in each draw.

    All measures use the same draws, which keeps the correlation between them.

    :param levels: the level of load of each block, or ``None`` if there is only one. A run never
        spans two levels, so that every draw has the same mix.
    """

    def __init__(
        self,
        strata: Sequence[str],
        run_length: int,
        draws: int,
        seed: int,
        levels: Sequence[int] | None = None,
    ) -> None:
        random = np.random.default_rng(seed)
        self._stretch = 1.0
        if run_length > 1:
            self._counts, covered = _runs_within_levels(
                strata, levels or [0] * len(strata), run_length, draws, random
            )
            self._stretch = 1 / math.sqrt(1 - covered)
        else:
            self._counts = _within_strata(strata, draws, random)

    def quantiles(self, values: Floats, blocks: Integers, share: float) -> Floats:
        """Return the Harrell-Davis estimate of a quantile in each draw; NaN without values.

        :param blocks: the index of each value's block.
        """
        order = np.argsort(values)
        ordered, columns = values[order], blocks[order]
        rows = max(1, _CHUNK_CELLS // len(values))
        draws = np.concatenate(
            [
                _harrell_davis(ordered, self._counts[at : at + rows, columns], share)
                for at in range(0, len(self._counts), rows)
            ]
        )
        return self._stretched(draws, harrell_davis(values, share))

    def ratios(self, numerators: Floats, denominators: Floats, blocks: Integers) -> Floats:
        """Return the ratio of two sums in each draw; NaN without values."""
        size = self._counts.shape[1]
        above = self._counts @ np.bincount(blocks, numerators, size)
        below = self._counts @ np.bincount(blocks, denominators, size)
        draws: Floats = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
        return self._stretched(draws, numerators.sum() / (denominators.sum() or math.nan))

    def _stretched(self, draws: Floats, estimate: float) -> Floats:
        """Move the draws away from the estimate, on a logarithmic scale.

        A run that covers a share of a level is missing the same share of the variance: if it
        covered all of it, every draw would be the same.
        """
        if self._stretch == 1 or not estimate > 0:
            return draws
        stretched: Floats = estimate * (draws / estimate) ** self._stretch
        return stretched


def harrell_davis(values: Floats, share: float) -> float:
    """Return the Harrell-Davis estimate of a quantile.

    It is the mean of the order statistics, weighted by the probability that each is the quantile
    of a sample. Harrell and Davis (1982), "A new distribution-free quantile estimator", Biometrika
    69.
    """
    return float(_harrell_davis(np.sort(values), np.ones((1, len(values)), np.int32), share)[0])


def _harrell_davis(ordered: Floats, counts: Counts, share: float) -> Floats:
    cumulative = np.cumsum(counts, axis=1)
    totals = cumulative[:, -1]
    estimates = np.full(len(totals), np.nan)
    for total in np.unique(totals[totals > 0]):
        rows = totals == total
        upper, lower = share * (total + 1), (1 - share) * (total + 1)
        below = special.betainc(upper, lower, np.arange(total + 1) / total)
        estimates[rows] = np.diff(below[cumulative[rows]], axis=1, prepend=0.0) @ ordered
    return estimates


def _within_strata(strata: Sequence[str], draws: int, random: np.random.Generator) -> Counts:
    """Draw single blocks, a fixed number from each stratum: the mix was chosen, not sampled."""
    counts = np.zeros((draws, len(strata)), np.int32)
    for stratum in dict.fromkeys(strata):
        columns = [index for index, name in enumerate(strata) if name == stratum]
        equal = np.full(len(columns), 1 / len(columns))
        counts[:, columns] = random.multinomial(len(columns), equal, size=draws)
    return counts


def _runs_within_levels(
    strata: Sequence[str],
    levels: Sequence[int],
    run_length: int,
    draws: int,
    random: np.random.Generator,
) -> tuple[Counts, float]:
    """Draw runs of blocks within each level. Also return the share of a level that a run covers,
    as a mean over all blocks."""
    parts, at, covered = [np.zeros((draws, 0), np.int32)], 0, 0
    for _, group in groupby(levels):
        size = len(list(group))
        of_level = strata[at : at + size]
        length = _whole_turns(of_level, min(run_length, size // 2))
        if length < size:
            parts.append(_runs(size, length, draws, random))
            covered += length
        else:
            parts.append(_within_strata(of_level, draws, random))
        at += size
    return np.concatenate(parts, axis=1), covered / at


def _runs(blocks: int, length: int, draws: int, random: np.random.Generator) -> Counts:
    """Draw runs of consecutive blocks; the series wraps around.

    The last run is shorter, so that each draw has as many blocks as there are.
    """
    whole, rest = divmod(blocks, length)
    counts = np.zeros((draws, blocks), np.int32)
    for runs, steps in ((whole, length), (1, rest)):
        starts = random.multinomial(runs, np.full(blocks, 1 / blocks), size=draws)
        for step in range(steps):
            counts += np.roll(starts, step, axis=1).astype(np.int32)
    return counts


def _whole_turns(strata: Sequence[str], run_length: int) -> int:
    """Round up to whole turns of the strata, so that each run contains the chosen mix."""
    turn = len(set(strata))
    return max(1, math.ceil(run_length / turn)) * turn


def run_length(series: Sequence[float]) -> int:
    """Return how many consecutive blocks to draw together; 1 if they are independent.

    Politis and White (2004), "Automatic block-length selection for the dependent bootstrap",
    corrected by Patton, Politis and White (2009), for the circular bootstrap. It works on ranks,
    so that one slow probe doesn't decide the result.
    """
    size = len(series)
    longest = size // _MIN_RUNS
    if longest < 2 or len(set(series)) == 1:
        return 1
    farthest = min(3 * math.isqrt(size), size // 3)
    covariances = _autocovariances(ranks_of(series), farthest)
    bandwidth = 2 * _last_significant_lag(covariances / covariances[0], size)
    if not bandwidth:
        return 1
    lags = np.arange(1, min(bandwidth, farthest) + 1)
    window = np.clip(2 * (1 - lags / bandwidth), 0, 1) * covariances[lags]
    spectrum = covariances[0] + 2 * window.sum()
    if spectrum <= 0:
        return 1
    slope = 2 * (window * lags).sum()
    optimum = (2 * slope**2 / (4 / 3 * spectrum**2)) ** (1 / 3) * size ** (1 / 3)
    return int(np.clip(round(optimum), 1, longest))


def ranks_of(series: Sequence[float]) -> Floats:
    """Return ranks around 0; equal values share a rank."""
    ranks = np.empty(len(series))
    at = 0
    ordered = sorted(range(len(series)), key=lambda index: series[index])
    for _, group in groupby(ordered, key=lambda index: series[index]):
        indices = list(group)
        ranks[indices] = at + (len(indices) - 1) / 2
        at += len(indices)
    ranks -= ranks.mean()
    return ranks


def _autocovariances(series: Floats, longest: int) -> Floats:
    size = len(series)
    return np.array([series[: size - lag] @ series[lag:] / size for lag in range(longest + 1)])


def _last_significant_lag(correlations: Floats, size: int) -> int:
    """Return the lag after which ``_INSIGNIFICANT_LAGS`` consecutive correlations are small."""
    small = 2 * math.sqrt(math.log10(size) / size)
    in_a_row = 0
    for lag, correlation in enumerate(correlations[1:], 1):
        in_a_row = in_a_row + 1 if abs(correlation) < small else 0
        if in_a_row == _INSIGNIFICANT_LAGS:
            return lag - in_a_row
    return len(correlations) - 1
