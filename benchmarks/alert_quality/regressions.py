"""deploy/prometheus/regression-rules.yml in numpy, thousands of times as quick as Prometheus.

tests/integration/test_alert_judge.py holds it to what a real Prometheus makes of the same series.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.alert_quality.windows import (
    Array,
    Marks,
    at,
    count_over,
    delayed,
    held,
    lately,
    max_over,
    part,
    running,
)

Flags = npt.NDArray[np.bool_]

DAY = 1440
MARK = 360
"""How often the last week is evaluated, in minutes."""


@dataclass(frozen=True, slots=True)
class Rise:
    """A regression to look for: how much slower, and what it takes to say so."""

    name: str
    factor: float
    chance_is_enough: bool = False
    """Whether ``CHANCE`` is enough evidence if probes are independent."""

    @property
    def size(self) -> float:
        return float(np.log(self.factor))


RISES = (Rise("50%", 1.5), Rise("100%", 2.0, chance_is_enough=True))
"""What the page looks for."""
LEAST_EVIDENCE = 13.5
"""In nats; what one alarm in many months takes if probes are independent."""
TIMES_USUAL, TIMES_WANDER = 2.6, 12.0
"""How many times the evidence that comes by itself on a usual day, and how much more for each unit
of the wander."""
CHANCE = 17.0
"""In nats; what chance alone does not reach in years."""
INDEPENDENT, STEADY = 10.0, 0.05
"""The evidence of a usual day in nats, and the wander, up to which probes are taken to be
independent."""
CONFIRMED = 0.67
"""The share of ``CHANCE`` that is enough while the exporter itself is certain."""
CONFIRMED_MINUTES = 2
"""How long the exporter must have been certain."""
STILL_WINDOWS = (3, 15, 60)
"""Minutes; the first that has a probe tells whether the last probes are slow."""
HOUR_PROBES, HOUR_PROBES_FIRST_TOKEN = 10, 15
"""The minimum number of probes in an hour: for its median, and for a ticket on the first token."""
HOUR_TIMES_USUAL, HOUR_LEAST = 2.6, 0.14
"""For tickets: the minimum as a multiple of the highest hour of a usual day, and as a logarithm."""
WINDOWS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 45, 60, 120, 240)
"""In minutes."""
STILL_MINUTES, STILL_LESS = 30, 2.5
"""If the evidence was this much higher within this many minutes, the regression is over."""
LEAST_SPREAD, LEAST_SLOW = 0.1, 0.02
NEIGHBORS = 1.3
"""How much more quarters of an hour have in common a quarter and half an hour apart than half an
hour apart, if the level keeps a memory of half an hour."""
WANDERS = 10.0
WANDER_FREE = 0.15
"""The standard deviations of the wander by which a level must exceed the usual one."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What the last week says of targets, at each mark."""

    marks: Marks
    spread: Array
    wander: Array


def deviation(ln: Array) -> Array:
    """How far each minute is from the median of the same hour on the last seven days."""
    marks = np.arange(0, ln.shape[1], 4)
    median = np.full((len(ln), len(marks)), np.nan, np.float32)
    for first in range(0, len(marks), 720):
        some = marks[first : first + 720]
        median[:, first : first + 720] = _quantile(at(ln, some, 60), 0.5)
    half_hour_less = DAY - 30
    days = [
        delayed(held(median, marks, ln.shape[1]), half_hour_less + day * DAY)[:, ::4]
        for day in range(7)
    ]
    usual = _quantile(np.stack(days, axis=-1), 0.5, least=3)
    return np.asarray(ln - held(usual, marks, ln.shape[1]), np.float32)


def usual(deviation: Array) -> Usual:
    """Spread of single probes and wander, as medians of the days of a week."""
    marks = np.arange(0, deviation.shape[1], MARK)
    spread = np.full((len(deviation), len(marks)), np.nan, np.float32)
    for place, mark in enumerate(marks):
        day = at(deviation, np.array([mark]), DAY)[:, 0]
        spread[:, place] = _quantile(day, 0.5) - _quantile(day, 0.16)
    quarters = np.arange(0, deviation.shape[1], 15)
    level = _quantile(at(deviation, quarters, 15), 0.5, least=5)
    days = marks // 15
    before = np.asarray((delayed(level, 1) + delayed(level, 2)) / 2, np.float32)
    product = at(level * before, days, DAY // 15)
    square = (_mean(product) - _mean(at(level, days, DAY // 15)) ** 2) / np.float32(NEIGHBORS)
    wander = np.sqrt(np.maximum(square, 0))
    return Usual(marks, of_the_week(spread), of_the_week(wander))


def of_the_week(daily: Array) -> Array:
    """The median of the last 28 marks, from the fourth on."""
    return _quantile(at(daily, np.arange(daily.shape[1]), 28), 0.5, least=4)


@dataclass(frozen=True, slots=True)
class Evidence:
    """For one rise, at each minute."""

    most: Array
    """Of all windows."""
    last_hour: Array
    """Of the windows of up to an hour."""
    limit: Array
    confirmed_limit: Array
    """What is enough while the exporter is certain; NaN if probes are not independent."""
    still: Flags
    """The last probes are slow still."""

    def slow(self, elsewhere: Flags, certain: Flags) -> Flags:
        """Where the page fires.

        :param elsewhere: most targets are slow at once.
        :param certain: the exporter is certain of a change in this minute.
        """
        long_certain = count_over(certain, CONFIRMED_MINUTES) == CONFIRMED_MINUTES
        known = long_certain & ~np.isnan(self.confirmed_limit)
        limit = np.where(known, self.confirmed_limit, self.limit)
        whole = (self.most > limit) & ~lately(elsewhere, WINDOWS[-1])
        since = (self.last_hour > limit) & ~lately(elsewhere, 60)
        return (whole | since) & self.still


def evidence(deviation: Array, new: Flags, usual: Usual, rise: Rise) -> Evidence:
    """What the last probes say for a rise, and what it takes."""
    steps = deviation.shape[1]
    slow_days = _mean(_above(at(deviation, usual.marks, DAY, 5), rise.size))
    slow = np.maximum(of_the_week(slow_days), LEAST_SLOW)
    weight = np.log(1 / slow)
    middle = np.maximum(rise.size / 2, WANDERS * usual.wander - WANDER_FREE).astype(np.float32)
    scale = (np.maximum(usual.spread, LEAST_SPREAD) ** 2 * weight / rise.size).astype(np.float32)
    score = (deviation - held(middle, usual.marks, steps)) / held(scale, usual.marks, steps)
    score = np.where(new, np.clip(score, -1, 1), np.float32(np.nan))
    sums, counts = running(score)
    most = last_hour = np.full(score.shape, -np.inf, np.float32)
    for minutes in WINDOWS:
        known = part(counts, minutes) > 0
        np.maximum(most, part(sums, minutes), out=most, where=known)
        if minutes == 60:
            last_hour = most.copy()
    most[np.isinf(most)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        daily = np.stack(
            [np.nanmax(at(most, np.array([mark]), DAY)[:, 0], axis=1) for mark in usual.marks], 1
        )
    usually = of_the_week(daily)
    times = TIMES_USUAL + TIMES_WANDER * usual.wander
    limit = np.maximum(LEAST_EVIDENCE / weight, times * usually)
    independent = (usually <= INDEPENDENT / weight) & (usual.wander < STEADY)
    chance = np.where(independent, CHANCE / weight, np.nan)
    if rise.chance_is_enough:
        limit = np.where(chance < limit, chance, limit)
    still = np.zeros(score.shape, np.float32)
    for minutes in reversed(STILL_WINDOWS):
        still = np.where(part(counts, minutes) > 0, part(sums, minutes), still)
    lasts = (still > 0) & (most >= max_over(most, STILL_MINUTES) - STILL_LESS)
    until_next = [
        held(one.astype(np.float32), usual.marks, steps) for one in (limit, CONFIRMED * chance)
    ]
    return Evidence(most, last_hour, until_next[0], until_next[1], lasts)


def slower_hour(deviation: Array, made: Flags) -> tuple[Array, Array]:
    """The median of the last hour, every four minutes, and its limit."""
    marks = np.arange(0, deviation.shape[1], 4)
    level = np.full((len(deviation), len(marks)), np.nan, np.float32)
    for first in range(0, len(marks), 720):
        some = marks[first : first + 720]
        level[:, first : first + 720] = _quantile(at(deviation, some, 60), 0.5, least=15)
    level[new_in_hour(made)[:, marks] < HOUR_PROBES] = np.nan
    six_hours = np.arange(0, len(marks), MARK // 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        daily = np.stack(
            [np.nanmax(at(level, np.array([m]), DAY // 4)[:, 0], axis=1) for m in six_hours], 1
        )
    limit = np.maximum(HOUR_TIMES_USUAL * of_the_week(daily), HOUR_LEAST)
    steps = deviation.shape[1]
    return held(level, marks, steps), held(limit, six_hours * 4, steps)


def new_in_hour(made: Flags) -> Array:
    """How many probes were made in the last hour, as ``changes`` counts them."""
    return part(made.cumsum(axis=1, dtype=np.float32), 59)


def _above(values: Array, level: float) -> Array:
    return np.where(np.isnan(values), np.nan, values > level).astype(np.float32)


def _mean(values: Array) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=-1), np.float32)


def _quantile(values: Array, q: float, least: int = 1) -> Array:
    """Along the last axis, of at least so many; numpy's own nanquantile is slow."""
    ordered = np.sort(values, axis=-1)
    count = (~np.isnan(values)).sum(axis=-1)
    rank = np.maximum(q * (count - 1), 0)
    low = np.floor(rank).astype(int)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    below = np.take_along_axis(ordered, low[..., None], -1)[..., 0]
    above = np.take_along_axis(ordered, high[..., None], -1)[..., 0]
    quantile = below + (above - below) * (rank - low)
    return np.where(count >= least, quantile, np.nan).astype(np.float32)
