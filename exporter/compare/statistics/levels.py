"""The result of a comparison under load: frozen values, for any report format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.compare.statistics.findings import Objective, Versus
from exporter.compare.statistics.measures import Measure

TIMES = (Measure.TTFT_P50, Measure.TTFT_P95, Measure.TPOT_P50, Measure.TPOT_P95)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval; the bounds are ``None`` if there were too few requests."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SideAtLevel:
    """One target at one level of load."""

    target: str
    requests: int
    times: Mapping[Measure, Estimate]
    """In seconds. The p95 of few requests has no interval."""
    success: Estimate
    tokens_per_second: Estimate | None
    """Output tokens of successes, summed over all streams while all of them were busy."""
    usd_per_million_tokens: float | None
    """Input and output together. For a server paid by the hour, derived from its throughput."""
    usd_interval: tuple[float, float] | None
    """The 95 % interval of that price; ``None`` for a price per token."""
    limited: bool
    """Whether the target limited the rate, which ended the level."""


@dataclass(frozen=True, slots=True)
class Level:
    """All sides at one number of concurrent streams."""

    streams: int
    sides: tuple[SideAtLevel, ...]
    versus: tuple[Versus, ...]
    """Each candidate compared with the baseline at this level."""

    def side(self, target: str) -> SideAtLevel | None:
        return next((side for side in self.sides if side.target == target), None)


@dataclass(frozen=True, slots=True)
class Breaking:
    """The number of streams at which a side starts to miss an objective.

    A failed request counts as a miss.
    """

    target: str
    objective: Objective
    holds_at: int | None
    """The highest level that certainly meets the objective, below ``breaks_at``."""
    breaks_at: int | None
    """The lowest level whose whole interval misses the objective."""
    estimate: Estimate | None
    """Interpolated between the levels, linear in the logarithms of time and streams. A bound of 0
    or infinity lies beyond the measured levels. A level at which too many requests fail has no time
    to interpolate with, so the interval ends there. ``None`` if the limit lies between such a level
    and the one below."""


@dataclass(frozen=True, slots=True)
class Load:
    """All levels, and the number of streams that breaks each objective."""

    levels: tuple[Level, ...]
    breakings: tuple[Breaking, ...]
