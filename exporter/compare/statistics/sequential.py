"""Repeated looks at growing samples, with a controlled error level.

Each look spends a part of the permitted error: the increase of ``alpha * (share of the planned
probes)**1.5`` since the previous look (Kim and DeMets 1987, "Design and analysis of group
sequential tests based on the type I error spending rate function"). Looks at the same growing
samples are correlated, so an error that an earlier look would have made isn't spent twice. The
level of each look comes from the joint distribution of all looks, with the recursion of Armitage,
McPherson and Rowe (1969), "Repeated significance tests on accumulating data".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

from exporter.compare.sample import PROBES_PER_BLOCK
from exporter.compare.statistics.resampling import Floats

LOOKS = 10
_EXPONENT = 1.5
_GRID = 301
_BISECTIONS = 40
_LARGEST_Z = 9.0
_LEVELS = tuple(float(level) for level in np.geomspace(1e-9, 0.999, 20))


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the samples."""

    number: int
    probes: int
    """The number of probes of each target so far."""
    shares: tuple[float, ...]
    """The shares of the planned probes at this look and the looks before it."""
    alpha: float
    """The level of a test at this look. Together, the tests at all looks keep the planned level."""

    def overall(self, p_value: float) -> float:
        """Convert a p-value of this look to one for all looks: the joint level at which this look
        just rejects."""
        at_look = [_level(self.shares, level) for level in _LEVELS]
        if p_value <= at_look[0]:
            return p_value * _LEVELS[0] / at_look[0]
        logs = np.interp(math.log(p_value), np.log(at_look), np.log(_LEVELS), right=0.0)
        return float(np.exp(logs))


def looks(planned_probes: int, alpha: float) -> tuple[Look, ...]:
    """Plan the looks at a comparison; their joint error level is ``alpha``.

    :param planned_probes: the number of probes per target.
    """
    ends = (planned_probes * number // LOOKS for number in range(1, LOOKS + 1))
    at = sorted({probes - probes % PROBES_PER_BLOCK for probes in ends} - {0})
    shares = tuple(probes / planned_probes for probes in at)
    return tuple(
        Look(number, probes, shares[:number], _level(shares[:number], alpha))
        for number, probes in enumerate(at, 1)
    )


def look_at(probes: int, planned_probes: int, alpha: float) -> Look:
    """Return the look after this many probes, whether planned or forced by the budget.

    It gets the error that the earlier looks didn't spend and later looks don't need.
    """
    before = [look for look in looks(planned_probes, alpha) if look.probes < probes]
    if before and probes > planned_probes:
        before.pop()
    shares = (*(before[-1].shares if before else ()), min(1.0, probes / planned_probes))
    return Look(len(shares), probes, shares, _level(shares, alpha))


def _level(shares: tuple[float, ...], alpha: float) -> float:
    """Return the two-sided level of the last of these looks."""
    return float(2 * special.ndtr(-_walk(shares, alpha).edge / math.sqrt(shares[-1])))


@dataclass(frozen=True, slots=True)
class _Walk:
    """A random walk that no look has ended so far. Its variance at the last look is 1."""

    edge: float
    """The latest look ends the walk beyond this distance from 0."""
    places: Floats
    """Evenly spaced positions where the walk may be now."""
    likely: Floats
    """The probability density at each position."""

    def chance(self, edge: float, deviation: float) -> float:
        """Return the probability of a position beyond the edge after another step."""
        beyond = special.ndtr((self.places - edge) / deviation)
        beyond += special.ndtr((-self.places - edge) / deviation)
        return float(np.trapezoid(beyond * self.likely, self.places))

    def step(self, edge: float, deviation: float) -> _Walk:
        places = np.linspace(-edge, edge, _GRID)
        weights = np.full(_GRID, self.places[1] - self.places[0])
        weights[[0, -1]] /= 2
        steps = np.subtract.outer(places, self.places)
        return _Walk(edge, places, _normal(steps, deviation) @ (self.likely * weights))


@cache
def _walk(shares: tuple[float, ...], alpha: float) -> _Walk:
    *earlier, share = shares
    if not earlier:
        deviation = math.sqrt(share)
        edge = -float(special.ndtri(alpha * share**_EXPONENT / 2)) * deviation
        places = np.linspace(-edge, edge, _GRID)
        return _Walk(edge, places, _normal(places, deviation))
    before = _walk(tuple(earlier), alpha)
    deviation = math.sqrt(share - earlier[-1])
    spent = alpha * (share**_EXPONENT - earlier[-1] ** _EXPONENT)
    low, high = 0.0, _LARGEST_Z * math.sqrt(share)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if before.chance(middle, deviation) > spent else (low, middle)
    return before.step(high, deviation)


def _normal(distances: Floats, deviation: float) -> Floats:
    density: Floats = np.exp(-((distances / deviation) ** 2) / 2)
    return density / (math.sqrt(2 * math.pi) * deviation)
