"""Change points in the level of a series, and the uncertainty of their position.

The method is binary segmentation (Vostrikova 1981) with cumulative sums of ranks (Pettitt 1979, "A
non-parametric approach to the change-point problem"). Ranks keep one slow probe from counting as a
change. A simulation from the series' own residuals gives the size of the sums without a change. It
draws runs as long as the memory of the residuals, so a temporary slow hour doesn't count as a
change either. The same draws, placed around a detected change, give the uncertainty of its
position.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from exporter.compare.statistics.resampling import Floats, Integers, ranks_of, run_length

_MOST_POINTS = 400
_FEWEST = 15
"""Minimum number of points on each side of a change."""
_LEVEL = 0.01
_DRAWS = 1_999
_SMALLEST = 0.05
"""A smaller relative change isn't worth a line in the report."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the level. Times are Unix seconds, halfway between two probes."""

    at: float
    earliest: float
    latest: float
    """The 95 % interval of the time of the change."""
    before: float
    after: float
    """The median since the previous change, and the median until the next one."""


def changes(times: Sequence[float], values: Sequence[float], seed: int) -> tuple[Change, ...]:
    """Find the change points of a series, in ascending order of time.

    :param times: Unix seconds, in ascending order.
    """
    together = max(1, math.ceil(len(values) / _MOST_POINTS))
    starts = range(0, len(values) - together + 1, together)
    points = np.array([np.median(values[at : at + together]) for at in starts])
    when = np.array([np.median(times[at : at + together]) for at in starts])
    random = np.random.default_rng(seed)
    found = sorted(_splits(points, 0, len(points), random), key=lambda place: place.at)
    edges = [0, *(place.at for place in found), len(points)]
    levels = [float(np.median(points[a:b])) for a, b in pairwise(edges)] if len(points) else []
    return tuple(
        Change(
            at=_between(when, place.at),
            earliest=_between(when, place.low),
            latest=_between(when, place.high),
            before=before,
            after=after,
        )
        for place, (before, after) in zip(found, pairwise(levels), strict=True)
        if abs(math.log(after / before)) > math.log1p(_SMALLEST)
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """The index of the first point of a new level, and the bounds of its interval."""

    at: int
    low: int
    high: int


def _between(when: Floats, place: int) -> float:
    return float(when[place - 1] + when[place]) / 2


def _splits(points: Floats, begin: int, end: int, random: np.random.Generator) -> Iterator[_Place]:
    """Yield the changes within a part of the series."""
    parts = list(dict.fromkeys(_parts(begin, end)))
    tried = (_change(points, *part, _LEVEL / len(parts), random) for part in parts)
    found = next(filter(None, tried), None)
    if found:
        yield found
        yield from _splits(points, begin, found.at, random)
        yield from _splits(points, found.at, end, random)


def _parts(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the whole part and overlapping halves of it.

    If the level changes and later returns, at least one half contains only the first change.
    """
    size = end - begin
    if size >= 2 * _FEWEST:
        yield begin, end
    if size >= 4 * _FEWEST:
        yield from ((begin + at, begin + at + size // 2) for at in (0, size // 4, size - size // 2))


def _change(
    points: Floats, begin: int, end: int, level: float, random: np.random.Generator
) -> _Place | None:
    ranks = ranks_of([*points[begin:end]])
    [place], [height] = _highest(ranks[np.newaxis])
    step = np.where(np.arange(end - begin) < place, ranks[:place].mean(), ranks[place:].mean())
    drawn = _draws(ranks - step, random)
    _, by_chance = _highest(drawn - drawn.mean(axis=1, keepdims=True))
    if (1 + int((by_chance >= height).sum())) / (_DRAWS + 1) > level:
        return None
    shifted = drawn + step
    places, _ = _highest(shifted - shifted.mean(axis=1, keepdims=True))
    low, high = np.quantile(places, [0.025, 0.975], method="nearest")
    return _Place(begin + int(place), begin + int(low), begin + int(high))


def _highest(series: Floats) -> tuple[Integers, Floats]:
    """Find where the standardized cumulative sum of each row is farthest from 0, and how far."""
    size = series.shape[1]
    places = np.arange(_FEWEST, size - _FEWEST + 1)
    sums = np.cumsum(series, axis=1)[:, places - 1]
    heights = np.abs(sums) / np.sqrt(places * (size - places) / size)
    best = heights.argmax(axis=1)
    return places[best], heights[np.arange(len(best)), best]


def _draws(rest: Floats, random: np.random.Generator) -> Floats:
    """Draw the residuals in runs that start at random places; the series wraps around."""
    size = len(rest)
    length = run_length([*rest])
    runs = math.ceil(size / length)
    starts = random.integers(size, size=(_DRAWS, runs))
    at = (starts[:, :, np.newaxis] + np.arange(length)).reshape(_DRAWS, -1)[:, :size] % size
    drawn: Floats = rest[at]
    return drawn
