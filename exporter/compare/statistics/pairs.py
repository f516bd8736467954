"""All pairs of values of both sides, within each stratum of the mix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.compare.statistics.resampling import Floats, Integers

_MOST_PAIRS = 1_000_000
_GRID = 400
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Side:
    """The logarithms of the values of one target, each with its block and stratum."""

    logs: Floats
    blocks: Integers
    strata: Integers

    def within(self, blocks: npt.NDArray[np.bool_]) -> Side:
        """Return only the values in these blocks."""
        chosen = blocks[self.blocks]
        return Side(self.logs[chosen], self.blocks[chosen], self.strata[chosen])


@dataclass(frozen=True, slots=True)
class _Stratum:
    """The pairs within one part of the mix: distinct values and their weights."""

    distances: Floats
    """The candidate's values minus the baseline's, with a row for each value of the candidate."""
    shares: tuple[Floats, Floats]
    """The frequencies of the distinct values of baseline and candidate; each side sums to 1."""
    inverse: tuple[Integers, Integers]
    """The index of the distinct value for each value."""
    blocks: tuple[Integers, Integers]
    weight: float

    def mean(self, of_pairs: Floats) -> float:
        before, after = self.shares
        return self.weight * float(after @ of_pairs @ before)

    def add_by_block(self, of_pairs: Floats, total: Floats) -> None:
        """Add to ``total`` how much the values of each block move the mean."""
        before, after = self.shares
        means = after @ of_pairs, of_pairs @ before
        for of_values, inverse, blocks in zip(means, self.inverse, self.blocks, strict=True):
            own = of_values[inverse] / len(inverse)
            np.add.at(total, blocks, self.weight * (own - own.mean()))


class Pairs:
    """All pairs of two sides, from the blocks in which both have a value.

    Without this restriction, a side that fails on long prompts would seem faster.

    :param blocks: the total number of blocks.
    """

    def __init__(self, baseline: Side, candidate: Side, blocks: int) -> None:
        present = [np.bincount(side.blocks, minlength=blocks) > 0 for side in (baseline, candidate)]
        common = present[0] & present[1]
        self._blocks = np.flatnonzero(common)
        self._size = blocks
        self._strata = [*_strata(baseline.within(common), candidate.within(common))]
        if self._strata:
            distances = np.concatenate([s.distances.ravel() for s in self._strata])
            weights = np.concatenate([_weights(s).ravel() for s in self._strata])
            order = np.argsort(distances, kind="stable")
            self._ordered = distances[order]
            self._cumulative = np.cumsum(weights[order])

    @property
    def blocks(self) -> int:
        """The number of blocks in which both sides have a value."""
        return len(self._blocks)

    def quantile(self, share: float) -> float:
        """Return the distance that this share of the pairs doesn't exceed."""
        at = min(int(np.searchsorted(self._cumulative, share - _TINY)), len(self._ordered) - 1)
        is_between = abs(float(self._cumulative[at]) - share) < _TINY
        following = min(at + is_between, len(self._ordered) - 1)
        return float(self._ordered[at] + self._ordered[following]) / 2

    def usual_distance(self, centre: float) -> float:
        """Return the median distance of the pairs from a center."""
        far = np.abs(self._ordered - centre)
        order = np.argsort(far)
        weights = np.diff(self._cumulative, prepend=0.0)[order]
        return float(far[order][np.searchsorted(np.cumsum(weights), 0.5)])

    def mean(self, of_distance: Callable[[Floats], Floats]) -> float:
        """Return the mean of a function of each pair's distance."""
        return sum(stratum.mean(of_distance(stratum.distances)) for stratum in self._strata)

    def by_block(self, of_distance: Callable[[Floats], Floats]) -> Floats:
        """Return how much each block moves that mean (its Hájek projection), in block order."""
        total = np.zeros(self._size)
        for stratum in self._strata:
            stratum.add_by_block(of_distance(stratum.distances), total)
        return total[self._blocks]


def _strata(baseline: Side, candidate: Side) -> Iterator[_Stratum]:
    """Yield the strata, weighted by the information in each (van Elteren 1960)."""
    both = np.intersect1d(baseline.strata, candidate.strata)
    parts = []
    for stratum in both:
        before, after = (_part(side, int(stratum)) for side in (baseline, candidate))
        sizes = len(before.logs), len(after.logs)
        parts.append((before, after, sizes[0] * sizes[1] / sum(sizes)))
    whole = sum(weight for *_, weight in parts)
    for before, after, weight in parts:
        yield _stratum(before, after, weight / whole)


def _part(side: Side, stratum: int) -> Side:
    at = side.strata == stratum
    return Side(side.logs[at], side.blocks[at], side.strata[at])


def _stratum(before: Side, after: Side, weight: float) -> _Stratum:
    logs = [before.logs, after.logs]
    if len(logs[0]) * len(logs[1]) > _MOST_PAIRS:
        both = np.concatenate(logs)
        step = float(np.subtract(*np.quantile(both, [0.9, 0.1]))) / _GRID
        logs = [np.round(own / step) * step if step else own for own in logs]
    distinct = [np.unique(own, return_inverse=True, return_counts=True) for own in logs]
    (x, of_x, x_counts), (y, of_y, y_counts) = distinct
    return _Stratum(
        distances=np.subtract.outer(y, x),
        shares=(x_counts / x_counts.sum(), y_counts / y_counts.sum()),
        inverse=(of_x, of_y),
        blocks=(before.blocks, after.blocks),
        weight=weight,
    )


def _weights(stratum: _Stratum) -> Floats:
    before, after = stratum.shares
    weights: Floats = stratum.weight * np.multiply.outer(after, before)
    return weights
