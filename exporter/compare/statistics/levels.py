"""The result of a comparison under load: frozen values, for any report format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.compare.statistics.findings import Objective, Versus
from exporter.compare.statistics.measures import Measure

TIMES = (Measure.TTFT_P50, Measure.TTFT_P95, Measure.TPOT_P50, Measure.TPOT_P95)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval; without bounds where there were too few requests."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SideAtLevel:
    """One target at one level of load."""

    target: str
    requests: int
    times: Mapping[Measure, Estimate]
    """In seconds; a p95 of few requests has no interval."""
    success: Estimate
    tokens_per_second: Estimate | None
    """Of all streams together, output tokens of successes while all streams were busy."""
    usd_per_million_tokens: float | None
    """Input and output together. Of a server that is paid by the hour, from what it came to."""
    usd_interval: tuple[float, float] | None
    """The 95 % interval of that price; ``None`` for a price by the token."""
    limited: bool
    """Whether it limited the rate, which ended the level."""


@dataclass(frozen=True, slots=True)
class Level:
    """All sides with so many streams at once."""

    streams: int
    sides: tuple[SideAtLevel, ...]
    versus: tuple[Versus, ...]
    """The candidates against the baseline at this level."""

    def side(self, target: str) -> SideAtLevel | None:
        return next((side for side in self.sides if side.target == target), None)


@dataclass(frozen=True, slots=True)
class Breaking:
    """At how many streams a side no longer keeps an objective; a request that fails misses it."""

    target: str
    objective: Objective
    holds_at: int | None
    """The highest level at which it surely does, below any at which it surely does not."""
    breaks_at: int | None
    """The lowest level at which it surely does not."""
    estimate: Estimate | None
    """Between the levels, a straight line through the logarithms of time and streams; a bound of
    0 or infinity lies beyond the levels that were tried."""


@dataclass(frozen=True, slots=True)
class Load:
    """All levels, and where the objectives break."""

    levels: tuple[Level, ...]
    breakings: tuple[Breaking, ...]
